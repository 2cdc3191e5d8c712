//! What all threads of one application on one instance share.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::client::ClientSupplier;
use crate::health::Health;
use crate::host::Host;
use crate::inquiry::Inquiry;
use crate::metrics::Metrics;
use crate::readers::Readers;
use crate::stop::Stop;
use crate::store::BufferedStores;
use crate::topology::Topology;

pub(crate) struct Application {
    pub(crate) topology: Arc<Topology>,
    pub(crate) partitions: i32,
    pub(crate) client_id: String,
    pub(crate) clients: Arc<dyn ClientSupplier>,
    pub(crate) stores: BufferedStores,
    pub(crate) readers: Arc<Readers>,
    pub(crate) inquiry: Arc<Inquiry>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: Arc<Health>,
    pub(crate) leases: Leases,
    pub(crate) stop: Stop,
    pub(crate) host: Arc<dyn Host>,
}

/// Which tasks are held by a thread of this process. A task's stores belong to one thread at a time: one that
/// was slow to notice that its partition has moved must not write over what its successor restored.
#[derive(Clone, Default)]
pub(crate) struct Leases(Arc<Mutex<HashSet<i32>>>);

/// The right to a task's stores, given back when it is dropped.
pub(crate) struct Lease {
    leases: Leases,
    partition: i32,
}

impl Leases {
    /// The lease of a partition, unless another thread holds it.
    pub(crate) fn take(&self, partition: i32) -> Option<Lease> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(partition);
        taken.then(|| Lease { leases: self.clone(), partition })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.partition);
    }
}
