//! What the members of a group tell each other through its coordinator, which only passes it on: Kafka's consumer
//! protocol, written as librdkafka and Kafka's own consumer read it.
//!
//! What others have written is read in `assignment.rs`.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::consumer_protocol_assignment::TopicPartition as Assigned;
use kafka_protocol::messages::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicName};
use kafka_protocol::protocol::{Encodable, StrBytes};

use crate::record::TopicPartition;

/// The first one with a field for partitions that a member keeps, which stays empty here.
const VERSION: i16 = 1;

/// A member's wish for these topics.
pub(super) fn subscription(topics: &[StrBytes]) -> Bytes {
    encoded(&ConsumerProtocolSubscription::default().with_topics(topics.to_vec()))
}

/// What a member is given, by the cluster's names.
pub(super) fn assignment(partitions: &[TopicPartition]) -> Bytes {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for place in partitions {
        topics.entry(&place.topic).or_default().push(place.partition);
    }
    let assigned = topics.into_iter().map(|(topic, partitions)| {
        let topic = TopicName(StrBytes::from_string(topic.to_string()));
        Assigned::default().with_topic(topic).with_partitions(partitions)
    });
    encoded(&ConsumerProtocolAssignment::default().with_assigned_partitions(assigned.collect()))
}

fn encoded(message: &impl Encodable) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(VERSION);
    message
        .encode(&mut bytes, VERSION)
        .expect("names of topics are shorter than 32 KiB, as the broker sees to");
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::assignment;

    #[test]
    fn a_subscription_is_written_as_others_read_it() {
        let expected = b"\0\x01\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff\0\0\0\0";
        assert_eq!(subscription(&["a".into(), "bc".into()])[..], expected[..]);
    }

    #[test]
    fn an_assignment_is_read_as_it_was_written() {
        let place = TopicPartition::new;
        let bytes = super::assignment(&[place("a", 0), place("bc", 7), place("a", 3)]);
        assert_eq!(assignment::assigned(&bytes), Ok(vec![("a", 0), ("a", 3), ("bc", 7)]));
        assert_eq!(assignment::assigned(&super::assignment(&[])), Ok(vec![]));
    }
}
