//! Kafka's protocol itself, for what librdkafka is too slow at.

mod cluster;
mod connection;
