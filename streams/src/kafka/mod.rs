//! The real door to Kafka, through librdkafka.
//!
//! What holds behind it:
//!
//! - Topics, groups and transactional ids carry a prefix on the cluster that nobody inside sees.
//! - No call hangs when the brokers are away: each gives up after a few seconds.
//! - A rebalance is only reported; what to do about it, and when, is the worker's business.
//! - What an error means is decided in one place, `error.rs`.
//! - An idle client costs next to nothing: threads that have nothing to wait for are parked.

mod admin;
mod assignment;
mod config;
mod consumer;
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

use std::sync::Arc;
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
}

impl Kafka {
    /// A supplier for the cluster that `config` names. Connects to nothing yet.
    pub fn new(config: KafkaConfig) -> Self {
        Self { settings: Arc::new(Settings(config)) }
    }
}

impl ClientSupplier for Kafka {
    fn consumer(&self, membership: &Membership) -> Result<Box<dyn GroupConsumer>, ClientError> {
        if self.settings.0.client_settings.is_empty() {
            return Ok(Box::new(wire::Member::new(&self.settings, membership)?));
        }
        Ok(Box::new(consumer::Member::new(&self.settings, membership)?))
    }

    fn producer(&self, transactional_id: &str) -> Result<Box<dyn TransactionalProducer>, ClientError> {
        Ok(Box::new(producer::Producer::new(&self.settings, transactional_id)?))
    }

    fn reader(&self, group: &str) -> Result<Box<dyn Reader>, ClientError> {
        Ok(Box::new(reader::PartitionReader::new(self.settings.clone(), group)))
    }

    fn writer(&self) -> Result<Arc<dyn Writer>, ClientError> {
        Ok(Arc::new(writer::RecordWriter::new(&self.settings)?))
    }

    fn session_timeout(&self) -> Duration {
        self.settings.session_timeout()
    }

    fn admin(&self) -> Result<Box<dyn Admin>, ClientError> {
        Ok(Box::new(admin::ClusterAdmin::new(&self.settings)?))
    }
}
