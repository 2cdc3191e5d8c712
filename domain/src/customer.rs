//! Customers.

use std::fmt;
use std::str::FromStr;

use serde::de::IntoDeserializer;
use serde::de::value::{Error as NoSuchName, StrDeserializer};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::hidden::has_hidden_outside_of_words;
use crate::ids::CustomerId;
use crate::text::text_type;

/// A customer: the value on `customers`, and within a
/// [`TierRecord`](crate::TierRecord).
///
/// Name and address are what was written once: they were checked by the rules
/// of that time, which may have become stricter. So a record outlives its
/// rules, and whoever uses the two parses them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// The customer's id.
    pub id: CustomerId,
    /// What to call them, meant as a [`CustomerName`].
    pub name: String,
    /// Where their mail goes, meant as an [`EmailAddress`](crate::EmailAddress).
    pub email: String,
    /// Their standing.
    pub level: Level,
}

/// A customer's standing; each has a topic of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The highest.
    Platinum,
    /// The second.
    Gold,
    /// The third.
    Silver,
    /// The one that everybody has.
    Bronze,
}

impl fmt::Display for Level {
    /// The name in JSON, such as `gold`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl FromStr for Level {
    type Err = InvalidLevel;

    fn from_str(text: &str) -> Result<Self, InvalidLevel> {
        let name: StrDeserializer<'_, NoSuchName> = text.into_deserializer();
        Self::deserialize(name).map_err(|_| InvalidLevel)
    }
}

/// The text names no level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a level must be platinum, gold, silver or bronze")]
pub struct InvalidLevel;

text_type! {
    /// A person's name: 1–200 characters, none of them a control character, of
    /// no width or of direction (joiners within words are fine).
    CustomerName, check_name, InvalidCustomerName
}

const MAX_NAME_CHARACTERS: usize = 200;

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidCustomerName {
    /// Empty, or longer than 200 characters.
    #[error("a name must have 1 to {MAX_NAME_CHARACTERS} characters")]
    Length,
    /// A line break, a mark of direction or another character that nobody sees.
    #[error("a name must not contain control characters, nor others that cannot be seen or change direction")]
    Hidden,
}

fn check_name(text: &str) -> Result<(), InvalidCustomerName> {
    if text.is_empty() || text.chars().count() > MAX_NAME_CHARACTERS {
        return Err(InvalidCustomerName::Length);
    }
    if has_hidden_outside_of_words(text) {
        return Err(InvalidCustomerName::Hidden);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use InvalidCustomerName::{Hidden, Length};

    use super::*;

    #[test]
    fn a_name_is_1_to_200_characters_that_can_be_seen() {
        let (longest, too_long) = ("é".repeat(200), "é".repeat(201));
        for (text, expected) in [
            ("Ada", Ok(())),
            ("Zoë 😀 <script>", Ok(())),
            (&longest, Ok(())),
            ("", Err(Length)),
            (&too_long, Err(Length)),
            ("علی\u{200c}رضا", Ok(())),
            ("a\r\nBcc: b", Err(Hidden)),
            ("\0", Err(Hidden)),
            ("A\u{200b}da", Err(Hidden)),
            ("Ada \u{202e}evE", Err(Hidden)),
        ] {
            assert_eq!(text.parse::<CustomerName>().map(|_| ()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_level_is_one_of_four() {
        use Level::{Bronze, Gold, Platinum, Silver};
        for level in [Platinum, Gold, Silver, Bronze] {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        for text in ["", "Gold", "GOLD", "tin", " gold"] {
            assert_eq!(text.parse::<Level>(), Err(InvalidLevel), "{text:?}");
        }
    }
}
