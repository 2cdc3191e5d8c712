//! Asking for the number by which a producer's batches are told from others', without waiting.

use std::io;
use std::time::{Duration, Instant};

use kafka_protocol::error::{ParseResponseErrorCode, ResponseError};
use kafka_protocol::messages::{InitProducerIdRequest, ProducerId};
use kafka_protocol::protocol::StrBytes;
use rustix::event::PollFd;

use super::super::leaders::Backoff;
use super::super::link::{Link, UnderWay};
use super::super::servers::Servers;

const VERSION: i16 = 5;
/// How long a broker may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// A broker that has just started has no numbers to give before it has asked for some itself, which takes a moment.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Asks any broker for a number, until one has answered.
#[derive(Debug)]
pub(super) struct ProducerIds {
    servers: Servers,
    client_id: StrBytes,
    id: Option<i64>,
    question: Option<Question>,
    backoff: Backoff,
}

#[derive(Debug)]
struct Question {
    server: String,
    link: Link,
    under_way: UnderWay,
    deadline: Instant,
}

impl ProducerIds {
    pub(super) fn new(servers: &Servers, client_id: StrBytes) -> Self {
        let backoff = Backoff::between(FIRST_PAUSE, LONGEST_PAUSE);
        Self { servers: servers.clone(), client_id, id: None, question: None, backoff }
    }

    /// The number, if there is one.
    pub(super) fn get(&self) -> Option<i64> {
        self.id
    }

    /// The brokers will not have it any more.
    pub(super) fn forget(&mut self, id: i64) {
        if self.id == Some(id) {
            self.id = None;
        }
    }

    /// Takes the answer, if it has come, and asks if there is no number. `server` says whom. What a broker has said
    /// instead of a number, if so.
    pub(super) fn advance(
        &mut self,
        server: impl FnOnce() -> String,
        now: Instant,
    ) -> Result<(), ResponseError> {
        let refused = self.look(now);
        if self.id.is_none() && self.question.is_none() && self.backoff.is_over(now) {
            self.ask(server(), now);
        }
        refused
    }

    fn ask(&mut self, server: String, now: Instant) {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1)
            .with_transaction_timeout_ms(i32::MAX);
        let opened = Link::open(&server, &self.client_id)
            .and_then(|mut link| link.send(&request, VERSION).map(|under_way| (link, under_way)));
        match opened {
            Ok((link, under_way)) => {
                let deadline = now + ANSWER_TIMEOUT;
                self.question = Some(Question { server, link, under_way, deadline });
            }
            Err(error) => self.unanswered(&server, &error, now),
        }
    }

    fn look(&mut self, now: Instant) -> Result<(), ResponseError> {
        let Some(mut question) = self.question.take() else { return Ok(()) };
        let answer = match question.link.receive::<InitProducerIdRequest>(question.under_way) {
            Ok(None) if now < question.deadline => {
                self.question = Some(question);
                return Ok(());
            }
            Ok(None) => Err(io::ErrorKind::TimedOut.into()),
            Ok(Some(answer)) => Ok(answer),
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) => {
                self.servers.has_answered(&question.server);
                if let Some(error) = answer.error_code.err() {
                    tracing::debug!(%error, "asking for a producer's id");
                    self.backoff.fail(now);
                    return Err(error);
                }
                self.id = Some(answer.producer_id.0);
                self.backoff.succeed();
            }
            Err(error) => self.unanswered(&question.server, &error, now),
        }
        Ok(())
    }

    fn unanswered(&mut self, server: &str, error: &io::Error, now: Instant) {
        tracing::debug!(server, %error, "asking for a producer's id");
        self.servers.was_silent(server, now);
        self.backoff.fail(now);
    }

    /// What to wait for.
    pub(super) fn readiness(&self) -> Option<PollFd<'_>> {
        self.question.as_ref().map(|question| question.link.readiness())
    }

    /// When there is something to do without an answer.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.question {
            Some(question) => {
                Some(question.link.due().map_or(question.deadline, |due| due.min(question.deadline)))
            }
            None => self.backoff.end(),
        }
    }
}
