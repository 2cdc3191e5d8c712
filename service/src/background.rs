//! What a service does beside its topology and HTTP.

use std::collections::BTreeMap;
use std::time::Instant;

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

    /// What can go up and down. Shown in `/metrics`.
    fn gauges(&self) -> Vec<Gauge> {
        Vec::new()
    }

    /// Is to begin nothing new, and to have finished what is under way by `until`. Returns at once.
    fn request_stop(&self, until: Instant);

    /// Returns when it has ended. Called once, after the request, on a thread that may block.
    fn stop(&self);
}

/// A value that goes up and down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// Its name, without the prefix that all have.
    pub name: &'static str,
    /// What it tells.
    pub help: &'static str,
    /// Name and value of the label that tells it from others of the same name.
    pub label: (&'static str, String),
    /// What it is now.
    pub value: i64,
}
