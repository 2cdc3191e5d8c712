//! Kafka's protocol itself, for what librdkafka is too slow at.
//!
//! It speaks to brokers of Kafka 4 without encryption, and to no others: see `is_spoken_by`.

mod admin;
mod answer;
mod batch;
mod cluster;
mod compression;
mod coordinator;
#[cfg(test)]
mod fake_broker;
mod fetch;
mod group;
mod leaders;
mod link;
mod member;
mod produce;
mod producer;
mod reader;
mod rebalance;
mod records;
mod servers;
mod spare;
mod subscription;
mod writer;

use std::io;
use std::time::{Duration, Instant};

use kafka_protocol::protocol::StrBytes;

use self::cluster::{Cluster, Coordinated, is_spoken};
use super::config::Settings;
use crate::client::{ClientError, ErrorKind};

pub(super) use self::admin::ClusterAdmin;
pub(super) use self::member::Member;
pub(super) use self::producer::Producer;
pub(super) use self::reader::PartitionReader;
pub(super) use self::servers::Servers;
pub(super) use self::writer::RecordWriter;

/// How long the brokers may take to say what they speak.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the brokers speak what this module does.
pub(super) fn is_spoken_by(settings: &Settings) -> Result<bool, ClientError> {
    let mut cluster = Cluster::new(settings.servers(), "streams");
    let deadline = Instant::now() + PATIENCE;
    match cluster.versions(deadline) {
        Ok(versions) => {
            let is_spoken = is_spoken(&versions);
            if is_spoken {
                have_coordinators_made(&mut cluster, settings, deadline);
            }
            Ok(is_spoken)
        }
        // Brokers that are old enough answer so that it cannot be understood.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(false),
        Err(error) => Err(ClientError {
            kind: ErrorKind::Retriable,
            attempted: "ask the brokers for their versions".to_string(),
            reason: error.to_string(),
        }),
    }
}

/// A fresh Kafka makes its coordinators when it is first asked for them, and takes half a second: time in which topics can
/// be made. Whoever needs them asks again.
fn have_coordinators_made(cluster: &mut Cluster, settings: &Settings, deadline: Instant) {
    let key = StrBytes::from_string(settings.on_cluster("streams"));
    for coordinated in [Coordinated::Group, Coordinated::Transactions] {
        if let Err(error) = cluster.coordinator(coordinated, &key, deadline) {
            tracing::debug!(?coordinated, %error, "not there yet");
        }
    }
}

/// A membership as of one assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Generation {
    /// The group's name on the cluster.
    pub(super) group: StrBytes,
    pub(super) member: StrBytes,
    pub(super) generation: i32,
}
