//! Which partition a key belongs to: the same as with Kafka's Java clients, so that other programs
//! can share the topics. (librdkafka's own default is another hash.)

/// The partition of `key` among `partitions`, by murmur2 as in Kafka's `BuiltInPartitioner`.
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    ((murmur2(key) & 0x7fff_ffff) % partitions.unsigned_abs().max(1)).cast_signed()
}

/// Refuses a record that stands in another partition than its key belongs to: nobody who looks for the key would
/// find what came of it.
pub(crate) fn check_place(key: Option<&[u8]>, partition: i32, partitions: i32) -> Result<(), Misplaced> {
    let key = key.ok_or(Misplaced::Nowhere)?;
    let home = partition_of(key, partitions);
    if home == partition { Ok(()) } else { Err(Misplaced::Elsewhere { partition, home, partitions }) }
}

/// Why a record does not belong where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    /// Only a key says where a record belongs.
    #[error("the record has no key, so it belongs to no partition")]
    Nowhere,
    /// Its key belongs to another partition.
    #[error(
        "the record stands in partition {partition}, but its key belongs to partition {home} of {partitions} \
         (murmur2, as Java clients place keys)"
    )]
    Elsewhere {
        /// The partition it stands in.
        partition: i32,
        /// The partition its key belongs to.
        home: i32,
        /// How many partitions there are.
        partitions: i32,
    },
}

/// MurmurHash2 with the seed and the reading order of `org.apache.kafka.common.utils.Utils.murmur2`.
fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    let mut words = key.chunks_exact(4);
    let mut hash = SEED ^ u32::try_from(key.len()).unwrap_or(u32::MAX);
    for word in &mut words {
        let mut k = word.iter().rev().fold(0, |k, byte| (k << 8) | u32::from(*byte));
        k = k.wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |k, byte| (k << 8) | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_belongs_to_the_partition_of_its_key_alone() {
        let home = partition_of(b"abc", 4);
        assert_eq!(home, 3, "479470107 % 4");
        for partition in 0..4 {
            let expected = if partition == home {
                Ok(())
            } else {
                Err(Misplaced::Elsewhere { partition, home, partitions: 4 })
            };
            assert_eq!(check_place(Some(b"abc"), partition, 4), expected);
            assert_eq!(check_place(None, partition, 4), Err(Misplaced::Nowhere));
        }
    }

    /// Values of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn hashes_as_kafka_does() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }
}
