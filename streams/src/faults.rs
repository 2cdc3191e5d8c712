//! Deliberate faults: each does the opposite of what an invariant asks for. They tell whether the simulation can fail.
//!
//! Only the feature `faults` lets them be switched on, and no release build may have it. Without it each is off, and
//! the compiler leaves it out.

#[cfg(all(feature = "faults", not(debug_assertions)))]
compile_error!("deliberate faults are for tests alone: build without the feature `faults`");

/// A fault that can be switched on, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault(&'static str);

impl Fault {
    /// A fault of this name.
    pub const fn named(name: &'static str) -> Self {
        Self(name)
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.0
    }

    /// Whether it is to be made.
    #[cfg(not(feature = "faults"))]
    #[inline(always)]
    pub const fn is_on(&self) -> bool {
        false
    }

    /// Whether it is to be made.
    #[cfg(feature = "faults")]
    pub fn is_on(&self) -> bool {
        *switch::lock() == Some(*self)
    }

    /// From now on this one is made, by all threads of the process, and no other.
    #[cfg(feature = "faults")]
    pub fn switch_on(self) {
        *switch::lock() = Some(self);
    }
}

#[cfg(feature = "faults")]
mod switch {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::Fault;

    static ON: Mutex<Option<Fault>> = Mutex::new(None);

    pub(super) fn lock() -> MutexGuard<'static, Option<Fault>> {
        ON.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The inputs' offsets are committed after the transaction, not in it (invariant 1).
pub const OFFSETS_APART: Fault = Fault::named("offsets outside the transaction");
/// A store takes what was written before Kafka has committed it (invariant 2).
pub const STORE_FIRST: Fault = Fault::named("store applied before the commit");
/// What an aborted transaction wrote to a store stays there (invariant 2).
pub const OVERLAY_KEPT: Fault = Fault::named("overlay kept after an abort");
/// A rebalance in the middle of a transaction goes on with it under the new membership (invariant 4).
pub const FRESH_METADATA: Fault = Fault::named("group metadata taken fresh at the commit");
/// Committed offsets are read without waiting for pending transactions (invariant 5).
pub const UNSTABLE_FETCH: Fault = Fault::named("stable fetch left out");
/// A changelog is restored to its last stable offset (invariant 5).
pub const RESTORE_TO_STABLE: Fault = Fault::named("restore to the last stable offset");
/// A store that is there is taken as it is (invariant 5).
pub const STORE_TRUSTED: Fault = Fault::named("store not compared with its changelog");
/// A store's checkpoint reaches the disk before what it stands for (invariant 2).
pub const CHECKPOINT_AHEAD: Fault = Fault::named("checkpoint on disk ahead of its changes");
/// A commit whose outcome is not known is taken to have failed (invariant 7).
pub const UNKNOWN_IS_FAILED: Fault = Fault::named("unknown outcome taken for a failure");
/// A zombie answers reads (invariant 10).
pub const ZOMBIE_ANSWERS: Fault = Fault::named("zombie answers reads");
/// A zombie punctuates, and its transaction carries no offsets by which the broker would know it.
pub const BARE_PUNCTUATION: Fault = Fault::named("punctuation of a zombie, without offsets");
/// An input counts as read to its end as soon as that is asked for (the deadline rule).
pub const END_TAKEN_FOR_GRANTED: Fault = Fault::named("deadline without reading to the end");
/// Who waits for a position is told before it is committed (invariant 3).
pub const TOLD_EARLY: Fault = Fault::named("readers told before the commit");
