//! Records that cannot be processed: kept as they are, with the reason in headers (the names are KIP-1034's).

use bytes::Bytes;

use crate::record::{ConsumerRecord, Header};

/// The record's own headers, and those that tell why and from where it comes.
pub fn headers(record: &ConsumerRecord, exception: &str, message: &str) -> Vec<Header> {
    let mut headers = record.headers.clone();
    for (name, value) in [
        ("exception", exception.to_string()),
        ("message", message.to_string()),
        ("topic", record.topic.to_string()),
        ("partition", record.partition.to_string()),
        ("offset", record.offset.to_string()),
    ] {
        headers.push(Header::new(format!("__streams.errors.{name}"), Bytes::from(value)));
    }
    headers
}
