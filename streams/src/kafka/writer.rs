//! A producer without transactions, shared by many.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::Message;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, ProducerContext};

use super::config::Settings;
use super::error::failed;
use super::log::ClientLog;
use super::names::Names;
use super::pump::{Gate, Pumped};
use super::record;
use crate::client::{ClientError, OnDelivery, Writer};
use crate::guard::caught;
use crate::record::ProducerRecord;

/// The idempotent producer of a process.
pub(super) struct RecordWriter {
    names: Mutex<Names>,
    pumped: Pumped<Reports>,
}

impl RecordWriter {
    pub(super) fn new(settings: &Settings) -> Result<Self, ClientError> {
        let gate = Arc::new(Gate::default());
        let context = Reports { log: ClientLog::new("writer"), gate: gate.clone() };
        let producer: BaseProducer<Reports> =
            settings.idempotent().create_with_context(context).map_err(failed("make a producer"))?;
        Ok(Self { names: Mutex::new(Names::new(settings.prefix())), pumped: Pumped::start(producer, gate)? })
    }
}

impl Writer for RecordWriter {
    fn send(&self, record: ProducerRecord, on_delivery: OnDelivery) {
        let topic = {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.on_cluster(&record.topic).to_string()
        };
        let waiting = Box::new(Mutex::new(Some(on_delivery)));
        self.pumped.gate().hold();
        if let Err((error, record)) = self.pumped.producer().send(record::written(&topic, &record, waiting)) {
            self.pumped.gate().release();
            let place = format!("write to {}", record.topic);
            report(&record.delivery_opaque, Err(failed(place)(error)));
        }
    }
}

/// Tells the senders.
struct Reports {
    log: ClientLog,
    gate: Arc<Gate>,
}

/// Who waits for a record; the lock is only there because librdkafka's callbacks want something shareable.
type Waiting = Mutex<Option<OnDelivery>>;

fn report(waiting: &Waiting, outcome: Result<i64, ClientError>) {
    let on_delivery = waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    // Others wait too: one that panics must not keep them waiting.
    if let Some(on_delivery) = on_delivery
        && let Err(panic) = caught(|| on_delivery(outcome))
    {
        tracing::error!(%panic, "telling of a record");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Waiting>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Box<Waiting>) {
        self.gate.release();
        match result {
            Ok(message) => report(&waiting, Ok(message.offset())),
            Err((error, message)) => {
                let place = format!("write to {}-{}", message.topic(), message.partition());
                report(&waiting, Err(failed(place)(error.clone())));
            }
        }
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(error, reason);
    }
}
