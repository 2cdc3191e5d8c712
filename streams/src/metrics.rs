//! What an application counts.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Counters by name, growing from the start of the process.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<BTreeMap<&'static str, u64>>);

impl Metrics {
    /// All counters with their values, in the order of their names.
    pub fn snapshot(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn add(&self, name: &'static str, count: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += count;
    }
}
