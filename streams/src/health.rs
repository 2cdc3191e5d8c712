//! What is running, and what is wrong.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What keeps an application from running all its tasks, by who says so.
#[derive(Debug)]
pub struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    reasons: BTreeMap<String, String>,
    fatal: Option<String>,
}

impl Health {
    /// Everything still has to start.
    pub(crate) fn starting(who: &str) -> Self {
        let health = Self(Mutex::default());
        health.set(who, "starting");
        health
    }

    /// Why not every task runs; empty when all do.
    pub fn reasons(&self) -> Vec<String> {
        let state = self.state();
        let reasons = state.reasons.iter().map(|(who, reason)| format!("{who}: {reason}"));
        state.fatal.iter().cloned().chain(reasons).collect()
    }

    /// What cannot get better without somebody changing a setting or a topic: the process should end.
    pub fn fatal(&self) -> Option<String> {
        self.state().fatal.clone()
    }

    pub(crate) fn set(&self, who: &str, reason: impl Into<String>) {
        self.state().reasons.insert(who.to_string(), reason.into());
    }

    pub(crate) fn clear(&self, who: &str) {
        self.state().reasons.remove(who);
    }

    pub(crate) fn set_fatal(&self, reason: impl Into<String>) {
        self.state().fatal = Some(reason.into());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
