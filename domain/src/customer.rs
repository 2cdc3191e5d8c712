//! Customers.

use std::fmt;
use std::str::FromStr;

use serde::de::IntoDeserializer;
use serde::de::value::{Error as NoSuchName, StrDeserializer};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ids::CustomerId;
use crate::text::text_type;

/// A customer: the value on `customers`, and within a
/// [`TierRecord`](crate::TierRecord).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// The customer's id.
    pub id: CustomerId,
    /// What to call them.
    pub name: CustomerName,
    /// Where their mail goes.
    pub email: EmailAddress,
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
    /// A person's name: 1–200 characters, none of them a control character.
    CustomerName, check_name, InvalidCustomerName
}
text_type! {
    /// An address that mail could go to: one `@` with something on both sides,
    /// no blanks or control characters, at most 254 bytes (RFC 5321). Whether
    /// somebody is there only mail can tell.
    EmailAddress, check_email, InvalidEmailAddress
}

const MAX_NAME_CHARACTERS: usize = 200;
const MAX_EMAIL_BYTES: usize = 254;

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidCustomerName {
    /// Empty, or longer than 200 characters.
    #[error("a name must have 1 to {MAX_NAME_CHARACTERS} characters")]
    Length,
    /// A line break, a NUL or another control character.
    #[error("a name must not contain control characters")]
    ControlCharacter,
}

/// Why a text is not an email address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidEmailAddress {
    /// Longer than 254 bytes.
    #[error("an email address must have at most {MAX_EMAIL_BYTES} bytes")]
    TooLong,
    /// White space or a control character.
    #[error("an email address must not contain white space or control characters")]
    Blank,
    /// Not one `@` with something on both sides.
    #[error("an email address must have one @ with something on both sides")]
    At,
}

fn check_name(text: &str) -> Result<(), InvalidCustomerName> {
    if text.is_empty() || text.chars().count() > MAX_NAME_CHARACTERS {
        return Err(InvalidCustomerName::Length);
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidCustomerName::ControlCharacter);
    }
    Ok(())
}

fn check_email(text: &str) -> Result<(), InvalidEmailAddress> {
    if text.len() > MAX_EMAIL_BYTES {
        return Err(InvalidEmailAddress::TooLong);
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(InvalidEmailAddress::Blank);
    }
    match text.split_once('@') {
        Some((local, host)) if !local.is_empty() && !host.is_empty() && !host.contains('@') => Ok(()),
        _ => Err(InvalidEmailAddress::At),
    }
}

#[cfg(test)]
mod tests {
    use InvalidCustomerName::{ControlCharacter, Length};
    use InvalidEmailAddress::{At, Blank, TooLong};

    use super::*;

    #[test]
    fn a_name_is_1_to_200_printable_characters() {
        let (longest, too_long) = ("é".repeat(200), "é".repeat(201));
        for (text, expected) in [
            ("Ada", Ok(())),
            ("Zoë 😀 <script>", Ok(())),
            (&longest, Ok(())),
            ("", Err(Length)),
            (&too_long, Err(Length)),
            ("a\r\nBcc: b", Err(ControlCharacter)),
            ("\0", Err(ControlCharacter)),
        ] {
            assert_eq!(text.parse::<CustomerName>().map(|_| ()), expected, "{text:?}");
        }
    }

    #[test]
    fn an_email_address_is_plausible() {
        let too_long = format!("{}@example.org", "x".repeat(243));
        for (text, expected) in [
            ("ada@example.org", Ok(())),
            ("a+b.c@localhost", Ok(())),
            ("", Err(At)),
            ("ada", Err(At)),
            ("@example.org", Err(At)),
            ("ada@", Err(At)),
            ("a@b@c", Err(At)),
            ("a b@c", Err(Blank)),
            ("a@b\r\nBcc:c", Err(Blank)),
            ("a@b\u{a0}", Err(Blank)),
            (&too_long[1..], Ok(())),
            (&too_long, Err(TooLong)),
        ] {
            assert_eq!(text.parse::<EmailAddress>().map(|_| ()), expected, "{text:?}");
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
