//! Stored state that is not what it should be, told apart from a store that fails.

use std::fmt::Display;

use domain::{Judgement, ReasonCode};
use streams::StoreError;

/// What stands under a key cannot be decoded, and trying again would not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

impl Unreadable {
    /// The validator could not judge, because of `what`.
    pub(crate) fn judgement(self, what: impl Display) -> Judgement {
        Judgement::Error { code: ReasonCode::StateUnreadable, detail: format!("{what} cannot be read") }
    }
}

/// Leaves only those errors outside that the runtime has to deal with.
pub(crate) fn readable<T>(read: Result<T, StoreError>) -> Result<Result<T, Unreadable>, StoreError> {
    match read {
        Ok(found) => Ok(Ok(found)),
        Err(StoreError::Undecodable { .. }) => Ok(Err(Unreadable)),
        Err(failed) => Err(failed),
    }
}
