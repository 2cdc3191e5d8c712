//! Compressed records made plain again, up to a limit.
//!
//! Anybody who may write to a topic may write a batch that grows a thousandfold: the broker takes it, because it only
//! looks at one record at a time. So a reader bounds what it makes of a batch by what was sent.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

/// A batch may hold so many bytes however small it is compressed,
const SMALL: usize = 16 << 20;
/// a larger one so many for each byte that was sent,
const FACTOR: usize = 100;
/// and none more than this.
const LARGEST: usize = 128 << 20;

/// What an xerial stream begins with, the framing in which Kafka's own clients write snappy. Two version numbers follow.
const XERIAL: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEAD: usize = XERIAL.len() + 8;

/// Why records cannot be made plain.
#[derive(Debug, thiserror::Error)]
pub(super) enum CompressionError {
    #[error("is compressed in a way that is not known: {0}")]
    UnknownCodec(u8),
    #[error("cannot be decompressed: {0}")]
    Damaged(String),
    #[error("holds more than {limit} bytes: too many for one that is {sent} bytes when compressed")]
    TooLarge { sent: usize, limit: usize },
}

/// The records of a batch whose attributes name this codec.
pub(super) fn decompressed(codec: u8, records: Bytes) -> Result<Bytes, CompressionError> {
    let limit = records.len().saturating_mul(FACTOR).clamp(SMALL, LARGEST);
    decompressed_up_to(limit, codec, records)
}

fn decompressed_up_to(limit: usize, codec: u8, records: Bytes) -> Result<Bytes, CompressionError> {
    let sent = records.len();
    let plain = match codec {
        0 => return Ok(records),
        1 => read_up_to(limit, &mut MultiGzDecoder::new(&records[..])),
        2 => snappy(limit, &records),
        3 => lz4(limit, &records),
        4 => zstd::Decoder::with_buffer(&records[..]).and_then(|mut plain| read_up_to(limit, &mut plain)),
        codec => return Err(CompressionError::UnknownCodec(codec)),
    };
    match plain {
        Ok(Some(plain)) => Ok(plain.into()),
        Ok(None) => Err(CompressionError::TooLarge { sent, limit }),
        Err(error) => Err(CompressionError::Damaged(error.to_string())),
    }
}

/// All that a decoder gives; none when that is more than `limit`.
fn read_up_to(limit: usize, decoder: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut plain = Vec::new();
    decoder.take(limit as u64 + 1).read_to_end(&mut plain)?;
    Ok((plain.len() <= limit).then_some(plain))
}

fn lz4(limit: usize, records: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut decoder = lz4::Decoder::new(records)?;
    let plain = read_up_to(limit, &mut decoder)?;
    if plain.is_some() {
        let (_, ended) = decoder.finish();
        ended.map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    }
    Ok(plain)
}

/// One block alone, or many, each with its length in front, behind the head of an xerial stream.
fn snappy(limit: usize, records: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut plain = Vec::new();
    if !records.starts_with(XERIAL) {
        return Ok(snappy_block(limit, records, &mut plain)?.then_some(plain));
    }
    let mut rest = records.get(XERIAL_HEAD..).ok_or(io::ErrorKind::UnexpectedEof)?;
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk().ok_or(io::ErrorKind::UnexpectedEof)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(io::Error::other)?;
        let (block, behind) = behind.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        if !snappy_block(limit, block, &mut plain)? {
            return Ok(None);
        }
        rest = behind;
    }
    Ok(Some(plain))
}

/// Adds a block's bytes to `plain`. Whether they are within the limit, which is known before any of them is there.
fn snappy_block(limit: usize, block: &[u8], plain: &mut Vec<u8>) -> io::Result<bool> {
    let begin = plain.len();
    let end = begin.saturating_add(snap::raw::decompress_len(block)?);
    if end > limit {
        return Ok(false);
    }
    plain.resize(end, 0);
    snap::raw::Decoder::new().decompress(block, &mut plain[begin..])?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::compression::{Compressor, Gzip, Lz4, Snappy, Zstd};
    use proptest::prelude::*;

    use super::*;

    /// Written by another hand than what reads it.
    fn compressed(codec: u8, plain: &[u8]) -> Bytes {
        let mut bytes = BytesMut::new();
        let put = |buffer: &mut BytesMut| {
            buffer.extend_from_slice(plain);
            Ok(())
        };
        match codec {
            1 => Gzip::compress(&mut bytes, put),
            2 => Snappy::compress(&mut bytes, put),
            3 => Lz4::compress(&mut bytes, put),
            _ => Zstd::compress(&mut bytes, put),
        }
        .unwrap();
        bytes.freeze()
    }

    /// As a client without the framing writes it.
    fn snappy_alone(plain: &[u8]) -> Bytes {
        snap::raw::Encoder::new().compress_vec(plain).unwrap().into()
    }

    #[test]
    fn what_was_compressed_comes_out_again() {
        for plain in [&b""[..], b"v", &b"order ".repeat(50_000)] {
            for codec in 1..=4 {
                let bytes = compressed(codec, plain);
                assert_eq!(decompressed(codec, bytes).unwrap(), plain, "codec {codec}");
            }
            assert_eq!(decompressed(2, snappy_alone(plain)).unwrap(), plain);
        }
        let members = [compressed(1, b"one"), compressed(1, b", two")].concat();
        assert_eq!(decompressed(1, members.into()).unwrap(), &b"one, two"[..]);
    }

    #[test]
    fn a_batch_grows_up_to_the_limit_and_no_further() {
        let plain = vec![7; 100_000];
        for (codec, bytes) in
            (1..=4).map(|codec| (codec, compressed(codec, &plain))).chain([(2, snappy_alone(&plain))])
        {
            assert_eq!(decompressed_up_to(100_000, codec, bytes.clone()).unwrap(), plain, "codec {codec}");
            let sent = bytes.len();
            let error = decompressed_up_to(99_999, codec, bytes).unwrap_err().to_string();
            let expected = format!("holds more than 99999 bytes: too many for one that is {sent} bytes");
            assert!(error.contains(&expected), "codec {codec}: {error}");
        }
        // Four gigabytes, says the block, which has none of them.
        let boast = Bytes::from_static(b"\xff\xff\xff\xff\x0f\0");
        assert!(matches!(decompressed(2, boast), Err(CompressionError::TooLarge { limit: SMALL, .. })));
    }

    #[test]
    fn what_a_batch_may_hold_follows_from_what_was_sent() {
        // Ten times the limit, in a hundredth of it.
        let bomb = compressed(4, &vec![0; 10 * SMALL]);
        assert!(bomb.len() * FACTOR < SMALL * 2);
        assert!(matches!(decompressed(4, bomb), Err(CompressionError::TooLarge { .. })));
    }

    #[test]
    fn what_is_cut_off_is_damaged() {
        for codec in 1..=4 {
            let bytes = compressed(codec, &b"order ".repeat(1_000));
            for length in 0..bytes.len() - 1 {
                let cut = decompressed(codec, bytes.slice(..length));
                // Nothing of an xerial stream but its head is an empty one.
                let is_empty = matches!(&cut, Ok(plain) if plain.is_empty());
                let is_damaged = matches!(cut, Err(CompressionError::Damaged(_)));
                assert!(is_damaged || is_empty && codec == 2, "codec {codec}, {length} bytes");
            }
        }
        assert!(matches!(decompressed(5, Bytes::new()), Err(CompressionError::UnknownCodec(5))));
    }

    proptest! {
        #[test]
        fn whatever_comes_stays_within_the_limit(
            codec in 1_u8..5,
            places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            other in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            const LIMIT: usize = 10_000;
            let mut bytes = compressed(codec, &b"order ".repeat(1_000)).to_vec();
            for (place, byte) in places {
                let at = place.index(bytes.len());
                bytes[at] = byte;
            }
            for bytes in [bytes.clone(), [&bytes[..], &other].concat(), other] {
                if let Ok(plain) = decompressed_up_to(LIMIT, codec, bytes.into()) {
                    prop_assert!(plain.len() <= LIMIT);
                }
            }
        }
    }
}
