//! Calls to the coordinator of a group, wherever it is.
//!
//! A call waits for its answer, but can be given up at any moment: then its connection goes too, for the broker takes
//! up no other request on it before it has answered this one.

use std::io;
use std::time::{Duration, Instant};

use kafka_protocol::error::{ParseResponseErrorCode, ResponseError};
use kafka_protocol::messages::FindCoordinatorRequest;
use kafka_protocol::protocol::{Request, StrBytes};

use super::link::{Alarm, Link, UnderWay};

/// How long one broker may take to say where the coordinator is.
const FIND_TIMEOUT: Duration = Duration::from_secs(2);

/// The way to the coordinator of one group.
#[derive(Debug)]
pub(super) struct Coordinator {
    group: StrBytes,
    client_id: StrBytes,
    /// Who can be asked for it, in turn.
    servers: Vec<String>,
    next_server: usize,
    address: Option<String>,
    link: Option<Link>,
}

/// How long to wait for an answer.
#[derive(Clone, Copy)]
pub(super) struct Patience<'a> {
    pub(super) deadline: Instant,
    /// Whatever wakes it lets it look whether to go on.
    pub(super) alarm: &'a Alarm,
    /// When to look again whether to go on; none when the call is to be given up.
    pub(super) until: &'a dyn Fn() -> Option<Instant>,
}

/// A call to the coordinator came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// It was not even sent.
    #[error("{0}")]
    Unsent(io::Error),
    /// Whether it arrived is not known.
    #[error("{0}")]
    Unanswered(io::Error),
    /// It was given up.
    #[error("it was given up")]
    Interrupted,
    /// The broker's answer is an error.
    #[error("{0}")]
    Refused(ResponseError),
}

impl Coordinator {
    /// Of `group`, to be found through the brokers at `bootstrap`: `host:port`, separated by commas. Connects to nothing
    /// yet.
    pub(super) fn new(bootstrap: &str, client_id: StrBytes, group: StrBytes) -> Self {
        let servers = bootstrap.split(',').map(|address| address.trim().to_string()).collect();
        Self { group, client_id, servers, next_server: 0, address: None, link: None }
    }

    /// Calls the coordinator once.
    pub(super) fn call<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        patience: Patience<'_>,
    ) -> Result<R::Response, CallError> {
        let mut link = self.connect(patience)?;
        let answer = match link.send(request, version) {
            Ok(under_way) => answer::<R>(&mut link, under_way, patience),
            Err(error) => Err(CallError::Unanswered(error)),
        };
        match answer {
            Ok(answer) => {
                self.link = Some(link);
                Ok(answer)
            }
            Err(CallError::Unanswered(error)) => {
                self.address = None;
                Err(if link.has_sent() { CallError::Unanswered(error) } else { CallError::Unsent(error) })
            }
            Err(error) => Err(error),
        }
    }

    /// Finds the coordinator, unless it is known, and makes sure of a connection for the next call.
    pub(super) fn find(&mut self, patience: Patience<'_>) -> Result<(), CallError> {
        self.link = Some(self.connect(patience)?);
        Ok(())
    }

    /// It is another broker, or not to be had.
    pub(super) fn forget(&mut self) {
        self.link = None;
        self.address = None;
    }

    fn connect(&mut self, patience: Patience<'_>) -> Result<Link, CallError> {
        if let Some(link) = self.link.take().filter(Link::is_open) {
            return Ok(link);
        }
        let address = match self.address.take() {
            Some(address) => address,
            None => self.ask_for_address(patience)?,
        };
        let link = Link::open(&address, &self.client_id).map_err(CallError::Unsent)?;
        self.address = Some(address);
        Ok(link)
    }

    fn ask_for_address(&mut self, patience: Patience<'_>) -> Result<String, CallError> {
        let server = &self.servers[self.next_server % self.servers.len()];
        self.next_server = self.next_server.wrapping_add(1);
        let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![self.group.clone()]);
        let deadline = patience.deadline.min(Instant::now() + FIND_TIMEOUT);
        let answer = Link::open(server, &self.client_id)
            .and_then(|mut link| link.send(&request, 4).map(|under_way| (link, under_way)))
            .map_err(CallError::Unsent)
            .and_then(|(mut link, under_way)| {
                answer::<FindCoordinatorRequest>(&mut link, under_way, Patience { deadline, ..patience })
            });
        let answer = answer.map_err(|error| match error {
            CallError::Unanswered(error) | CallError::Unsent(error) => {
                CallError::Unsent(io::Error::new(error.kind(), format!("{server}: {error}")))
            }
            error => error,
        })?;
        let found = answer.coordinators.into_iter().next();
        let found = found.ok_or(CallError::Refused(ResponseError::CoordinatorNotAvailable))?;
        match found.error_code.err() {
            Some(error) => Err(CallError::Refused(error)),
            None => Ok(format!("{}:{}", found.host, found.port)),
        }
    }
}

fn answer<R: Request>(
    link: &mut Link,
    under_way: UnderWay,
    patience: Patience<'_>,
) -> Result<R::Response, CallError> {
    loop {
        if let Some(answer) = link.receive::<R>(under_way).map_err(CallError::Unanswered)? {
            return Ok(answer);
        }
        let look = (patience.until)().ok_or(CallError::Interrupted)?;
        if Instant::now() >= patience.deadline {
            return Err(CallError::Unanswered(io::ErrorKind::TimedOut.into()));
        }
        patience.alarm.wait([link.readiness()], look.min(patience.deadline));
    }
}

/// Whether the coordinator is another broker by now, or is not ready.
pub(super) fn is_elsewhere(error: ResponseError) -> bool {
    matches!(
        error,
        ResponseError::NotCoordinator
            | ResponseError::CoordinatorNotAvailable
            | ResponseError::CoordinatorLoadInProgress
    )
}
