//! Kafka's protocol itself, for what librdkafka is too slow at.

mod cluster;
mod connection;
mod coordinator;
#[cfg(test)]
mod fake_broker;
mod fetch;
mod group;
mod leaders;
mod link;
mod member;
mod rebalance;
mod records;
mod subscription;

use kafka_protocol::protocol::StrBytes;

pub(super) use self::member::Member;

/// A membership as of one assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Generation {
    /// The group's name on the cluster.
    pub(super) group: StrBytes,
    pub(super) member: StrBytes,
    pub(super) generation: i32,
}
