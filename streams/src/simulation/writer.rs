//! A producer without transactions.

use super::cluster::{Deferred, Shared, lock};
use crate::client::{OnDelivery, Writer};
use crate::record::ProducerRecord;

/// Writes, and tells at once, or at a later step of the cluster.
pub(super) struct RecordWriter {
    cluster: Shared,
}

impl RecordWriter {
    pub(super) fn new(cluster: Shared) -> Self {
        Self { cluster }
    }
}

impl Writer for RecordWriter {
    fn send(&self, record: ProducerRecord, on_delivery: OnDelivery) {
        let attempt = format!("write to {}-{}", record.topic, record.partition);
        let mut cluster = lock(&self.cluster);
        let delivered = cluster.append(record).map_err(|refusal| refusal.of(attempt));
        if cluster.is_deferring {
            cluster.deferred.push_back(Deferred::Delivery(on_delivery, delivered));
        } else {
            // Not under the lock: the sender may go on with another call.
            drop(cluster);
            on_delivery(delivered);
        }
    }
}
