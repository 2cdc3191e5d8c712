//! Names in JSON that may be newer than this program.
//!
//! During a rolling upgrade an older program reads what a newer one has written. A check, a reason, a state or a
//! command that it does not know is kept as the text that it is: the record is read and can be written on, and the reader
//! decides what to do about what is unknown.

use std::fmt;
use std::str::FromStr;

/// How many bytes an unknown name may have. It is copied with what carries it.
const MOST_BYTES: usize = 39;

/// A name that this program does not know, as it was written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnknownName {
    bytes: [u8; MOST_BYTES],
    length: u8,
}

/// The text is longer than a name can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name must have at most {MOST_BYTES} bytes")]
pub struct NameTooLong;

impl UnknownName {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        let text = self.bytes.get(..self.length.into()).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }
}

/// To be called with what is none of the names that are known there.
impl FromStr for UnknownName {
    type Err = NameTooLong;

    fn from_str(text: &str) -> Result<Self, NameTooLong> {
        let mut bytes = [0; MOST_BYTES];
        bytes.get_mut(..text.len()).ok_or(NameTooLong)?.copy_from_slice(text.as_bytes());
        Ok(Self { bytes, length: text.len().try_into().map_err(|_| NameTooLong)? })
    }
}

impl fmt::Debug for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Defines an enum of names, each with its text in JSON, and one more variant for every name that is not known.
macro_rules! names {
    (
        $(#[$attribute:meta])*
        $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name {
            $($(#[$doc])* $variant,)+
            /// A name that this program does not know, because a newer one wrote it.
            Unknown($crate::names::UnknownName),
        }

        impl $name {
            /// The name in JSON.
            $vis fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Unknown(name) => name.as_str(),
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::names::NameTooLong;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Ok(match text {
                    $($text => Self::$variant,)+
                    _ => Self::Unknown(text.parse()?),
                })
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::text::deserialize_parsed(deserializer)
            }
        }
    };
}
pub(crate) use names;

#[cfg(test)]
mod tests {
    use crate::{Check, OrderState, ReasonCode};

    #[track_caller]
    fn check<T>(text: &str, is_known: bool)
    where
        T: std::str::FromStr<Err: std::fmt::Debug> + serde::Serialize + serde::de::DeserializeOwned,
        T: std::fmt::Debug + std::fmt::Display + PartialEq,
    {
        let name: T = text.parse().unwrap();
        assert_eq!(format!("{name:?}").starts_with("Unknown("), !is_known, "{name:?}");
        assert_eq!(name.to_string(), text);
        let json = serde_json::to_string(&name).unwrap();
        assert_eq!(json, serde_json::to_string(text).unwrap());
        assert_eq!(serde_json::from_str::<T>(&json).unwrap(), name);
    }

    #[test]
    fn a_name_is_kept_whether_or_not_it_is_known() {
        check::<Check>("FRAUD_CHECK", true);
        check::<Check>("PAYMENT_CHECK", false);
        check::<ReasonCode>("OUT_OF_STOCK", true);
        check::<ReasonCode>("INSUFFICIENT_CREDIT", false);
        check::<OrderState>("FAILED", true);
        check::<OrderState>("SHIPPED", false);
        for text in ["", "failed", "\"\u{e9}\"", &"X".repeat(39)] {
            check::<OrderState>(text, false);
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for json in ["7", "null", "{}", &format!("{:?}", "X".repeat(40))] {
            assert!(serde_json::from_str::<OrderState>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn only_what_waits_for_its_checks_is_not_final() {
        for (state, expected) in
            [("CREATED", false), ("VALIDATED", true), ("FAILED", true), ("SHIPPED", true)]
        {
            assert_eq!(state.parse::<OrderState>().unwrap().is_final(), expected, "{state}");
        }
    }
}
