//! Times are instants in UTC; in JSON they are RFC 3339 (`2026-01-02T03:04:05.678Z`).

pub use jiff::Timestamp;

/// The instant `millis` milliseconds after 1970-01-01T00:00:00Z.
///
/// This is how a reading of a clock or of Kafka enters the domain, so times
/// carry milliseconds and no more. What RFC 3339 cannot write, before the year
/// 0 or at the very end of 9999, becomes the nearest instant that it can.
pub fn timestamp_from_millis(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis.max(EARLIEST_MILLIS)).unwrap_or(LATEST)
}

const EARLIEST_MILLIS: i64 = -62_167_219_200_000;
const LATEST: Timestamp = Timestamp::constant(253_402_207_200, 0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_become_an_instant_in_utc() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_772_359_200_123, "2026-03-01T10:00:00.123Z"),
            (253_402_207_200_000, "9999-12-30T22:00:00Z"),
            (253_402_207_200_001, "9999-12-30T22:00:00Z"),
            (-62_167_219_200_001, "0000-01-01T00:00:00Z"),
            (i64::MAX, "9999-12-30T22:00:00Z"),
            (i64::MIN, "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(timestamp_from_millis(millis).to_string(), expected);
        }
    }
}
