//! What the end-to-end tests share: a real Kafka, the services as real processes, and a client that only
//! knows HTTP and topics.
//!
//! Everything that is started here ends with the test, also when it panics: processes are killed when they are
//! dropped, and the broker ends with the test process.

mod binaries;
mod broker;
mod client;
mod deployment;
mod exactly_once;
mod log;
mod process;
mod round_robin;
pub mod simulation;

pub use self::binaries::binary;
pub use self::broker::{broker, kafka};
pub use self::client::{Answer, Client, order, order_of};
pub use self::deployment::{Deployment, Service};
pub use self::exactly_once::{Outcomes, check_exactly_once};
pub use self::log::{OpenTransaction, TopicLog};
pub use self::process::Process;
pub use self::round_robin::{RoundRobin, Run, Tally};

use std::time::Duration;

/// Long enough for anything but a hang.
pub const PATIENCE: Duration = Duration::from_secs(90);
