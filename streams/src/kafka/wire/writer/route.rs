//! The way to one broker: a connection, on which one request is under way at a time.

use std::io;
use std::time::{Duration, Instant};

use kafka_protocol::messages::{ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::StrBytes;
use rustix::event::PollFd;

use super::super::leaders::Backoff;
use super::super::link::{Link, UnderWay};
use super::super::produce;

/// After this time a broker that does not answer is taken for lost: early enough to try again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was used so recently is not looked at before it is used again.
const RECENT: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Route {
    link: Option<Link>,
    sent: Option<Sent>,
    used: Option<Instant>,
    backoff: Backoff,
}

/// A request without its answer.
struct Sent {
    under_way: UnderWay,
    since: Instant,
    batches: Batches,
}

/// What a request carries: each by its partition's place in the list, and its number there.
pub(super) type Batches = Vec<(usize, u64)>;

/// The connection is lost.
pub(super) struct Lost {
    pub(super) error: io::Error,
    /// What was to be sent, or waited for its answer.
    pub(super) batches: Batches,
    /// Whether the broker may have got it.
    pub(super) has_gone_out: bool,
}

impl Route {
    /// Whether nothing is under way.
    pub(super) fn is_free(&self) -> bool {
        self.sent.is_none()
    }

    /// Whether a request can be sent now.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.is_free() && self.backoff.is_over(now)
    }

    /// Sends a request with these batches to the broker at `address`.
    pub(super) fn send(
        &mut self,
        address: Option<&str>,
        client_id: &StrBytes,
        (request, batches): (ProduceRequest, Batches),
        now: Instant,
    ) -> Result<(), Lost> {
        let is_recent = self.used.replace(now).is_some_and(|used| now < used + RECENT);
        if !self.link.as_ref().is_some_and(|link| is_recent || link.is_open()) {
            let no_address = || io::Error::new(io::ErrorKind::NotFound, "it has no address");
            let opened = address.ok_or_else(no_address).and_then(|address| Link::open(address, client_id));
            match opened {
                Ok(link) => self.link = Some(link),
                Err(error) => return Err(self.lose(error, batches, now)),
            }
        }
        let not_connected = || io::ErrorKind::NotConnected.into();
        let link = self.link.as_mut().ok_or_else(not_connected);
        match link.and_then(|link| link.send(&request, produce::VERSION)) {
            Ok(under_way) => {
                self.sent = Some(Sent { under_way, since: now, batches });
                Ok(())
            }
            Err(error) => Err(self.lose(error, batches, now)),
        }
    }

    /// The answer to the request under way and what it carried, once there is one.
    pub(super) fn receive(&mut self, now: Instant) -> Result<Option<(ProduceResponse, Batches)>, Lost> {
        let (Some(link), Some(sent)) = (&mut self.link, self.sent.take()) else { return Ok(None) };
        match link.receive::<ProduceRequest>(sent.under_way) {
            Ok(Some(response)) => {
                self.backoff.succeed();
                Ok(Some((response, sent.batches)))
            }
            Ok(None) if now < sent.since + ANSWER_TIMEOUT => {
                self.sent = Some(sent);
                Ok(None)
            }
            Ok(None) => Err(self.lose(io::ErrorKind::TimedOut.into(), sent.batches, now)),
            Err(error) => Err(self.lose(error, sent.batches, now)),
        }
    }

    fn lose(&mut self, error: io::Error, batches: Batches, now: Instant) -> Lost {
        self.backoff.fail(now);
        let has_gone_out = self.link.take().is_some_and(|link| link.has_sent());
        Lost { error, batches, has_gone_out }
    }

    /// What to wait for.
    pub(super) fn readiness(&self) -> Option<PollFd<'_>> {
        self.link.as_ref().filter(|_| self.sent.is_some()).map(Link::readiness)
    }

    /// When there is something to do without an answer.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.sent {
            Some(sent) => {
                let connecting = self.link.as_ref().and_then(Link::due);
                connecting.into_iter().chain([sent.since + ANSWER_TIMEOUT]).min()
            }
            None => self.backoff.end(),
        }
    }
}
