//! What can be seen of a running service.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::timestamp_from_millis;
use streams::{Health, Metrics, Note, Queries};

use crate::background::{Background, Gauge};

/// The gauges of a service, for health and metrics.
#[derive(Clone)]
pub(crate) struct Observed {
    pub(crate) name: &'static str,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) queries: Queries,
    pub(crate) background: Vec<Arc<dyn Background>>,
}

impl Observed {
    /// Why not all of it works; empty if it does.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let background = self.background.iter().flat_map(|part| part.reasons());
        self.health.reasons().into_iter().chain(background).collect()
    }

    /// What is worth knowing though it keeps nothing from working.
    pub(crate) fn notes(&self) -> Vec<String> {
        let notes = self.health.notes().into_iter();
        notes
            .map(|Note { text, since }| format!("{text}; since {}", timestamp_from_millis(since.as_millis())))
            .collect()
    }

    /// Why it never will.
    pub(crate) fn fatal(&self) -> Option<String> {
        self.health.fatal().or_else(|| self.background.iter().find_map(|part| part.fatal()))
    }

    /// What it has counted.
    pub(crate) fn counters(&self) -> BTreeMap<&'static str, u64> {
        let mut counters = self.metrics.snapshot();
        self.background.iter().for_each(|part| counters.extend(part.counters()));
        counters
    }

    /// What of it goes up and down, besides what all services have.
    pub(crate) fn gauges(&self) -> Vec<Gauge> {
        self.background.iter().flat_map(|part| part.gauges()).collect()
    }
}
