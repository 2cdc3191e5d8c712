//! A real broker from start to end. The first run on a machine fetches Kafka.

mod client;
mod errors;
mod life;
mod parent;
