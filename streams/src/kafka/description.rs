//! What is made of a broker's answers about a topic.

use std::sync::Arc;
use std::time::Duration;

use crate::client::{ClientError, ErrorKind, TopicDescription};

pub(super) const CLEANUP_POLICY: &str = "cleanup.policy";
pub(super) const DELETE_RETENTION: &str = "delete.retention.ms";
pub(super) const SEGMENT_BYTES: &str = "segment.bytes";

/// A topic with so many partitions, where `setting` tells the value of a setting, if the broker has.
pub(super) fn description(
    topic: &Arc<str>,
    partitions: i32,
    setting: impl Fn(&str) -> Option<String>,
) -> Result<TopicDescription, ClientError> {
    let value = |name: &str| {
        setting(name).ok_or_else(|| ClientError {
            kind: ErrorKind::Fatal,
            attempted: format!("describe {topic}"),
            reason: format!("the broker does not tell its {name}"),
        })
    };
    let delete_retention = value(DELETE_RETENTION)?.parse().unwrap_or_default();
    Ok(TopicDescription {
        partitions,
        cleanup_policy: value(CLEANUP_POLICY)?,
        delete_retention: Duration::from_millis(delete_retention),
        segment_bytes: value(SEGMENT_BYTES)?.parse().unwrap_or_default(),
    })
}
