//! Keys of several parts, as text: the parts with a `/` in between, which no id contains.

use std::str::FromStr;

/// A text that is not the key it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not of the form {form}")]
pub struct InvalidKey {
    text: String,
    form: &'static str,
}

impl InvalidKey {
    pub(crate) fn new(text: &str, form: &'static str) -> Self {
        Self { text: text.to_owned(), form }
    }
}

/// The next part of a key, if it is there and well formed.
pub(crate) fn part<'a, T: FromStr>(parts: &mut impl Iterator<Item = &'a str>) -> Option<T> {
    parts.next()?.parse().ok()
}
