//! The mailer: takes tier records from Kafka to a [`Transport`].
//!
//! | what happens | what is done |
//! |---|---|
//! | the mail is accepted | its offset is committed |
//! | it is refused for now, or the settings are wrong | it is tried again with backoff, for ever; its partition waits, the others go on |
//! | it is refused for good, or cannot be composed or decoded | dead letter, and the next mail goes on |
//! | the record has no customer | nothing to send: counted, its offset is committed within half a second |
//! | stop, or the partitions are taken away | mails under way are finished and committed, none is begun |
//! | Kafka is away | mails go on as far as they were read; commits are tried again |
//! | Kafka refuses what cannot be mended by trying again | [`Mailer::run`] ends with the error |
//!
//! Mails of one partition go one after the other. If they overtook a mail that is being tried again, a clean
//! stop would leave them sent but not committed, and the next start would send them a second time.

mod courier;
mod lanes;
mod member;
mod metrics;
mod plan;
mod progress;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use backon::ExponentialBuilder;
use lettre::message::Mailbox;
use streams::{ClientError, ClientSupplier, ErrorKind, TopicPartition};
use tokio::runtime::Handle;

pub use metrics::MailerMetrics;

use crate::delivery::Transport;
use courier::Courier;
use member::Member;

/// The mailers' consumer group.
pub const MAILER_GROUP: &str = "email-service-mailer";

/// How the mailer works.
#[derive(Debug, Clone)]
pub struct MailerConfig {
    /// Whom the mails come from.
    pub from: Mailbox,
    /// How this member is known in the group.
    pub client_id: String,
    /// How many mails are under way at once, from all partitions together.
    pub in_flight: usize,
    /// How many records are read ahead of a partition's mails.
    pub read_ahead: usize,
    /// When and how often a mail is tried again; without a last time.
    pub backoff: ExponentialBuilder,
    /// How long a mail that is under way may hold up a rebalance or a stop. What takes longer is sent once
    /// more. Shorter than the group's `max.poll.interval.ms`, and than a process takes to stop.
    pub patience: Duration,
}

impl MailerConfig {
    /// What suits most: 8 mails at once; tried again after 0.5 s, then rarer, at last every 10 to 20 s.
    pub fn new(from: Mailbox) -> Self {
        Self {
            from,
            client_id: MAILER_GROUP.to_owned(),
            in_flight: 8,
            read_ahead: 512,
            backoff: ExponentialBuilder::new()
                .with_min_delay(Duration::from_millis(500))
                .with_max_delay(Duration::from_secs(10))
                .with_jitter()
                .without_max_times(),
            patience: Duration::from_secs(10),
        }
    }
}

/// Sends a mail for each tier record that has a customer.
pub struct Mailer {
    clients: Arc<dyn ClientSupplier>,
    transport: Arc<dyn Transport>,
    config: MailerConfig,
    runtime: Handle,
    metrics: Arc<MailerMetrics>,
}

/// How long to wait after an error that may go away.
const PAUSE: Duration = Duration::from_millis(100);

impl Mailer {
    /// A mailer that reads through `clients` and delivers by `transport`, with tasks on `runtime`.
    pub fn new(
        clients: Arc<dyn ClientSupplier>,
        transport: Arc<dyn Transport>,
        config: MailerConfig,
        runtime: Handle,
    ) -> Self {
        Self { clients, transport, config, runtime, metrics: Arc::default() }
    }

    /// What has been done so far.
    pub fn metrics(&self) -> &Arc<MailerMetrics> {
        &self.metrics
    }

    /// Joins the group and sends mails until `stop` is set. Blocks: needs a thread that is none of the runtime's.
    ///
    /// # Errors
    ///
    /// Kafka refused what will not go better by trying again at once. Nothing is lost: whoever calls again
    /// goes on after the last commit.
    pub fn run(&self, stop: &AtomicBool) -> Result<(), MailerError> {
        while !stop.load(Ordering::Relaxed) {
            match self.join() {
                Ok(Some(member)) => return serve(member, stop),
                Ok(None) => thread::park_timeout(PAUSE),
                Err(error) => wait_if_retriable(error)?,
            }
        }
        Ok(())
    }

    /// A member of the group, if all topics are there to be subscribed to.
    fn join(&self) -> Result<Option<Member>, MailerError> {
        if !member::topics_exist(self.clients.admin()?.as_mut())? {
            return Ok(None);
        }
        let writer = self.clients.writer()?;
        let courier = Courier::new(self.transport.clone(), writer, &self.config, self.metrics.clone());
        Member::join(self.clients.as_ref(), courier, &self.config, self.runtime.clone()).map(Some)
    }
}

/// Why the mailer ended.
#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    /// Kafka, or the way there.
    #[error(transparent)]
    Kafka(#[from] ClientError),
    /// A bug: what sends a partition's mails has ended before it was asked to.
    #[error("the mails of {0} are no longer being sent")]
    Ended(TopicPartition),
}

fn serve(mut member: Member, stop: &AtomicBool) -> Result<(), MailerError> {
    let mut result = Ok(());
    while result.is_ok() && !stop.load(Ordering::Relaxed) {
        result = member.turn().or_else(wait_if_retriable);
    }
    member.leave();
    result
}

fn wait_if_retriable(error: MailerError) -> Result<(), MailerError> {
    match error {
        MailerError::Kafka(error) if error.kind == ErrorKind::Retriable => {
            tracing::warn!(%error, "the mailer tries again");
            thread::park_timeout(PAUSE);
            Ok(())
        }
        error => Err(error),
    }
}
