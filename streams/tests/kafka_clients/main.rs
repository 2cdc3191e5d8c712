//! The door to Kafka on a real broker.

mod cluster;
mod figures;
mod groups;
mod outages;
mod reading;
mod topics;
mod transactions;
mod writing;
