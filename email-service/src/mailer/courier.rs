//! Settles tier records, one partition's after the other, and tries again what waits. What follows for Kafka is
//! handed back.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use jiff::Timestamp;
use lettre::message::Mailbox;
use streams::{ConsumerRecord, ProducerRecord, TopicPartition};
use tokio::sync::{Semaphore, mpsc as queue, watch};

use super::MailerConfig;
use super::metrics::{MailerMetrics, count};
use super::outbox::dead_letter;
use super::plan::{Cause, Plan, plan};
use super::waiting::{NotKept, RetryPolicy, SharedWaiting, WaitingMail, lock, put, tombstone};
use crate::delivery::{DeliveryError, Transport};
use crate::mail::Mail;

/// What all partitions share on the way out.
pub(super) struct Courier {
    transport: Arc<dyn Transport>,
    from: Mailbox,
    backoff: ExponentialBuilder,
    retry: RetryPolicy,
    /// As many as mails may be under way.
    permits: Semaphore,
    metrics: Arc<MailerMetrics>,
}

/// What a partition's task works on.
pub(super) struct Work {
    pub(super) partition: TopicPartition,
    pub(super) records: queue::UnboundedReceiver<ConsumerRecord>,
    pub(super) waiting: SharedWaiting,
    pub(super) settled: mpsc::Sender<Settled>,
    pub(super) stop: StopSignal,
}

/// A record that is settled, or a mail that was tried again.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) partition: TopicPartition,
    /// The record's offset.
    pub(super) offset: Option<i64>,
    /// Whether a mail was sent for it, that would be sent again if this were not committed.
    pub(super) was_sent: bool,
    /// What is to be written when its offset is committed.
    pub(super) outputs: Vec<ProducerRecord>,
}

/// What was done for a record.
#[derive(Default)]
struct Done {
    was_sent: bool,
    outputs: Vec<ProducerRecord>,
}

impl From<ProducerRecord> for Done {
    fn from(output: ProducerRecord) -> Self {
        Self { was_sent: false, outputs: vec![output] }
    }
}

/// What has become of a mail.
enum Fate {
    Sent,
    /// It will be refused each time.
    Refused(Cause),
    /// It may be taken later.
    Deferred(String),
}

/// What a task does next.
enum Next {
    Record(Option<ConsumerRecord>),
    /// The mail of this name is due.
    Waiting(String),
}

/// Nothing new is to be begun.
struct Stopped;

/// For when the backoff has come to its end, which it may if its settings limit the total delay. No mail is
/// given up for that.
const LAST_DELAY: Duration = Duration::from_secs(10);

/// How often to look at the clock, which may be set.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(60);

impl Courier {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        config: &MailerConfig,
        metrics: Arc<MailerMetrics>,
    ) -> Arc<Self> {
        let permits = Semaphore::new(config.in_flight.max(1));
        let (from, backoff) = (config.from.clone(), config.backoff.without_max_times());
        Arc::new(Self { transport, from, backoff, retry: config.retry, permits, metrics })
    }

    /// Settles the records of one partition until there are no more, or until a stop is asked for. What is
    /// under way then is finished.
    pub(super) async fn run(self: Arc<Self>, mut work: Work) {
        while let Ok(next) = work.next().await {
            let (offset, done) = match next {
                Next::Record(None) => return,
                Next::Record(Some(record)) => (Some(record.offset), self.settle(&record, &mut work).await),
                Next::Waiting(name) => (None, self.try_again(&name, &mut work).await),
            };
            let Ok(Done { was_sent, outputs }) = done else { return };
            let partition = work.partition.clone();
            // Nobody listens any more if this took longer than anybody would wait.
            _ = work.settled.send(Settled { partition, offset, was_sent, outputs });
        }
    }

    async fn settle(&self, record: &ConsumerRecord, work: &mut Work) -> Result<Done, Stopped> {
        let mail = match plan(record, &self.from) {
            Plan::Nothing => {
                count(&self.metrics.without_customer);
                return Ok(Done::default());
            }
            Plan::DeadLetter(cause) => return Ok(self.bury(record, &cause).into()),
            // The group's offsets were set back.
            Plan::Send(mail) if lock(&work.waiting).get(mail.name()).is_some() => return Ok(Done::default()),
            Plan::Send(mail) => mail,
        };
        Ok(match self.deliver(&mail, &mut work.stop).await? {
            Fate::Sent => Done { was_sent: true, outputs: Vec::new() },
            Fate::Refused(cause) => self.bury(record, &cause).into(),
            Fate::Deferred(reason) => {
                let now = Timestamp::now();
                let due = self.retry.next(now, 1, now).unwrap_or(now);
                match WaitingMail::new(record, &reason, due, now) {
                    Ok(waiting) => self.keep(mail.name(), waiting, work).into(),
                    Err(error) => self.bury(record, &cannot_wait(&reason, &error)).into(),
                }
            }
        })
    }

    /// Tries a mail that waits.
    async fn try_again(&self, name: &str, work: &mut Work) -> Result<Done, Stopped> {
        let Some(waiting) = lock(&work.waiting).get(name).cloned() else { return Ok(Done::default()) };
        let number = work.partition.partition;
        let record = waiting.record(number);
        let fate = match plan(&record, &self.from) {
            Plan::Nothing => Fate::Refused(Cause::new("ComposeError", "there is no customer")),
            Plan::DeadLetter(cause) => Fate::Refused(cause),
            Plan::Send(mail) => self.deliver(&mail, &mut work.stop).await?,
        };
        let (was_sent, cause) = match fate {
            Fate::Sent => (true, None),
            Fate::Refused(cause) => (false, Some(cause)),
            Fate::Deferred(reason) => {
                match self.retry.next(waiting.since, waiting.tries + 1, Timestamp::now()) {
                    Some(due) => return Ok(self.keep(name, waiting.again(&reason, due), work).into()),
                    None => (false, Some(given_up(&reason, &waiting))),
                }
            }
        };
        lock(&work.waiting).remove(name);
        let mut outputs = vec![tombstone(number, name)];
        outputs.extend(cause.map(|cause| self.bury(&record, &cause)));
        Ok(Done { was_sent, outputs })
    }

    /// Tries until the mail is accepted, or refused for good or for now.
    async fn deliver(&self, mail: &Mail, stop: &mut StopSignal) -> Result<Fate, Stopped> {
        let mut delays = self.backoff.build();
        loop {
            let permit = stop.unless(self.permits.acquire()).await?;
            let result = self.transport.deliver(mail).await;
            drop(permit);
            match result {
                Ok(()) => {
                    count(&self.metrics.sent);
                    return Ok(Fate::Sent);
                }
                Err(DeliveryError::Refused(reason)) => {
                    count(&self.metrics.refused);
                    return Ok(Fate::Refused(Cause::new("MailRefused", reason)));
                }
                Err(DeliveryError::Deferred(reason)) => {
                    count(&self.metrics.retried);
                    return Ok(Fate::Deferred(reason));
                }
                Err(error) => {
                    count(&self.metrics.retried);
                    let delay = next(&mut delays);
                    report(mail, &error, delay);
                    stop.unless(tokio::time::sleep(delay)).await?;
                }
            }
        }
    }

    /// Has a mail wait.
    fn keep(&self, name: &str, mail: WaitingMail, work: &Work) -> ProducerRecord {
        let WaitingMail { since, tries, due, reason, .. } = &mail;
        tracing::warn!(mail = name, reason, tries, %since, %due, "a mail is set aside");
        let output = put(work.partition.partition, name, &mail);
        lock(&work.waiting).insert(name.to_owned(), mail);
        output
    }

    fn bury(&self, record: &ConsumerRecord, cause: &Cause) -> ProducerRecord {
        let Cause { exception, message } = cause;
        let place = format!("{}-{}@{}", record.topic, record.partition, record.offset);
        tracing::warn!(record = place, exception, message, "a tier record becomes a dead letter");
        count(&self.metrics.dead_letters);
        dead_letter(record, cause)
    }
}

fn cannot_wait(reason: &str, error: &NotKept) -> Cause {
    Cause::new("MailRefused", format!("{reason}; it cannot be tried again later: {error}"))
}

fn given_up(reason: &str, waiting: &WaitingMail) -> Cause {
    let (tries, since) = (waiting.tries + 1, waiting.since);
    Cause::new("MailGivenUp", format!("refused {tries} times since {since}, at last: {reason}"))
}

impl Work {
    /// The next record, or the next mail that waits and is due, whichever comes first. Where too much waits, no
    /// record is taken.
    async fn next(&mut self) -> Result<Next, Stopped> {
        let (due, is_full) = {
            let waiting = lock(&self.waiting);
            (waiting.first_due(), waiting.is_full())
        };
        let records = &mut self.records;
        let next = async {
            tokio::select! {
                name = until_due(due) => Next::Waiting(name),
                record = records.recv(), if !is_full => Next::Record(record),
            }
        };
        self.stop.unless(next).await
    }
}

async fn until_due(first: Option<(Timestamp, String)>) -> String {
    let Some((due, name)) = first else { return std::future::pending().await };
    loop {
        match Duration::try_from(due.duration_since(Timestamp::now())) {
            Ok(wait) if !wait.is_zero() => tokio::time::sleep(wait.min(LOOK_AT_CLOCK)).await,
            _ => return name,
        }
    }
}

/// Lets work go on only as long as no stop is asked for.
#[derive(Clone)]
pub(super) struct StopSignal(pub(super) watch::Receiver<bool>);

impl StopSignal {
    /// `work`, which is dropped if the stop comes first.
    async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Stopped> {
        tokio::select! {
            biased;
            // When the other side is gone, that is a stop too.
            _ = self.0.wait_for(|stop| *stop) => Err(Stopped),
            done = work => Ok(done),
        }
    }
}

fn next(delays: &mut ExponentialBackoff) -> Duration {
    delays.next().unwrap_or(LAST_DELAY)
}

fn report(mail: &Mail, error: &DeliveryError, delay: Duration) {
    let mail = mail.name();
    match error {
        DeliveryError::Misconfigured(_) => tracing::error!(mail, %error, ?delay, "no mail can be sent"),
        _ => tracing::warn!(mail, %error, ?delay, "a mail has to wait"),
    }
}
