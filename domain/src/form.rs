//! Reading a JSON body from outside: all that is wrong with it at once, and
//! exactly where.
//!
//! The body is opened one level at a time, as far as its form is right. So it
//! costs no stack, however deeply it is nested, and every number is read from
//! its own text, never through a float.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

/// Why a body was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyError {
    /// It is not JSON in UTF-8 at all (HTTP 400).
    #[error("the body is not JSON: {detail}")]
    Syntax {
        /// What is wrong, and where.
        detail: String,
    },
    /// It is JSON of the wrong form (HTTP 422): everything that is wrong with
    /// it, at least one and at most [`MAX_FIELD_ERRORS`].
    #[error("the body has {} invalid fields", .0.len())]
    Invalid(Vec<FieldError>),
}

/// A part of a body that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where, as a JSON pointer (RFC 6901) such as `/lines/3/unitPrice`. Of
    /// what is missing, where it should be.
    pub pointer: String,
    /// What is wrong, for people.
    pub detail: String,
}

/// How many errors are told of one body. Far more than a body meant well can
/// have, and it keeps the answer to a hostile one small.
pub const MAX_FIELD_ERRORS: usize = 1000;

/// Reads a body with `read`, which looks at all of it even after an error.
pub(crate) fn parse<T>(
    body: &[u8],
    read: impl FnOnce(&Slot<'_>, &mut Errors) -> Result<T, Reported>,
) -> Result<T, BodyError> {
    let text = std::str::from_utf8(body).map_err(syntax)?;
    let root: &RawValue = serde_json::from_str(text).map_err(syntax)?;
    let mut errors = Errors(Vec::new());
    match read(&Slot { pointer: String::new(), text: Some(root.get()) }, &mut errors) {
        Ok(value) if errors.0.is_empty() => Ok(value),
        _ => Err(BodyError::Invalid(errors.0)),
    }
}

fn syntax(error: impl fmt::Display) -> BodyError {
    BodyError::Syntax { detail: error.to_string() }
}

/// The errors found so far.
pub(crate) struct Errors(Vec<FieldError>);

/// The proof that an error was reported: there is no value without a reason.
#[derive(Debug)]
pub(crate) struct Reported(());

/// A place in the body, with the JSON that stands there, if any.
pub(crate) struct Slot<'a> {
    pointer: String,
    text: Option<&'a str>,
}

impl<'a> Slot<'a> {
    /// The place if something stands there, for what may be left out.
    pub(crate) fn if_present(&self) -> Option<&Self> {
        self.text.map(|_| self)
    }

    /// The places of the fields `names`, and of no others.
    pub(crate) fn object<const N: usize>(
        &self,
        names: [&'static str; N],
        errors: &mut Errors,
    ) -> Result<[Slot<'a>; N], Reported> {
        let text = self.expect("an object", &['{'], errors)?;
        let Ok(Members(members)) = serde_json::from_str(text) else {
            return Err(self.report("has a field name that is not valid Unicode", errors));
        };
        let mut slots = names.map(|name| Slot { pointer: self.pointer_to(name), text: None });
        for (name, value) in members {
            match names.iter().position(|known| *known == name) {
                None => _ = errors.report(self.pointer_to(&name), "is not a known field"),
                Some(index) if slots[index].text.is_some() => {
                    slots[index].report("is there more than once", errors);
                }
                Some(index) => slots[index].text = Some(value.get()),
            }
        }
        Ok(slots)
    }

    /// The places of the elements, of which there may be up to `limit`.
    pub(crate) fn array(&self, limit: usize, errors: &mut Errors) -> Result<Vec<Slot<'a>>, Reported> {
        let text = self.expect("an array", &['['], errors)?;
        let elements: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|error| self.report(error, errors))?;
        if elements.len() > limit {
            let detail = format!("must have at most {limit} elements, not {}", elements.len());
            return Err(self.report(detail, errors));
        }
        let slot = |(index, element): (usize, &'a RawValue)| Slot {
            pointer: format!("{}/{index}", self.pointer),
            text: Some(element.get()),
        };
        Ok(elements.into_iter().enumerate().map(slot).collect())
    }

    /// A string that `T` can be parsed from.
    pub(crate) fn parsed<T>(&self, errors: &mut Errors) -> Result<T, Reported>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let text = self.expect("a string", &['"'], errors)?;
        self.unquote(text, errors)?.parse().map_err(|error| self.report(error, errors))
    }

    /// An integer within `i64`, written without point and exponent.
    pub(crate) fn integer(&self, errors: &mut Errors) -> Result<i64, Reported> {
        let text = self.expect("an integer", NUMBER, errors)?;
        text.parse().map_err(|_| {
            let beyond = text.bytes().all(|b| b == b'-' || b.is_ascii_digit());
            let detail = if beyond { "must fit into 64 bits" } else { "must be an integer" };
            self.report(detail, errors)
        })
    }

    /// The text of a string or of a number.
    pub(crate) fn decimal(&self, errors: &mut Errors) -> Result<Cow<'a, str>, Reported> {
        let text = self.expect("a decimal number or a string with one", DECIMAL, errors)?;
        if text.starts_with('"') { self.unquote(text, errors) } else { Ok(Cow::Borrowed(text)) }
    }

    /// Reports what is wrong with this place.
    pub(crate) fn report(&self, detail: impl fmt::Display, errors: &mut Errors) -> Reported {
        errors.report(self.pointer.clone(), detail)
    }

    /// The JSON here, if it starts as `wanted` does; JSON tells its kinds apart
    /// by the first character.
    fn expect(&self, wanted: &str, starts: &[char], errors: &mut Errors) -> Result<&'a str, Reported> {
        match self.text {
            None => Err(self.report("is required", errors)),
            Some(text) if text.starts_with(starts) => Ok(text),
            Some(text) => {
                let found = kind_of(text);
                Err(self.report(format_args!("must be {wanted}, not {found}"), errors))
            }
        }
    }

    fn unquote(&self, text: &'a str, errors: &mut Errors) -> Result<Cow<'a, str>, Reported> {
        match serde_json::from_str(text) {
            Ok(Text(text)) => Ok(text),
            // All that can be wrong with a string that was scanned before.
            Err(_) => Err(self.report("is not valid Unicode", errors)),
        }
    }

    fn pointer_to(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, name.replace('~', "~0").replace('/', "~1"))
    }
}

const NUMBER: &[char] = &['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
const DECIMAL: &[char] = &['"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];

fn kind_of(text: &str) -> &'static str {
    match text.bytes().next() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

impl Errors {
    fn report(&mut self, pointer: String, detail: impl fmt::Display) -> Reported {
        if self.0.len() < MAX_FIELD_ERRORS {
            self.0.push(FieldError { pointer, detail: detail.to_string() });
        }
        Reported(())
    }
}

/// The members of an object in their order, with those that occur twice.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A string, copied only if it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((Text(name), value)) = map.next_entry()? {
            members.push((name, value));
        }
        Ok(Members(members))
    }
}
