//! What a service does beside its topology and HTTP.

use std::collections::BTreeMap;

/// A part of a service that works on threads of its own, such as the mailer.
pub trait Background: Send + Sync + 'static {
    /// Why it does not work as it should; empty if it does. Shown in `/readyz`.
    fn reasons(&self) -> Vec<String> {
        Vec::new()
    }

    /// What cannot get better without somebody changing a setting: the process ends.
    fn fatal(&self) -> Option<String> {
        None
    }

    /// Its counters by name, growing from the start of the process. Shown in `/metrics`.
    fn counters(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::new()
    }

    /// Finishes what is under way and ends; returns when that is done. Called once, on a thread that may
    /// block.
    fn stop(&self);
}
