//! Times as they are read from JSON.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::Deserializer;

use crate::text::deserialize_parsed;

/// Reads a time as [`Timestamp`] does, for `#[serde(deserialize_with = "domain::read_time")]`.
///
/// Each record carries several times, nearly all of them of the form in which they are written here. That one is read
/// without a look at what else there may be, in a third of the time; all others are left to jiff.
///
/// # Errors
///
/// The text is no time, as jiff says.
pub fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    deserialize_parsed::<D, Text>(deserializer).map(|Text(at)| at)
}

/// A time that is parsed here.
struct Text(Timestamp);

impl FromStr for Text {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        read(text).map_or_else(|| text.parse(), Ok).map(Self)
    }
}

/// Reads `2026-03-01T10:00:00.123Z` with up to nine digits of a second, or none.
fn read(text: &str) -> Option<Timestamp> {
    let (front, behind) = text.as_bytes().split_first_chunk::<19>()?;
    let [year @ .., b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', i1, i2, b':', s1, s2] = front else {
        return None;
    };
    let nanos = match behind {
        [b'Z'] => 0,
        [b'.', digits @ .., b'Z'] => {
            number::<i32>(digits)? * 10_i32.pow(9 - u32::try_from(digits.len()).ok()?)
        }
        _ => return None,
    };
    let (month, day) = (number(&[*m1, *m2])?, number(&[*d1, *d2])?);
    let (hour, minute, second) = (number(&[*h1, *h2])?, number(&[*i1, *i2])?, number(&[*s1, *s2])?);
    let time = DateTime::new(number(year)?, month, day, hour, minute, second, nanos).ok()?;
    Offset::UTC.to_timestamp(time).ok()
}

/// A number of one to nine digits.
fn number<T: TryFrom<i32>>(digits: &[u8]) -> Option<T> {
    if !(1..=9).contains(&digits.len()) {
        return None;
    }
    let add = |sum: i32, digit: &u8| digit.is_ascii_digit().then(|| sum * 10 + i32::from(digit - b'0'));
    digits.iter().try_fold(0, add)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::samples::parsed;

    #[derive(Debug, Deserialize)]
    #[serde(transparent)]
    struct Ours(#[serde(deserialize_with = "read_time")] Timestamp);

    /// `text` is read as jiff reads it, or refused as jiff refuses it.
    #[track_caller]
    fn check(text: &str) {
        let json = serde_json::to_string(text).unwrap();
        let (ours, theirs) = (serde_json::from_str::<Ours>(&json), serde_json::from_str::<Timestamp>(&json));
        match (&ours, &theirs) {
            (Ok(Ours(ours)), Ok(theirs)) => assert_eq!(ours, theirs, "{text:?}"),
            (Err(ours), Err(theirs)) => assert_eq!(ours.to_string(), theirs.to_string(), "{text:?}"),
            _ => panic!("{text:?}: {ours:?}, not {theirs:?}"),
        }
    }

    #[test]
    fn texts_are_read_as_by_jiff() {
        const BEHIND: &str = "Z .1Z .12Z .123Z .120Z .000Z .0001Z .123456789Z .1234567890Z .Z .-1Z ,5Z z ZZ \
                              +00:00 +01:00 -00:00 [Europe/Berlin] ";
        for front in [
            "2026-03-01T10:00:00",
            "2024-02-29T23:59:59",
            "2026-02-29T00:00:00",
            "2026-13-01T00:00:00",
            "2026-06-30T23:59:60",
            "0000-01-01T00:00:00",
            "9999-12-31T23:59:59",
            "-000001-01-01T00:00:00",
            "2026-03-01_10:00:00",
            "2026-03-01t10:00:00",
            "2026-3-01T10:00:00",
            "+026-03-01T10:00:00",
            "2026-03-01",
            "yesterday",
            "",
        ] {
            BEHIND.split(' ').for_each(|behind| check(&format!("{front}{behind}")));
        }
    }

    #[test]
    fn what_is_common_is_read_here() {
        for text in ["2026-03-01T10:00:00Z", "2026-03-01T10:00:00.5Z", "2026-03-01T10:00:00.123Z"] {
            assert_eq!(read(text), Some(parsed(text)));
        }
    }

    proptest! {
        #[test]
        fn any_time_is_read_as_by_jiff(
            seconds in -377_705_023_201..=253_402_207_199_i64,
            nanos in prop_oneof![Just(0), (0..1000).prop_map(|millis| millis * 1_000_000), 0..1_000_000_000],
        ) {
            check(&Timestamp::new(seconds, nanos).unwrap().to_string());
        }

        #[test]
        fn any_text_is_read_as_by_jiff(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,10})?Z?") {
            check(&text);
        }
    }
}
