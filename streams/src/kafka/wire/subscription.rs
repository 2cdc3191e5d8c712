//! What the members of a group tell each other through its coordinator, which only passes it on: Kafka's consumer
//! protocol, written as librdkafka and Kafka's own consumer read it.
//!
//! What a member is given is read in `assignment.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::consumer_protocol_assignment::TopicPartition as Assigned;
use kafka_protocol::messages::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use crate::record::TopicPartition;

/// The first one with a field for partitions that a member keeps, which stays empty here.
const VERSION: i16 = 1;
/// Later ones begin alike.
const LAST_KNOWN: i16 = 3;

/// A member's wish for these topics.
pub(super) fn subscription(topics: &[StrBytes]) -> Bytes {
    encoded(&ConsumerProtocolSubscription::default().with_topics(topics.to_vec()))
}

/// The topics that a member wishes for; none when its bytes are no subscription.
pub(super) fn wanted(mut bytes: Bytes) -> Option<Vec<Arc<str>>> {
    let version = bytes.try_get_i16().ok().filter(|version| *version >= 0)?;
    let subscription = ConsumerProtocolSubscription::decode(&mut bytes, version.min(LAST_KNOWN)).ok()?;
    Some(subscription.topics.iter().map(|topic| Arc::from(&**topic)).collect())
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

    #[track_caller]
    fn check(bytes: &'static [u8], expected: Option<&[&str]>) {
        let wanted = wanted(Bytes::from_static(bytes));
        let wanted: Option<Vec<&str>> =
            wanted.as_ref().map(|topics| topics.iter().map(AsRef::as_ref).collect());
        assert_eq!(wanted.as_deref(), expected, "{bytes:?}");
    }

    #[test]
    fn a_subscription_is_read_whoever_has_written_it() {
        let no_user_data = b"\0\0\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff";
        check(no_user_data, Some(&["a", "bc"]));
        // Kafka's own consumer: owned partitions, their generation, no rack.
        check(
            b"\0\x03\0\0\0\x01\0\x01a\xff\xff\xff\xff\0\0\0\x01\0\x01a\0\0\0\x01\0\0\0\0\0\0\0\x05\xff\xff",
            Some(&["a"]),
        );
        check(b"\0\x04\0\0\0\x01\0\x01a\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xffmore", Some(&["a"]));
        check(b"", None);
        check(b"\xff\xff\0\0\0\0\xff\xff\xff\xff", None);
        check(b"\0\x01\0\0\0\x01\0\x05a", None);
    }

    #[test]
    fn a_subscription_is_written_as_others_read_it() {
        let expected = b"\0\x01\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff\0\0\0\0";
        assert_eq!(subscription(&["a".into(), "bc".into()])[..], expected[..]);
    }

    #[test]
    fn an_assignment_is_read_as_it_was_written() {
        let place = TopicPartition::new;
        let bytes = super::assignment(&[place("a", 0), place("bc", 7), place("a", 3)]);
        assert_eq!(assignment::parse(&bytes), Ok(vec![("a", 0), ("a", 3), ("bc", 7)]));
        assert_eq!(assignment::parse(&super::assignment(&[])), Ok(vec![]));
    }
}
