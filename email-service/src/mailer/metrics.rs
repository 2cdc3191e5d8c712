//! What the mailer counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the start.
#[derive(Debug, Default)]
pub struct MailerMetrics {
    pub(super) sent: AtomicU64,
    pub(super) retried: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) without_customer: AtomicU64,
    pub(super) dead_letters: AtomicU64,
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
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
