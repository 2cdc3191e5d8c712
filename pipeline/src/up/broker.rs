//! The Kafka of our own: started, started again when it dies, stopped.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow};
use local_kafka::{Config, LocalKafka};
use tokio::sync::oneshot;

/// A broker on a thread of its own, which keeps it running. Dropped without a stop, the broker ends with the
/// process at the latest.
pub(crate) struct Broker {
    bootstrap_servers: String,
    stop: mpsc::Sender<Duration>,
    stopped: oneshot::Receiver<()>,
}

/// How often to look whether the broker is there.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The pauses between starts that fail: the first one and the longest one.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

impl Broker {
    /// Returns when the broker answers. The first start on a machine fetches Kafka.
    pub(crate) async fn start(config: Config) -> anyhow::Result<Self> {
        let (started, start) = oneshot::channel();
        let (stop, stop_requests) = mpsc::channel();
        let (end, stopped) = oneshot::channel();
        tracing::info!("starting Kafka");
        thread::Builder::new().name("kafka".to_owned()).spawn(move || {
            run(config, started, &stop_requests);
            // Nobody waits for the end of a start that was given up.
            _ = end.send(());
        })?;
        let started = start.await.map_err(|_| anyhow!("the thread that starts it has ended"));
        let bootstrap_servers = started.flatten().context("could not start Kafka")?;
        tracing::info!(bootstrap_servers, "Kafka answers");
        Ok(Self { bootstrap_servers, stop, stopped })
    }

    /// Where clients find it, over all restarts.
    pub(crate) fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    /// Stops the broker in an orderly way if that can be done in so much time. Returns when it has ended.
    pub(crate) async fn stop(self, within: Duration) {
        // As below.
        _ = self.stop.send(within);
        // An error says that the thread has ended, and with it the broker.
        _ = self.stopped.await;
    }
}

fn run(config: Config, started: oneshot::Sender<anyhow::Result<String>>, stop: &Receiver<Duration>) {
    match LocalKafka::start(config) {
        Ok(kafka) => {
            if started.send(Ok(kafka.bootstrap_servers())).is_ok() {
                supervise(kafka, stop);
            }
        }
        Err(error) => drop(started.send(Err(error.into()))),
    }
}

/// Until the stop.
fn supervise(mut kafka: LocalKafka, stop: &Receiver<Duration>) {
    let [first, longest] = PAUSES;
    let (mut pause, mut next_pause) = (LOOK_EVERY, first);
    let within = loop {
        match stop.recv_timeout(pause) {
            Ok(within) => break within,
            Err(RecvTimeoutError::Disconnected) => break Duration::ZERO,
            Err(RecvTimeoutError::Timeout) => {}
        }
        (pause, next_pause) = match keep_running(&mut kafka) {
            Ok(()) => (LOOK_EVERY, first),
            Err(error) => {
                tracing::error!(error = %crate::explain(&error.into()), "Kafka is away");
                (next_pause, longest.min(next_pause * 2))
            }
        };
    };
    match kafka.stop_within(within) {
        Ok(()) => tracing::info!("Kafka has stopped"),
        Err(error) => tracing::warn!(%error, "Kafka did not stop in an orderly way"),
    }
}

fn keep_running(kafka: &mut LocalKafka) -> Result<(), local_kafka::StartError> {
    if let Ok(Some(status)) = kafka.try_wait() {
        let log = kafka.log_file();
        tracing::error!(%status, log = %log.display(), "Kafka has ended and is started again");
    }
    if kafka.is_running() {
        return Ok(());
    }
    kafka.restart()?;
    tracing::info!(bootstrap_servers = kafka.bootstrap_servers(), "Kafka answers again");
    Ok(())
}
