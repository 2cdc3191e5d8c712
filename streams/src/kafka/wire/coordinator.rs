//! Calls to the coordinator of a group, wherever it is.
//!
//! A call waits for its answer, but can be given up at any moment: then its connection goes too, for the broker takes
//! up no other request on it before it has answered this one.

use std::io;
use std::time::{Duration, Instant};

use kafka_protocol::error::{ParseResponseErrorCode, ResponseError};
use kafka_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::{Request, StrBytes};

use super::link::{Alarm, Link, UnderWay};
use super::servers::{Servers, share};

/// How long one broker may take to say where the coordinator is.
const FIND_TIMEOUT: Duration = Duration::from_secs(2);

/// The way to the coordinator of one group.
#[derive(Debug)]
pub(super) struct Coordinator {
    group: StrBytes,
    client_id: StrBytes,
    /// Who can be asked for it.
    servers: Servers,
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
    /// Of `group`, in the cluster of `servers`. Connects to nothing yet.
    pub(super) fn new(servers: &Servers, client_id: StrBytes, group: StrBytes) -> Self {
        Self { group, client_id, servers: servers.clone(), address: None, link: None }
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

    fn ask_for_address(&self, patience: Patience<'_>) -> Result<String, CallError> {
        let servers = self.servers.in_turn([]);
        let mut failure = CallError::Unsent(io::ErrorKind::NotFound.into());
        for (index, server) in servers.iter().enumerate() {
            let now = Instant::now();
            if index > 0 && now >= patience.deadline {
                break;
            }
            let is_last = index + 1 == servers.len();
            let longest =
                if is_last { now + FIND_TIMEOUT } else { share(now, patience.deadline, FIND_TIMEOUT) };
            let deadline = patience.deadline.min(longest);
            match self.ask_server(server, Patience { deadline, ..patience }) {
                Ok(answer) => {
                    self.servers.has_answered(server);
                    return address_in(answer);
                }
                Err(CallError::Unanswered(error) | CallError::Unsent(error)) => {
                    self.servers.was_silent(server, now);
                    failure = CallError::Unsent(io::Error::new(error.kind(), format!("{server}: {error}")));
                }
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    fn ask_server(&self, server: &str, patience: Patience<'_>) -> Result<FindCoordinatorResponse, CallError> {
        let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![self.group.clone()]);
        let mut link = Link::open(server, &self.client_id).map_err(CallError::Unsent)?;
        let under_way = link.send(&request, 4).map_err(CallError::Unsent)?;
        answer::<FindCoordinatorRequest>(&mut link, under_way, patience)
    }
}

fn address_in(answer: FindCoordinatorResponse) -> Result<String, CallError> {
    let found = answer.coordinators.into_iter().next();
    let found = found.ok_or(CallError::Refused(ResponseError::CoordinatorNotAvailable))?;
    match found.error_code.err() {
        Some(error) => Err(CallError::Refused(error)),
        None => Ok(format!("{}:{}", found.host, found.port)),
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
        let until = link.due().into_iter().chain([look, patience.deadline]).min();
        patience.alarm.wait([link.readiness()], until.unwrap_or(look));
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
