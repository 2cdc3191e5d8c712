//! `pipeline up`, `simulate` and `bench` as their users meet them: as processes, on a real Kafka.

#![expect(clippy::unwrap_used, reason = "all of this is test code, its helpers too")]

mod bench;
mod brokers;
mod lives;
mod pipeline;
mod refusals;
