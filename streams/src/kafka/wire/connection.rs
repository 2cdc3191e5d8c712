//! One connection to one broker: requests go out, answers come back in the same order.
//!
//! Blocking, on the thread of the caller: whoever has to wait for an answer anyway loses nothing, and nobody has to
//! be woken for it.

use std::collections::VecDeque;
use std::io::{self, BufReader, Read, Write};
use std::marker::PhantomData;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection that was used so recently is not looked at.
const RECENT: Duration = Duration::from_secs(1);
/// The longest answer that is taken for one.
const MAX_ANSWER: i32 = 256 << 20;

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    client_id: Option<StrBytes>,
    last: i32,
    used: Instant,
    /// The requests whose answers are still to come, in their order.
    awaited: VecDeque<i32>,
}

/// A request whose answer is still to come.
#[derive(Debug)]
#[must_use]
pub(super) struct Pending<R> {
    correlation: i32,
    version: i16,
    request: PhantomData<fn() -> R>,
}

impl Connection {
    /// Connects to `host:port`.
    pub(super) fn open(address: &str, client_id: &str) -> io::Result<Self> {
        let mut refused = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for socket in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&socket, CONNECT_TIMEOUT) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Self {
                        stream: BufReader::new(stream),
                        client_id: Some(StrBytes::from_string(client_id.to_string())),
                        last: 0,
                        used: Instant::now(),
                        awaited: VecDeque::new(),
                    });
                }
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// Whether the broker has not closed it, as it does after a while without requests.
    pub(super) fn is_open(&mut self) -> bool {
        if self.used.elapsed() < RECENT || !self.awaited.is_empty() {
            return true;
        }
        let stream = self.stream.get_ref();
        let peeked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
        let is_quiet = peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        is_quiet && stream.set_nonblocking(false).is_ok()
    }

    /// Sends a request and waits for its answer.
    pub(super) fn call<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> io::Result<R::Response> {
        let pending = self.send(request, version, deadline)?;
        self.receive(pending, deadline)
    }

    /// Sends a request. Its answer has to be received before that of any later one.
    pub(super) fn send<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> io::Result<Pending<R>> {
        self.last = self.last.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.last)
            .with_client_id(self.client_id.clone());
        let mut message = BytesMut::zeroed(4);
        header.encode(&mut message, R::header_version(version)).map_err(malformed)?;
        request.encode(&mut message, version).map_err(malformed)?;
        let length = i32::try_from(message.len() - 4).map_err(malformed)?;
        message[..4].copy_from_slice(&length.to_be_bytes());

        let stream = self.stream.get_mut();
        stream.set_write_timeout(Some(left_until(deadline)?))?;
        stream.write_all(&message)?;
        self.awaited.push_back(self.last);
        self.used = Instant::now();
        Ok(Pending { correlation: self.last, version, request: PhantomData })
    }

    /// Waits for the answer to the oldest request that has none yet, which has to be `pending`.
    pub(super) fn receive<R: Request>(
        &mut self,
        pending: Pending<R>,
        deadline: Instant,
    ) -> io::Result<R::Response> {
        if self.awaited.pop_front() != Some(pending.correlation) {
            return Err(malformed("an answer was asked for out of turn"));
        }
        let mut length = [0; 4];
        self.read(&mut length, deadline)?;
        let length = i32::from_be_bytes(length);
        if !(4..=MAX_ANSWER).contains(&length) {
            return Err(malformed(format!("an answer of {length} bytes")));
        }
        let mut message = BytesMut::zeroed(length.unsigned_abs() as usize);
        self.read(&mut message, deadline)?;

        let mut message: Bytes = message.freeze();
        let header = ResponseHeader::decode(&mut message, R::Response::header_version(pending.version))
            .map_err(malformed)?;
        if header.correlation_id != pending.correlation {
            return Err(malformed("an answer to another request"));
        }
        let answer = R::Response::decode(&mut message, pending.version).map_err(malformed)?;
        if message.has_remaining() {
            return Err(malformed(format!("{} bytes after an answer's end", message.remaining())));
        }
        Ok(answer)
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            if self.stream.buffer().is_empty() {
                self.stream.get_ref().set_read_timeout(Some(left_until(deadline)?))?;
            }
            match self.stream.read(&mut buffer[filled..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What is left of the time, if anything.
fn left_until(deadline: Instant) -> io::Result<Duration> {
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

fn malformed(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}
