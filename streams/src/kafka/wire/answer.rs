//! A broker's answer while it is decoded.
//!
//! The library makes room for as many elements as an array says that it has, before it looks for the first of them: six
//! bytes could ask for hundreds of gigabytes, and no program survives that its allocator says no. In the versions that
//! are spoken here each length is a varint, read byte by byte, so it is held here against what is there.

use std::ops::Range;

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::buf::ByteBuf;

/// What is left of an answer.
#[derive(Debug)]
pub(super) struct Answer {
    rest: Bytes,
    /// The varint that is being read, as far as it is known.
    length: usize,
    shift: u32,
}

impl Answer {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self { rest: bytes, length: 0, shift: 0 }
    }

    /// Takes a byte of a varint into account, or a boolean, which looks like a short one.
    fn check(&mut self, byte: u8) -> Result<(), TryGetError> {
        let bits = usize::from(byte & 0x7f);
        let shifted = bits.checked_shl(self.shift).filter(|shifted| shifted >> self.shift == bits);
        self.length |= shifted.unwrap_or(if bits == 0 { 0 } else { usize::MAX });
        // Each element takes a byte at least, and a length counts from 1 on: 0 stands for nothing at all.
        if self.length > self.rest.len() + 1 {
            return Err(TryGetError { requested: self.length - 1, available: self.rest.len() });
        }
        let is_last = byte & 0x80 == 0;
        (self.length, self.shift) = if is_last { (0, 0) } else { (self.length, self.shift + 7) };
        Ok(())
    }
}

impl Buf for Answer {
    fn remaining(&self) -> usize {
        self.rest.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.rest.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.rest.advance(count);
    }

    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        let byte = self.rest.try_get_u8()?;
        self.check(byte)?;
        Ok(byte)
    }
}

impl ByteBuf for Answer {
    fn peek_bytes(&mut self, range: Range<usize>) -> Bytes {
        self.rest.peek_bytes(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        self.rest.get_bytes(size)
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
    use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
    use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
    use kafka_protocol::messages::{FetchResponse, JoinGroupResponse, MetadataResponse};
    use kafka_protocol::protocol::{Decodable, Encodable};
    use proptest::prelude::*;

    use super::*;

    fn encoded(message: &impl Encodable, version: i16) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        message.encode(&mut bytes, version).unwrap();
        bytes.to_vec()
    }

    fn decoded<T: Decodable>(bytes: &[u8], version: i16) -> Result<T, String> {
        T::decode(&mut Answer::new(Bytes::copy_from_slice(bytes)), version).map_err(|error| error.to_string())
    }

    fn joined() -> JoinGroupResponse {
        let member = JoinGroupResponseMember::default()
            .with_member_id("m".into())
            .with_metadata(Bytes::from(vec![7; 300]));
        JoinGroupResponse::default().with_leader("m".into()).with_members(vec![member; 200])
    }

    fn metadata() -> MetadataResponse {
        let partition = MetadataResponsePartition::default().with_replica_nodes(vec![1.into(), 2.into()]);
        let topic =
            MetadataResponseTopic::default().with_is_internal(true).with_partitions(vec![partition; 3]);
        MetadataResponse::default().with_topics(vec![topic; 3])
    }

    fn fetched() -> FetchResponse {
        let partition = PartitionData::default().with_records(Some(Bytes::from(vec![1; 1000])));
        let topic = FetchableTopicResponse::default().with_partitions(vec![partition; 3]);
        FetchResponse::default().with_responses(vec![topic])
    }

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        assert_eq!(decoded(&encoded(&joined(), 7), 7), Ok(joined()));
        assert_eq!(decoded(&encoded(&metadata(), 12), 12), Ok(metadata()));
        assert_eq!(decoded(&encoded(&fetched(), 12), 12), Ok(fetched()));
    }

    #[test]
    fn a_length_beyond_the_answers_end_is_refused_before_room_is_made() {
        // Time, code and generation; no protocol; who leads and who has joined, without names; and the members.
        let head = [&[0; 10][..], &[0, 0, 1, 1]].concat();
        for length in [&[0xff, 0xff, 0xff, 0xff, 0x07][..], &[0xff, 0xff, 0xff, 0xff, 0xff], &[0x7f], &[3]] {
            let error = decoded::<JoinGroupResponse>(&[&head, length, &[0]].concat(), 7).unwrap_err();
            assert!(error.contains("available"), "{error}");
        }
        let nobody = decoded::<JoinGroupResponse>(&[&head[..], &[1, 0]].concat(), 7).unwrap();
        assert_eq!(nobody.members, []);
        // A boolean that is none, behind the leader, does not hide the length that follows.
        let odd = [&[0; 10][..], &[0, 0, 1, 0x80, 0x81, 0x80, 0x80, 0x80, 0x07, 0]].concat();
        let error = decoded::<JoinGroupResponse>(&odd, 9).unwrap_err();
        assert!(error.contains("available"), "{error}");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(
            places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cut in any::<prop::sample::Index>(),
        ) {
            for (bytes, version) in
                [(encoded(&joined(), 7), 7), (encoded(&metadata(), 12), 12), (encoded(&fetched(), 12), 12)]
            {
                let mut bytes = bytes;
                for (place, byte) in &places {
                    let at = place.index(bytes.len());
                    bytes[at] = *byte;
                }
                for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
                    let _ = decoded::<JoinGroupResponse>(bytes, version.min(7));
                    let _ = decoded::<MetadataResponse>(bytes, 12);
                    let _ = decoded::<FetchResponse>(bytes, 12);
                }
            }
        }
    }
}
