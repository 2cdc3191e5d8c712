//! The in-memory Kafka: time passes when the case says so.

use std::sync::Arc;
use std::time::Duration;

use streams::simulation::{SimulatedKafka, SimulationConfig};
use streams::{Cleanup, ClientSupplier, Timestamp};

use crate::steps::create;
use crate::world::{MAX_POLL_INTERVAL, TRANSACTION_TIMEOUT, World};

pub(crate) struct Memory(SimulatedKafka);

impl Memory {
    pub(crate) fn new() -> Self {
        Self(SimulatedKafka::new(SimulationConfig {
            max_poll_interval: MAX_POLL_INTERVAL,
            transaction_timeout: TRANSACTION_TIMEOUT,
            ..SimulationConfig::default()
        }))
    }
}

impl World for Memory {
    fn clients(&self) -> Arc<dyn ClientSupplier> {
        Arc::new(self.0.clone())
    }

    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn pass(&self, time: Duration) {
        self.0.advance(time);
    }

    fn turn(&self) {
        self.0.advance(Duration::from_millis(20));
    }

    fn create_table(&self, topic: &str, delete_retention: Duration) {
        create(self, topic, 1, Cleanup::Compact { min_lag: Duration::ZERO });
        self.0.set_delete_retention(topic, delete_retention);
    }

    fn clean(&self, topic: &str) {
        self.0.compact(topic);
    }
}
