//! Settles tier records, one partition's after the other.

use std::ops::ControlFlow;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use lettre::message::Mailbox;
use streams::{ConsumerRecord, ProducerRecord, TopicPartition, Writer, dead_letter_headers};
use tokio::sync::{Semaphore, mpsc as queue, oneshot, watch};

use super::MailerConfig;
use super::metrics::{MailerMetrics, count};
use super::plan::{Cause, Plan, plan};
use crate::delivery::{DeliveryError, Transport};
use crate::mail::Mail;
use crate::topology::APPLICATION;

/// What all partitions share on the way out.
pub(super) struct Courier {
    transport: Arc<dyn Transport>,
    writer: Arc<dyn Writer>,
    from: Mailbox,
    backoff: ExponentialBuilder,
    /// As many as mails may be under way.
    permits: Semaphore,
    metrics: Arc<MailerMetrics>,
}

/// A record that is settled.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) partition: TopicPartition,
    pub(super) offset: i64,
    /// Whether anything was sent for it, that would be sent again if its offset were not committed.
    pub(super) was_sent: bool,
}

/// Nothing new is to be begun.
struct Stopped;

/// For when the backoff has come to its end, which it may if its settings limit the total delay. No mail is
/// given up for that.
const LAST_DELAY: Duration = Duration::from_secs(10);

impl Courier {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        writer: Arc<dyn Writer>,
        config: &MailerConfig,
        metrics: Arc<MailerMetrics>,
    ) -> Arc<Self> {
        let permits = Semaphore::new(config.in_flight.max(1));
        let (from, backoff) = (config.from.clone(), config.backoff.without_max_times());
        Arc::new(Self { transport, writer, from, backoff, permits, metrics })
    }

    /// Settles the records of one partition until there are no more, or until a stop is asked for. What is
    /// under way then is finished.
    pub(super) async fn run(
        self: Arc<Self>,
        mut records: queue::UnboundedReceiver<ConsumerRecord>,
        settled: mpsc::Sender<Settled>,
        mut stop: StopSignal,
    ) {
        while let Ok(Some(record)) = stop.unless(records.recv()).await {
            let Ok(was_sent) = self.settle(&record, &mut stop).await else { return };
            let partition = TopicPartition::new(record.topic, record.partition);
            // Nobody listens any more if this took longer than anybody would wait.
            _ = settled.send(Settled { partition, offset: record.offset, was_sent });
        }
    }

    /// Whether anything was sent.
    async fn settle(&self, record: &ConsumerRecord, stop: &mut StopSignal) -> Result<bool, Stopped> {
        let cause = match plan(record, &self.from) {
            Plan::Nothing => {
                count(&self.metrics.without_customer);
                return Ok(false);
            }
            Plan::Send(mail) => match self.deliver(&mail, stop).await? {
                None => return Ok(true),
                Some(cause) => cause,
            },
            Plan::DeadLetter(cause) => cause,
        };
        self.dead_letter(record, &cause, stop).await?;
        Ok(true)
    }

    /// Tries until the mail is accepted or refused for good. Why it was refused.
    async fn deliver(&self, mail: &Mail, stop: &mut StopSignal) -> Result<Option<Cause>, Stopped> {
        let mut delays = self.backoff.build();
        loop {
            let permit = stop.unless(self.permits.acquire()).await?;
            let result = self.transport.deliver(mail).await;
            drop(permit);
            match result {
                Ok(()) => {
                    count(&self.metrics.sent);
                    return Ok(None);
                }
                Err(DeliveryError::Refused(reason)) => {
                    count(&self.metrics.refused);
                    return Ok(Some(Cause::new("MailRefused", reason)));
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

    async fn dead_letter(
        &self,
        record: &ConsumerRecord,
        cause: &Cause,
        stop: &mut StopSignal,
    ) -> Result<(), Stopped> {
        let Cause { exception, message } = cause;
        let place = format!("{}-{}@{}", record.topic, record.partition, record.offset);
        tracing::warn!(record = place, exception, message, "a tier record becomes a dead letter");
        let mut delays = self.backoff.build();
        while let ControlFlow::Break(reason) = self.write(dead_letter(record, cause)).await {
            let delay = next(&mut delays);
            tracing::error!(record = place, reason, ?delay, "a dead letter is not written yet");
            stop.unless(tokio::time::sleep(delay)).await?;
        }
        count(&self.metrics.dead_letters);
        Ok(())
    }

    /// Breaks with the reason if the record is not written.
    async fn write(&self, record: ProducerRecord) -> ControlFlow<String> {
        let (tell, told) = oneshot::channel();
        self.writer.send(record, Box::new(|result| _ = tell.send(result)));
        match told.await {
            Ok(Ok(_)) => ControlFlow::Continue(()),
            Ok(Err(error)) => ControlFlow::Break(error.to_string()),
            Err(_) => ControlFlow::Break("the writer has gone away".to_owned()),
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

fn dead_letter(record: &ConsumerRecord, cause: &Cause) -> ProducerRecord {
    ProducerRecord {
        topic: format!("{APPLICATION}-dlq").into(),
        partition: record.partition,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: dead_letter_headers(record, cause.exception, &cause.message),
    }
}
