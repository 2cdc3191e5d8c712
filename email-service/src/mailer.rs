//! The mailer: takes tier records from Kafka to a [`Transport`].
//!
//! | what happens | what is done |
//! |---|---|
//! | the mail is accepted | its offset is committed |
//! | the server is away or takes no mails, or the settings are wrong | it is tried again with backoff until it is taken; its partition waits, the others go on |
//! | the server takes mails, but this one not now | it is set aside, and the next mail goes on; tried again after growing pauses ([`RetryPolicy`]), at last a dead letter |
//! | it is refused for good, or cannot be composed or decoded | dead letter, and the next mail goes on |
//! | the record has no customer | nothing to send: counted, its offset is committed within half a second |
//! | too much waits | its partition waits, until less does |
//! | stop, or the partitions are taken away | mails under way are finished and committed, none is begun |
//! | Kafka is away | mails go on as far as they were read; commits are tried again |
//! | Kafka refuses what cannot be mended by trying again | [`Mailer::run`] ends with the error |
//! | it is not known any more what was sent | the partition is refused: [`MailerMetrics::refused_partitions`] |
//!
//! What waits, dead letters and offsets commit in one transaction ([`WAITING`]). Where nothing but offsets is to be
//! committed, there is none.
//!
//! Mails of one partition go one after the other, but those that wait are passed. If they overtook a mail that is
//! under way, a clean stop would leave them sent but not committed, and the next start would send them a second time.
//! What was sent and could not be committed is not sent again by the same process.

mod courier;
mod lanes;
mod member;
mod metrics;
mod opening;
mod outbox;
mod plan;
mod progress;
mod waiting;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use backon::ExponentialBuilder;
use lettre::message::Mailbox;
use streams::{ClientError, ClientSupplier, ErrorKind, TopicPartition};
use tokio::runtime::Handle;

pub use metrics::MailerMetrics;
pub use waiting::{RetryPolicy, WAITING, WaitingCount, WaitingMail};

use crate::delivery::Transport;
use member::Member;
use outbox::Leftover;

/// The mailers' consumer group.
pub const MAILER_GROUP: &str = "email-service-mailer";

/// How the mailer works.
#[derive(Debug, Clone)]
pub struct MailerConfig {
    /// Whom the mails come from.
    pub from: Mailbox,
    /// How this member is known in the group.
    pub client_id: String,
    /// Names its transactions. No other member has the same.
    pub transactional_id: String,
    /// How many mails are under way at once, from all partitions together.
    pub in_flight: usize,
    /// How many records are read ahead of a partition's mails.
    pub read_ahead: usize,
    /// When and how often a mail is tried again while no mails are taken; without a last time.
    pub backoff: ExponentialBuilder,
    /// When and how often a mail is tried again that is not taken, while others are.
    pub retry: RetryPolicy,
    /// How long a mail that is under way may hold up a rebalance. What takes longer is sent once more. Shorter than
    /// the group's `max.poll.interval.ms`, after which the group goes on without a member.
    pub patience: Duration,
}

impl MailerConfig {
    /// What suits most: 8 mails at once; tried again after 0.5 s, then rarer, at last every 10 to 20 s, while no mails
    /// are taken.
    pub fn new(from: Mailbox) -> Self {
        Self {
            from,
            client_id: MAILER_GROUP.to_owned(),
            transactional_id: MAILER_GROUP.to_owned(),
            in_flight: 8,
            read_ahead: 512,
            backoff: ExponentialBuilder::new()
                .with_min_delay(Duration::from_millis(500))
                .with_max_delay(Duration::from_secs(10))
                .with_jitter()
                .without_max_times(),
            retry: RetryPolicy::default(),
            patience: Duration::from_secs(20),
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
    /// What was done and could not be committed.
    leftovers: Mutex<BTreeMap<TopicPartition, Leftover>>,
}

/// A request to stop, with the moment until which mails under way are waited for. The first one counts.
#[derive(Debug, Default)]
pub struct StopRequest(OnceLock<Instant>);

impl StopRequest {
    /// Asks for the stop.
    pub fn request(&self, until: Instant) {
        _ = self.0.set(until);
    }

    /// Until when mails under way are waited for, if a stop was asked for.
    pub fn until(&self) -> Option<Instant> {
        self.0.get().copied()
    }

    /// Whether a stop was asked for.
    pub fn is_requested(&self) -> bool {
        self.0.get().is_some()
    }
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
        Self { clients, transport, config, runtime, metrics: Arc::default(), leftovers: Mutex::default() }
    }

    /// What has been done so far.
    pub fn metrics(&self) -> &Arc<MailerMetrics> {
        &self.metrics
    }

    /// Joins the group and sends mails until `stop` is requested. Blocks: needs a thread that is none of the runtime's.
    ///
    /// # Errors
    ///
    /// Kafka refused what will not go better by trying again at once. Nothing is lost: whoever calls again
    /// goes on after the last commit.
    pub fn run(&self, stop: &StopRequest) -> Result<(), MailerError> {
        let mut trouble = Trouble::default();
        while !stop.is_requested() {
            match self.join(stop) {
                Ok(Some(member)) => return serve(member, stop),
                Ok(None) => thread::park_timeout(PAUSE),
                Err(error) => trouble.wait_if_retriable(error)?,
            }
        }
        Ok(())
    }

    /// A member of the group, if all topics are there.
    fn join<'a>(&'a self, stop: &'a StopRequest) -> Result<Option<Member<'a>>, MailerError> {
        if !member::topics_exist(self.clients.admin()?.as_mut())? {
            return Ok(None);
        }
        Member::join(self, stop).map(Some)
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

fn serve(mut member: Member<'_>, stop: &StopRequest) -> Result<(), MailerError> {
    let (mut result, mut trouble) = (Ok(()), Trouble::default());
    while result.is_ok() && !stop.is_requested() {
        result = match member.turn() {
            Ok(()) => {
                trouble = Trouble::default();
                Ok(())
            }
            Err(error) => trouble.wait_if_retriable(error),
        };
    }
    member.leave();
    result
}

/// A topic that was just made, or a coordinator that moves, takes a moment that nobody needs to hear of.
const MOMENT: Duration = Duration::from_secs(5);

/// Since when trying again has not helped.
#[derive(Default)]
struct Trouble {
    since: Option<Instant>,
}

impl Trouble {
    fn wait_if_retriable(&mut self, error: MailerError) -> Result<(), MailerError> {
        match error {
            MailerError::Kafka(error) if error.kind == ErrorKind::Retriable => {
                if self.since.get_or_insert_with(Instant::now).elapsed() >= MOMENT {
                    tracing::warn!(%error, "the mailer tries again");
                }
                thread::park_timeout(PAUSE);
                Ok(())
            }
            error => Err(error),
        }
    }
}
