//! A real Apache Kafka on this machine, for development and for tests.
//!
//! [`LocalKafka::start`] runs one KRaft node, broker and controller in one JVM, from jars that Maven
//! fetches once. What holds as long as the value lives, and after:
//!
//! - It listens on 127.0.0.1 only, and `start` returns when the broker answers, not before.
//! - The broker's life ends with this process, even when this process is killed with SIGKILL.
//! - A data directory has one broker at a time; a temporary one is deleted with the value.
//! - A fetch that was cut short is never used: the next start repairs it.

mod class_archive;
mod config;
mod data_dir;
mod error;
mod jars;
mod java;
mod kafka;
mod maven;
mod ports;
mod process;
mod readiness;
mod settings;

pub use config::{Config, KAFKA_VERSION};
pub use error::{FetchError, SignalError, StartError};
pub use kafka::LocalKafka;
