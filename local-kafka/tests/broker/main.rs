//! A real broker from start to end. The first run on a machine fetches Kafka.

#![expect(clippy::unwrap_used, reason = "all of this is test code, its helpers too")]

mod client;
mod errors;
mod life;
mod parent;
