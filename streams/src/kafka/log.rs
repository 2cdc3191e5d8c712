//! What librdkafka has to say, for `tracing`.

use std::sync::{Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::util::Timeout;

/// Passes on what a client says, at levels that suit somebody who runs the application.
#[derive(Debug)]
pub(super) struct ClientLog {
    client: String,
    tells_of_outages: bool,
    last_error: Mutex<Option<String>>,
}

impl ClientLog {
    /// For a client known as `client`.
    pub(super) fn new(client: impl Into<String>) -> Self {
        Self { client: client.into(), tells_of_outages: false, last_error: Mutex::default() }
    }

    /// The same, for the client that speaks for all others when the brokers are away.
    pub(super) fn telling_of_outages(self) -> Self {
        Self { tells_of_outages: true, ..self }
    }

    /// The words in which the last error was explained; librdkafka gives only the code with the error.
    pub(super) fn take_last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for ClientLog {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let client = &self.client;
        match level {
            // Each client repeats these for each attempt to connect while a broker is away.
            _ if matches!(facility, "FAIL" | "ERROR") => tracing::debug!(client, facility, "{message}"),
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(client, facility, "{message}");
            }
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
                tracing::warn!(client, facility, "{message}");
            }
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::debug!(client, facility, "{message}");
            }
            RDKafkaLogLevel::Debug => tracing::trace!(client, facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let client = &self.client;
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) if self.tells_of_outages => {
                tracing::warn!(client, "no broker can be reached: {reason}");
            }
            _ => tracing::debug!(client, "{error}: {reason}"),
        }
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_string());
    }
}

impl ConsumerContext for ClientLog {
    /// The main queue is served with the consumer's own; each return to it would only cost.
    fn main_queue_min_poll_interval(&self) -> Timeout {
        Timeout::Never
    }
}
