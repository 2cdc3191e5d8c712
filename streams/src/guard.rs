//! Panics: a bug in one place must not end a thread in silence.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::error;

use crate::health::Health;

/// Somebody's code has panicked. What it had in work is to be thrown away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a bug: it has panicked: {0}")]
pub(crate) struct Panicked(String);

/// What `work` returns, unless it panics.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| Panicked(text_of(&*panic)))
}

/// Runs one turn of a thread that has to go on. A panic shows in the health, until a turn goes well.
pub(crate) fn guarded<T>(health: &Health, who: &str, turn: impl FnOnce() -> T) -> Option<T> {
    match caught(turn) {
        Ok(done) => {
            health.clear(who);
            Some(done)
        }
        Err(panic) => {
            error!(who, %panic, "the thread goes on");
            health.set(who, panic.to_string());
            None
        }
    }
}

/// What a panic says.
pub(crate) fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_shows_until_a_turn_goes_well() {
        let health = Health::default();
        assert_eq!(guarded(&health, "purge", || 1), Some(1));
        assert_eq!(guarded::<i32>(&health, "purge", || panic!("no {}", "way")), None);
        assert_eq!(health.reasons(), ["purge: a bug: it has panicked: no way"]);
        assert_eq!(guarded(&health, "purge", || 2), Some(2));
        assert!(health.reasons().is_empty());
    }
}
