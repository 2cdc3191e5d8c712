//! The names of things. The text of an id is also, byte for byte, the key of
//! its records in Kafka and its place in a URL; hence the narrow alphabet, and
//! hence neither `.` nor `..`, which every client takes out of a path.

use thiserror::Error;

use crate::text::text_type;

text_type! {
    /// Names an order: 1–64 of `A-Z a-z 0-9 . _ -`, neither `.` nor `..`.
    OrderId, check, InvalidId
}
text_type! {
    /// Names a customer: 1–64 of `A-Z a-z 0-9 . _ -`, neither `.` nor `..`.
    CustomerId, check, InvalidId
}
text_type! {
    /// Names a product: 1–64 of `A-Z a-z 0-9 . _ -`, neither `.` nor `..`.
    ProductId, check, InvalidId
}
text_type! {
    /// Names one change of a stock, so that it is made once however often it
    /// is asked for: 1–64 of `A-Z a-z 0-9 . _ -`, neither `.` nor `..`.
    AdjustmentId, check, InvalidId
}

const MAX_LENGTH: usize = 64;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidId {
    /// The text has no characters.
    #[error("an id must not be empty")]
    Empty,
    /// The text has more than 64 characters.
    #[error("an id must have at most {MAX_LENGTH} characters, not {length}")]
    TooLong {
        /// Number of characters found.
        length: usize,
    },
    /// The text has a character outside of `A-Z a-z 0-9 . _ -`.
    #[error("an id must consist of A-Z a-z 0-9 . _ - only; character {position} is {character:?}")]
    Character {
        /// The first character that does not belong.
        character: char,
        /// Where it stands, counted from 1.
        position: usize,
    },
    /// `.` or `..`, which in a URL mean the place itself and the one above.
    #[error("an id must not be . or .., which no URL can name")]
    Dots,
}

fn check(text: &str) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty);
    }
    if let Some((index, character)) = text.chars().enumerate().find(|(_, c)| !is_allowed(*c)) {
        return Err(InvalidId::Character { character, position: index + 1 });
    }
    if text.len() > MAX_LENGTH {
        return Err(InvalidId::TooLong { length: text.len() });
    }
    if matches!(text, "." | "..") {
        return Err(InvalidId::Dots);
    }
    Ok(())
}

fn is_allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(cases: &[(&str, Result<(), InvalidId>)]) {
        for (text, expected) in cases {
            let found = text.parse::<OrderId>();
            let shown = found.clone().map(|id| id.to_string());
            assert_eq!(shown, expected.clone().map(|()| (*text).to_owned()), "{text:?}");
            let json = serde_json::to_string(text).unwrap();
            let decoded = serde_json::from_str::<OrderId>(&json);
            assert_eq!(decoded.ok(), found.ok(), "{text:?} as JSON");
        }
    }

    fn bad(character: char, position: usize) -> Result<(), InvalidId> {
        Err(InvalidId::Character { character, position })
    }

    #[test]
    fn an_id_is_1_to_64_of_a_narrow_alphabet() {
        let (longest, too_long) = ("x".repeat(64), "x".repeat(65));
        check(&[
            ("o", Ok(())),
            ("01J9Z", Ok(())),
            ("a.b_c-D9", Ok(())),
            ("...", Ok(())),
            (".a", Ok(())),
            (".", Err(InvalidId::Dots)),
            ("..", Err(InvalidId::Dots)),
            (&longest, Ok(())),
            ("", Err(InvalidId::Empty)),
            (&too_long, Err(InvalidId::TooLong { length: 65 })),
            (" o", bad(' ', 1)),
            ("o\n", bad('\n', 2)),
            ("o\0", bad('\0', 2)),
            ("a/b", bad('/', 2)),
            ("bestellung-ä", bad('ä', 12)),
            ("o😀", bad('😀', 2)),
            ("<script>", bad('<', 1)),
        ]);
    }

    #[test]
    fn the_error_names_what_is_wrong() {
        for (text, expected) in [
            ("", "an id must not be empty"),
            (&*"x".repeat(70), "an id must have at most 64 characters, not 70"),
            ("a b", "an id must consist of A-Z a-z 0-9 . _ - only; character 2 is ' '"),
        ] {
            assert_eq!(text.parse::<ProductId>().unwrap_err().to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_id_or_an_error(text in ".*") {
            let allowed = (1..=64).contains(&text.len())
                && text.chars().all(is_allowed)
                && !["." , ".."].contains(&text.as_str());
            prop_assert_eq!(text.parse::<CustomerId>().is_ok(), allowed);
        }
    }
}
