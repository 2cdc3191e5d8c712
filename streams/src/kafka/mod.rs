//! The real door to Kafka: through librdkafka, and where nobody has set librdkafka's settings through Kafka's
//! protocol itself (`wire`), where the brokers speak it.
//!
//! What holds behind it:
//!
//! - Topics, groups and transactional ids carry a prefix on the cluster that nobody inside sees.
//! - No call hangs when the brokers are away: each gives up after a few seconds.
//! - A rebalance is only reported; what to do about it, and when, is the worker's business.
//! - What an error means for the worker is decided in one place, `error.rs`; what passes by itself, and is tried again, each
//!   client knows.
//! - An idle client costs next to nothing: threads that have nothing to wait for are parked.

mod admin;
mod assignment;
mod config;
mod consumer;
mod description;
mod error;
mod fetcher;
mod log;
mod names;
mod producer;
mod pump;
mod reader;
mod record;
mod wire;
mod writer;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use self::config::KafkaConfig;

use self::config::Settings;
use crate::client::{
    Admin, ClientError, ClientSupplier, GroupConsumer, Membership, Reader, TransactionalProducer, Writer,
};

/// Supplies clients of a Kafka cluster.
#[derive(Clone, Debug)]
pub struct Kafka {
    settings: Arc<Settings>,
    /// Whether all clients speak the protocol themselves; asked once.
    is_spoken: Arc<OnceLock<bool>>,
}

impl Kafka {
    /// A supplier for the cluster that `config` names. Connects to nothing yet.
    pub fn new(config: KafkaConfig) -> Self {
        Self { settings: Arc::new(Settings::new(config)), is_spoken: Arc::default() }
    }

    /// Whether all clients can speak the protocol themselves. Settings of librdkafka,
    /// encryption among them, only librdkafka knows; and its consumer and its producer belong together.
    fn is_spoken(&self) -> Result<bool, ClientError> {
        if !self.settings.is_plain() {
            return Ok(false);
        }
        if let Some(is_spoken) = self.is_spoken.get() {
            return Ok(*is_spoken);
        }
        let is_spoken = wire::is_spoken_by(&self.settings)?;
        if !is_spoken {
            tracing::info!(
                "the brokers are older than Kafka 4, or without its transactions: librdkafka does all"
            );
        }
        Ok(*self.is_spoken.get_or_init(|| is_spoken))
    }
}

impl ClientSupplier for Kafka {
    fn consumer(&self, membership: &Membership) -> Result<Box<dyn GroupConsumer>, ClientError> {
        if self.is_spoken()? {
            return Ok(Box::new(wire::Member::new(&self.settings, membership)?));
        }
        Ok(Box::new(consumer::Member::new(&self.settings, membership)?))
    }

    fn producer(&self, transactional_id: &str) -> Result<Box<dyn TransactionalProducer>, ClientError> {
        if self.is_spoken()? {
            return Ok(Box::new(wire::Producer::new(&self.settings, transactional_id)));
        }
        Ok(Box::new(producer::Producer::new(&self.settings, transactional_id)?))
    }

    fn reader(&self, group: &str) -> Result<Box<dyn Reader>, ClientError> {
        if self.is_spoken()? {
            return Ok(Box::new(wire::PartitionReader::new(&self.settings, group)));
        }
        Ok(Box::new(reader::PartitionReader::new(self.settings.clone(), group)))
    }

    fn writer(&self) -> Result<Arc<dyn Writer>, ClientError> {
        // Whoever writes need not wait for Kafka. As long as nobody can tell what its brokers speak, librdkafka does.
        if matches!(self.is_spoken(), Ok(true)) {
            return Ok(Arc::new(wire::RecordWriter::new(&self.settings)?));
        }
        Ok(Arc::new(writer::RecordWriter::new(&self.settings)?))
    }

    fn session_timeout(&self) -> Duration {
        self.settings.session_timeout()
    }

    fn admin(&self) -> Result<Box<dyn Admin>, ClientError> {
        if self.is_spoken()? {
            return Ok(Box::new(wire::ClusterAdmin::new(&self.settings)));
        }
        Ok(Box::new(admin::ClusterAdmin::new(&self.settings)?))
    }
}
