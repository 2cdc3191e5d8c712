//! What the mailer counts, and what of it can be seen.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use streams::TopicPartition;

use super::waiting::{self, SharedWaiting, WaitingCount};

/// Counters since the start, and what waits.
#[derive(Debug, Default)]
pub struct MailerMetrics {
    pub(super) sent: AtomicU64,
    pub(super) retried: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) without_customer: AtomicU64,
    pub(super) dead_letters: AtomicU64,
    waiting: Mutex<BTreeMap<TopicPartition, SharedWaiting>>,
    refused_partitions: Mutex<BTreeMap<TopicPartition, String>>,
}

impl MailerMetrics {
    /// Name and value of each counter: `sent`: mails accepted; `retried`: tries that have to be repeated;
    /// `refused`: mails refused for good; `without_customer`: records with nobody to write to;
    /// `dead_letters`: records that went to the dead letter topic, refused ones included.
    pub fn read(&self) -> [(&'static str, u64); 5] {
        [
            ("sent", &self.sent),
            ("retried", &self.retried),
            ("refused", &self.refused),
            ("without_customer", &self.without_customer),
            ("dead_letters", &self.dead_letters),
        ]
        .map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
    }

    /// The mails of this member's partitions that wait to be tried again, by what the server says.
    pub fn waiting(&self) -> Vec<WaitingCount> {
        waiting::count(lock(&self.waiting).values())
    }

    /// Which of this member's partitions are not sent from, and why.
    pub fn refused_partitions(&self) -> BTreeMap<TopicPartition, String> {
        lock(&self.refused_partitions).clone()
    }

    pub(super) fn set_waiting(&self, waiting: BTreeMap<TopicPartition, SharedWaiting>) {
        *lock(&self.waiting) = waiting;
    }

    pub(super) fn set_refused(&self, partitions: BTreeMap<TopicPartition, String>) {
        *lock(&self.refused_partitions) = partitions;
    }
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// No thread leaves it half changed.
fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
