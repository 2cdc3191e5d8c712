//! `pipeline up` and `pipeline simulate` as their users meet them: as processes, on a real Kafka.

mod brokers;
mod lives;
mod pipeline;
mod refusals;
