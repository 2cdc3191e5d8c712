//! The door to Kafka on a real broker.

#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod cluster;
mod figures;
mod groups;
mod members;
mod outages;
mod proxy;
mod reading;
mod servers;
mod topics;
mod transactions;
mod writers;
mod writing;
