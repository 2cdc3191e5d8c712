//! What can stand in a topic or a store: keys as text, values as JSON.
//!
//! Keys are text so that topics and changelogs can be read with Kafka's console tools, and so that a
//! store's order is the order of its keys' text. A composite key puts a separator between its parts
//! that none of them contains and that sorts before what they contain.

use std::cell::Cell;
use std::fmt::Display;
use std::io::Write as _;
use std::str::FromStr;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dead_letter::shortened;
use crate::guard::caught;
use crate::topic::KeyOf;

/// A key of a topic or store: whatever has a text form that can be read back.
pub trait Key: Display + FromStr<Err: Display> + PartialEq + Clone + Send + Sync + 'static {}

impl<T: Display + FromStr<Err: Display> + PartialEq + Clone + Send + Sync + 'static> Key for T {}

/// A value of a topic or store: whatever serde can write and read.
pub trait Value: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> Value for T {}

/// A value that is only read from a topic, never written.
pub trait ReadValue: DeserializeOwned + Clone + Send + Sync + 'static {}

impl<T: DeserializeOwned + Clone + Send + Sync + 'static> ReadValue for T {}

/// Bytes that are not what their topic or store should hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A record that needs a key or a value comes without.
    #[error("the record has no {0}")]
    Missing(&'static str),
    /// A key that is not the text of its type.
    #[error("the key {text:?} is none of this topic or store: {reason}")]
    Key {
        /// The key, as far as it is text.
        text: String,
        /// What its type says of it.
        reason: String,
    },
    /// A value that is not the JSON of its type.
    #[error("the value is not what this topic or store holds: {0}")]
    Value(String),
    /// A value that names another key than the one that it stands under.
    #[error("the value names {named:?}, but the record's key is {key:?}")]
    OtherKey {
        /// The record's key.
        key: String,
        /// The key that the value names.
        named: String,
    },
}

impl DecodeError {
    /// Its name in a dead letter.
    pub fn exception(&self) -> &'static str {
        match self {
            DecodeError::OtherKey { .. } => "MismatchedKey",
            _ => "DecodeError",
        }
    }
}

/// A value that serde cannot write as JSON.
#[derive(Debug, thiserror::Error)]
#[error("the value cannot be written as JSON: {0}")]
pub struct EncodeError(#[from] serde_json::Error);

/// The bytes of a key.
pub fn encode_key<K: Key>(key: &K) -> Bytes {
    encode_key_after(b"", key)
}

/// The bytes of a key behind a prefix.
pub(crate) fn encode_key_after<K: Key>(prefix: &[u8], key: &K) -> Bytes {
    in_scratch(|scratch| {
        scratch.extend_from_slice(prefix);
        // A key's text fails only if the key's own code does, which `to_string` does not forgive either.
        write!(scratch, "{key}").expect("a buffer in memory takes everything");
    })
}

/// The key that stands in `bytes`.
pub fn decode_key<K: Key>(bytes: &[u8]) -> Result<K, DecodeError> {
    let error = |reason: String| DecodeError::Key {
        text: shortened(&String::from_utf8_lossy(bytes)).into_owned(),
        reason,
    };
    let text = std::str::from_utf8(bytes).map_err(|e| error(e.to_string()))?;
    read(|| text.parse().map_err(|e: K::Err| e.to_string())).map_err(error)
}

/// The key and the value of a record, which names its key where `key_of` says so.
pub(crate) fn decode_record<K: Key, V: ReadValue>(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    key_of: KeyOf<K, V>,
) -> Result<(K, V), DecodeError> {
    let key: K = decode_key(key.ok_or(DecodeError::Missing("key"))?)?;
    let value: V = decode_value(value.ok_or(DecodeError::Missing("value"))?)?;
    match key_of.and_then(|key_of| key_of(&value)).filter(|named| **named != key) {
        Some(named) => Err(DecodeError::OtherKey { key: key.to_string(), named: named.to_string() }),
        None => Ok((key, value)),
    }
}

/// The bytes of a value.
pub fn encode_value<V: Value>(value: &V) -> Result<Bytes, EncodeError> {
    let mut result = Ok(());
    let bytes = in_scratch(|scratch| result = serde_json::to_writer(scratch, value));
    result?;
    Ok(bytes)
}

/// What `write` puts into an empty buffer, in bytes of its own. The buffer is kept: it has its size, and what is kept
/// for long is not larger than it has to be.
fn in_scratch(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    thread_local!(static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) });
    let mut scratch = SCRATCH.take();
    scratch.clear();
    write(&mut scratch);
    let bytes = Bytes::copy_from_slice(&scratch);
    if scratch.capacity() <= MOST_SCRATCH {
        SCRATCH.set(scratch);
    }
    bytes
}

/// A buffer that has become larger than this is not kept.
const MOST_SCRATCH: usize = 64 << 10;

/// The value that stands in `bytes`.
pub fn decode_value<V: ReadValue>(bytes: &[u8]) -> Result<V, DecodeError> {
    // As text at once: serde_json would look at each string in it by itself, which takes a sixth longer.
    let text = std::str::from_utf8(bytes).map_err(|e| DecodeError::Value(e.to_string()))?;
    read(|| serde_json::from_str(text).map_err(|e| e.to_string())).map_err(DecodeError::Value)
}

/// Reads by a type's own code. What that panics on, it cannot read; and what it says may repeat all of it.
fn read<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let result = caught(read).unwrap_or_else(|panic| Err(panic.to_string()));
    result.map_err(|reason| shortened(&reason).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Panics;

    impl<'de> serde::Deserialize<'de> for Panics {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("a bug in a type's code")
        }
    }

    impl FromStr for Panics {
        type Err = String;

        fn from_str(_: &str) -> Result<Self, String> {
            panic!("a bug in a key's code")
        }
    }

    impl Display for Panics {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Ok(())
        }
    }

    #[test]
    fn what_the_types_code_panics_on_cannot_be_decoded() {
        let value = decode_value::<Panics>(b"{}").unwrap_err();
        assert!(value.to_string().contains("has panicked: a bug in a type's code"), "{value}");
        let key = decode_key::<Panics>(b"k").unwrap_err();
        assert!(key.to_string().contains("has panicked: a bug in a key's code"), "{key}");
    }

    #[test]
    fn an_error_does_not_repeat_all_of_the_record() {
        let long = "x".repeat(2 << 20);
        let value = decode_value::<bool>(format!("\"{long}\"").as_bytes()).unwrap_err();
        let key = decode_key::<u8>(long.as_bytes()).unwrap_err();
        for error in [value, key] {
            let length = error.to_string().len();
            assert!(length < 20 << 10, "{length}");
        }
    }
}
