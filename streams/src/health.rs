//! What is running, and what is wrong.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Timestamp;
use crate::dead_letter::shortened;

/// What keeps an application from running all its tasks, by who says so.
#[derive(Debug, Default)]
pub struct Health {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    reasons: BTreeMap<String, String>,
    notes: Vec<Note>,
    fatal: Option<String>,
}

/// Something that is worth knowing though it keeps no task from running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What it is.
    pub text: String,
    /// Since when it is so.
    pub since: Timestamp,
}

impl Health {
    /// Everything still has to start.
    pub(crate) fn starting(who: &str) -> Self {
        let health = Self::default();
        health.set(who, "starting");
        health
    }

    /// Why not every task runs; empty when all do.
    pub fn reasons(&self) -> Vec<String> {
        let state = self.state();
        let reasons = state.reasons.iter().map(|(who, reason)| format!("{who}: {reason}"));
        state.fatal.iter().cloned().chain(reasons).collect()
    }

    /// What is worth knowing though it keeps no task from running: an input that somebody's open transaction holds up.
    pub fn notes(&self) -> Vec<Note> {
        self.state().notes.clone()
    }

    /// What cannot get better without somebody changing a setting or a topic: the process should end.
    pub fn fatal(&self) -> Option<String> {
        self.state().fatal.clone()
    }

    /// Waits until every task runs or none ever will, for `patience` at most. Whether every task runs.
    pub fn wait(&self, patience: Duration) -> bool {
        let starting = |state: &mut State| state.fatal.is_none() && !state.reasons.is_empty();
        let waited = self.changed.wait_timeout_while(self.state(), patience, starting);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.fatal.is_none() && state.reasons.is_empty()
    }

    pub(crate) fn set(&self, who: &str, reason: impl Into<String>) {
        let reason = shortened(&reason.into()).into_owned();
        self.state().reasons.insert(who.to_string(), reason);
    }

    pub(crate) fn set_notes(&self, notes: Vec<Note>) {
        self.state().notes = notes;
    }

    pub(crate) fn clear(&self, who: &str) {
        self.state().reasons.remove(who);
        self.changed.notify_all();
    }

    pub(crate) fn set_fatal(&self, reason: impl Into<String>) {
        self.state().fatal = Some(reason.into());
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
