//! What a member of a group wants and what it has, as the consumer protocol writes it down.
//!
//! The group's coordinator passes both on as bytes that only the members understand: Kafka's
//! `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`, versions 0 to 3, which begin alike.
//!
//! ```text
//! subscription: version: i16, topics: i32 times (name: i16 bytes), ...
//! assignment:   version: i16, topics: i32 times (name: i16 bytes, partitions: i32 times i32), ...
//! ```
//!
//! Any member can write anything there. So a count is never trusted: what is read takes no more memory than the bytes
//! that are there, times a small factor.

use std::collections::BTreeSet;

use super::names::Names;
use crate::client::GroupMember;
use crate::record::TopicPartition;

/// The bytes are not what the consumer protocol would write there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("it ends in the middle of a field")]
    CutOff,
    #[error("a length in it is negative")]
    NegativeLength,
    #[error("a topic's name in it is not UTF-8")]
    NotText,
    #[error("its version is negative")]
    NegativeVersion,
}

/// A member, as its group's coordinator tells of it. One whose assignment cannot be read has nothing, as far as
/// anybody can tell.
pub(super) fn member(client_id: &str, assignment: &[u8], names: &mut Names) -> GroupMember {
    let partitions = assigned(assignment).unwrap_or_else(|error| {
        tracing::warn!(client_id, %error, "a member's assignment cannot be read");
        Vec::new()
    });
    let partitions = partitions.into_iter();
    let partitions = partitions.map(|(topic, partition)| TopicPartition::new(names.inside(topic), partition));
    GroupMember { client_id: client_id.to_string(), partitions: partitions.collect() }
}

/// The partitions that an assignment tells of. No bytes are no partitions.
pub(super) fn assigned(bytes: &[u8]) -> Result<Vec<(&str, i32)>, Malformed> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut fields = Fields(bytes);
    fields.version()?;
    let mut partitions = Vec::new();
    for _ in 0..fields.i32()? {
        let topic = fields.text()?;
        for _ in 0..fields.i32()? {
            partitions.push((topic, fields.i32()?));
        }
    }
    Ok(partitions)
}

/// The topics that a subscription tells of.
pub(super) fn subscribed(bytes: &[u8]) -> Result<BTreeSet<&str>, Malformed> {
    let mut fields = Fields(bytes);
    fields.version()?;
    (0..fields.i32()?).map(|_| fields.text()).collect()
}

/// What is still to be read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn version(&mut self) -> Result<(), Malformed> {
        if self.i16()? < 0 { Err(Malformed::NegativeVersion) } else { Ok(()) }
    }

    fn i16(&mut self) -> Result<i16, Malformed> {
        let (number, rest) = self.0.split_first_chunk().ok_or(Malformed::CutOff)?;
        self.0 = rest;
        Ok(i16::from_be_bytes(*number))
    }

    fn i32(&mut self) -> Result<i32, Malformed> {
        let (number, rest) = self.0.split_first_chunk().ok_or(Malformed::CutOff)?;
        self.0 = rest;
        Ok(i32::from_be_bytes(*number))
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = usize::try_from(self.i16()?).map_err(|_| Malformed::NegativeLength)?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(Malformed::CutOff)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| Malformed::NotText)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Malformed::{CutOff, NegativeLength, NegativeVersion, NotText};

    const TWO_TOPICS: &[u8] =
        b"\0\x01\0\0\0\x02\0\x01a\0\0\0\x02\0\0\0\0\0\0\0\x03\0\x02bc\0\0\0\x01\0\0\0\x07\xff\xff\xff\xff";
    /// So many topics that no machine has room for them.
    const ENDLESS: &[u8] = b"\0\x01\x7f\xff\xff\xff";

    #[track_caller]
    fn check(bytes: &[u8], expected: Result<&[(&str, i32)], Malformed>) {
        assert_eq!(assigned(bytes).as_deref(), expected.as_deref(), "{bytes:?}");
    }

    #[test]
    fn an_assignment_is_read_or_refused() {
        check(b"", Ok(&[]));
        check(b"\0\0\0\0\0\0", Ok(&[]));
        check(b"\0\x03\0\0\0\0\xff\xff\xff\xff", Ok(&[]));
        check(TWO_TOPICS, Ok(&[("a", 0), ("a", 3), ("bc", 7)]));
        check(b"\0", Err(CutOff));
        check(b"\0\0\0\0\0\x01\0\x01\xff\0\0\0\0", Err(NotText));
        check(b"\0\0\0\0\0\x01\xff\xff\0\0\0\0", Err(NegativeLength));
        check(b"\xff\xff\0\0\0\0", Err(NegativeVersion));
        check(ENDLESS, Err(CutOff));
        check(b"\0\0\0\0\0\x01\0\x01a\x7f\xff\xff\xff", Err(CutOff));
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let user_data = 4;
        for length in 1..TWO_TOPICS.len() - user_data {
            check(&TWO_TOPICS[..length], Err(CutOff));
        }
    }

    #[test]
    fn a_member_whose_assignment_cannot_be_read_has_nothing() {
        let mut names = Names::new("a.");
        let nothing = GroupMember { client_id: "c".to_string(), partitions: Vec::new() };
        assert_eq!(member("c", ENDLESS, &mut names), nothing);
    }

    #[track_caller]
    fn check_topics(bytes: &[u8], expected: Result<&[&str], Malformed>) {
        let topics = subscribed(bytes).map(|topics| topics.into_iter().collect::<Vec<_>>());
        assert_eq!(topics.as_deref(), expected.as_deref(), "{bytes:?}");
    }

    #[test]
    fn a_subscription_is_read_whoever_has_written_it() {
        let no_user_data = b"\0\0\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff";
        check_topics(no_user_data, Ok(&["a", "bc"]));
        // Kafka's own consumer: owned partitions, their generation, no rack.
        check_topics(
            b"\0\x03\0\0\0\x01\0\x01a\xff\xff\xff\xff\0\0\0\x01\0\x01a\0\0\0\x01\0\0\0\0\0\0\0\x05\xff\xff",
            Ok(&["a"]),
        );
        check_topics(b"\0\x04\0\0\0\x01\0\x01a\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xffmore", Ok(&["a"]));
        check_topics(b"\0\x01\0\0\0\x02\0\x01a\0\x01a", Ok(&["a"]));
        check_topics(b"", Err(CutOff));
        check_topics(b"\xff\xff\0\0\0\0\xff\xff\xff\xff", Err(NegativeVersion));
        check_topics(b"\0\x01\0\0\0\x01\0\x05a", Err(CutOff));
        check_topics(b"\0\x01\0\0\0\x01\xff\xff", Err(NegativeLength));
        check_topics(b"\0\x01\0\0\0\x01\0\x01\xff", Err(NotText));
        check_topics(ENDLESS, Err(CutOff));
    }

    proptest! {
        #[test]
        fn whatever_a_member_writes_takes_no_more_room_than_it_has(
            places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = TWO_TOPICS.to_vec();
            for (place, byte) in places {
                let at = place.index(bytes.len());
                bytes[at] = byte;
            }
            for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
                let partitions = assigned(bytes).map_or(0, |partitions| partitions.len());
                let topics = subscribed(bytes).map_or(0, |topics| topics.len());
                prop_assert!(4 * partitions <= bytes.len() && 2 * topics <= bytes.len());
            }
        }
    }
}
