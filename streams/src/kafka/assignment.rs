//! What a member of a group has, as the consumer protocol writes it down.
//!
//! The group's coordinator keeps it as bytes that only the members understand: Kafka's
//! `ConsumerProtocolAssignment`, versions 0 to 3, which begin alike.
//!
//! ```text
//! version: i16, topics: i32 times (name: i16 bytes, partitions: i32 times i32), user data
//! ```

use super::names::Names;
use crate::client::GroupMember;
use crate::record::TopicPartition;

/// The bytes are no assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a member's assignment is not of the consumer protocol")]
pub(super) struct NotAnAssignment;

/// A member, as its group's coordinator tells of it.
pub(super) fn member(
    client_id: &str,
    assignment: &[u8],
    names: &mut Names,
) -> Result<GroupMember, NotAnAssignment> {
    let partitions = parse(assignment)?.into_iter();
    let partitions = partitions.map(|(topic, partition)| TopicPartition::new(names.inside(topic), partition));
    Ok(GroupMember { client_id: client_id.to_string(), partitions: partitions.collect() })
}

/// The partitions that `bytes` tell of. No bytes are no partitions.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<(&str, i32)>, NotAnAssignment> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut bytes = Bytes(bytes);
    let _version = bytes.i16()?;
    let mut partitions = Vec::new();
    for _ in 0..bytes.i32()? {
        let topic = bytes.text()?;
        for _ in 0..bytes.i32()? {
            partitions.push((topic, bytes.i32()?));
        }
    }
    Ok(partitions)
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn i16(&mut self) -> Result<i16, NotAnAssignment> {
        let (number, rest) = self.0.split_first_chunk().ok_or(NotAnAssignment)?;
        self.0 = rest;
        Ok(i16::from_be_bytes(*number))
    }

    fn i32(&mut self) -> Result<i32, NotAnAssignment> {
        let (number, rest) = self.0.split_first_chunk().ok_or(NotAnAssignment)?;
        self.0 = rest;
        Ok(i32::from_be_bytes(*number))
    }

    fn text(&mut self) -> Result<&'a str, NotAnAssignment> {
        let length = usize::try_from(self.i16()?).map_err(|_| NotAnAssignment)?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(NotAnAssignment)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| NotAnAssignment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_TOPICS: &[u8] =
        b"\0\x01\0\0\0\x02\0\x01a\0\0\0\x02\0\0\0\0\0\0\0\x03\0\x02bc\0\0\0\x01\0\0\0\x07\xff\xff\xff\xff";

    #[track_caller]
    fn check(bytes: &[u8], expected: Result<&[(&str, i32)], NotAnAssignment>) {
        assert_eq!(parse(bytes).as_deref(), expected.as_deref(), "{bytes:?}");
    }

    #[test]
    fn an_assignment_is_read_or_refused() {
        check(b"", Ok(&[]));
        check(b"\0\0\0\0\0\0", Ok(&[]));
        check(b"\0\x03\0\0\0\0\xff\xff\xff\xff", Ok(&[]));
        check(TWO_TOPICS, Ok(&[("a", 0), ("a", 3), ("bc", 7)]));
        check(b"\0", Err(NotAnAssignment));
        check(b"\0\0\0\0\0\x01\0\x01\xff\0\0\0\0", Err(NotAnAssignment));
        check(b"\0\0\0\0\0\x01\xff\xff\0\0\0\0", Err(NotAnAssignment));
        check(b"\0\0\x7f\xff\xff\xff", Err(NotAnAssignment));
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let user_data = 4;
        for length in 1..TWO_TOPICS.len() - user_data {
            check(&TWO_TOPICS[..length], Err(NotAnAssignment));
        }
    }
}
