//! Records that cannot be processed: kept as they are, with the reason in headers (the names are KIP-1034's).

use std::borrow::Cow;

use bytes::Bytes;

use crate::record::{ConsumerRecord, Header};

/// The longest text that tells why a record cannot be processed, in bytes.
const LONGEST_REASON: usize = 4 << 10;

/// The record's own headers, and those that tell why and from where it comes. Of a long `message` its beginning.
pub fn headers(record: &ConsumerRecord, exception: &str, message: &str) -> Vec<Header> {
    let mut headers = record.headers.clone();
    for (name, value) in [
        ("exception", exception.to_string()),
        ("message", shortened(message).into_owned()),
        ("topic", record.topic.to_string()),
        ("partition", record.partition.to_string()),
        ("offset", record.offset.to_string()),
    ] {
        headers.push(Header::new(format!("__streams.errors.{name}"), Bytes::from(value)));
    }
    headers
}

/// The beginning of a text that is too long, and how long it was. What an error says may repeat all of a record, and then
/// no broker would take its dead letter.
pub(crate) fn shortened(reason: &str) -> Cow<'_, str> {
    if reason.len() <= LONGEST_REASON {
        return reason.into();
    }
    let end = format!(" ... (cut: it has {} bytes)", reason.len());
    let start = reason.floor_char_boundary(LONGEST_REASON - end.len());
    (reason[..start].to_owned() + &end).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let longest = "é".repeat(LONGEST_REASON / 2);
        assert_eq!(shortened(&longest), longest);
        let cut = |reason: String| shortened(&reason).into_owned();
        let end = " ... (cut: it has 4097 bytes)";
        // It has an odd number of bytes, so half a character has no room.
        assert_eq!(
            cut(format!("{longest}x")),
            format!("{}{end}", "é".repeat((LONGEST_REASON - end.len()) / 2))
        );
        assert_eq!(cut(format!("x{longest}")).len(), LONGEST_REASON);
        assert_eq!(shortened(&cut("x".repeat(2 << 20))), cut("x".repeat(2 << 20)), "once");
    }
}
