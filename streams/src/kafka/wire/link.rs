//! A connection that nobody has to wait for: its owner looks for what has come when it likes, and waits for several
//! of them, and for being woken, at the same time.
//!
//! One request is under way at a time: a broker serves those of a connection one after the other anyway.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::answer::Answer;
use super::spare::{Spare, Use};

/// The longest answer that is taken for one.
const MAX_ANSWER: usize = 256 << 20;

/// After so long an address is taken for one at which nobody is.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// What stands before a request takes no more, as a rule.
const MAX_HEADER: usize = 128;

/// An open connection, or one that is coming about.
#[derive(Debug)]
pub(super) struct Link {
    stream: BufReader<TcpStream>,
    is_connected: bool,
    /// When it began to connect to where it connects now.
    begun: Instant,
    /// Where else the broker may be, if it is not there.
    others: std::vec::IntoIter<SocketAddr>,
    client_id: StrBytes,
    last: i32,
    /// The last request, and how much of it has gone out.
    outgoing: Vec<u8>,
    sent: usize,
    outgoing_use: Use,
    /// How much of the next answer is there, with its length in front.
    filled: usize,
    length: [u8; 4],
    /// Where it comes to stand: its length, and the buffer, which may be longer.
    expected: usize,
    incoming: BytesMut,
    /// The buffer of the last one.
    spare: Spare,
}

/// A request that is under way.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(super) struct UnderWay {
    correlation: i32,
    version: i16,
}

impl Link {
    /// Begins to connect to `host:port`.
    pub(super) fn open(address: &str, client_id: &StrBytes) -> io::Result<Self> {
        Self::to_one_of(address.to_socket_addrs()?.collect(), client_id)
    }

    fn to_one_of(addresses: Vec<SocketAddr>, client_id: &StrBytes) -> io::Result<Self> {
        let mut others = addresses.into_iter();
        Ok(Self {
            stream: BufReader::new(connect_to_one_of(&mut others)?),
            is_connected: false,
            begun: Instant::now(),
            others,
            client_id: client_id.clone(),
            last: 0,
            outgoing: Vec::new(),
            sent: 0,
            outgoing_use: Use::default(),
            filled: 0,
            length: [0; 4],
            expected: 0,
            incoming: BytesMut::new(),
            spare: Spare::default(),
        })
    }

    /// Sends a request, as far as that is possible at once; the rest with the looks for its answer.
    pub(super) fn send<R: Request>(&mut self, request: &R, version: i16) -> io::Result<UnderWay> {
        if self.is_sending() {
            return Err(io::Error::other("the last request has not gone out yet"));
        }
        self.last = self.last.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.last)
            .with_client_id(Some(self.client_id.clone()));
        let size = request.compute_size(version).map_err(malformed)? + MAX_HEADER;
        let mut message = std::mem::take(&mut self.outgoing);
        message.clear();
        if !self.outgoing_use.is_for(size, message.capacity()) {
            message = Vec::with_capacity(size);
        }
        message.put_i32(0);
        header.encode(&mut message, R::header_version(version)).map_err(malformed)?;
        request.encode(&mut message, version).map_err(malformed)?;
        let length = i32::try_from(message.len() - 4).map_err(malformed)?;
        message[..4].copy_from_slice(&length.to_be_bytes());
        (self.outgoing, self.sent) = (message, 0);
        self.flush()?;
        Ok(UnderWay { correlation: self.last, version })
    }

    /// The answer to the request under way, if all of it has come.
    pub(super) fn receive<R: Request>(&mut self, request: UnderWay) -> io::Result<Option<R::Response>> {
        self.flush()?;
        if !self.is_connected {
            return Ok(None);
        }
        let Some(message) = self.read_message()? else { return Ok(None) };
        let mut message = Answer::new(message);
        let header = ResponseHeader::decode(&mut message, R::Response::header_version(request.version))
            .map_err(malformed)?;
        if header.correlation_id != request.correlation {
            return Err(malformed("an answer to another request"));
        }
        let answer = R::Response::decode(&mut message, request.version).map_err(malformed)?;
        if message.has_remaining() {
            return Err(malformed(format!("{} bytes after an answer's end", message.remaining())));
        }
        Ok(Some(answer))
    }

    /// Waits for the answer to the request under way.
    pub(super) fn wait_for<R: Request>(
        &mut self,
        request: UnderWay,
        deadline: Instant,
    ) -> io::Result<R::Response> {
        loop {
            let is_over = Instant::now() >= deadline;
            wait(&mut [self.readiness()], self.due().map_or(deadline, |due| due.min(deadline)));
            match self.receive::<R>(request)? {
                Some(answer) => return Ok(answer),
                None if is_over => return Err(io::ErrorKind::TimedOut.into()),
                None => {}
            }
        }
    }

    /// Whether the broker has not closed it, as it does after a while without requests. For when none is under way.
    pub(super) fn is_open(&self) -> bool {
        let peeked = self.stream.get_ref().peek(&mut [0]);
        !self.is_connected || peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Whether anything has gone out on it.
    pub(super) fn has_sent(&self) -> bool {
        self.is_connected
    }

    /// When to look at it again even if nothing comes: it connects to one address no longer than that.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.is_connected).then(|| self.begun + CONNECT_TIMEOUT)
    }

    /// What to wait for.
    pub(super) fn readiness(&self) -> PollFd<'_> {
        let events = if !self.is_connected || self.is_sending() {
            PollFlags::IN | PollFlags::OUT
        } else {
            PollFlags::IN
        };
        PollFd::new(self.stream.get_ref(), events)
    }

    fn is_sending(&self) -> bool {
        self.sent < self.outgoing.len()
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.is_sending() {
            match self.stream.get_mut().write(&self.outgoing[self.sent..]) {
                Ok(count) => {
                    self.is_connected = true;
                    self.sent += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.due().is_none_or(|due| Instant::now() < due) {
                        return Ok(());
                    }
                    self.connect_elsewhere(io::ErrorKind::TimedOut.into())?;
                }
                Err(error) if self.is_connected => return Err(error),
                Err(error) => self.connect_elsewhere(error)?,
            }
        }
        Ok(())
    }

    /// The name may have another address; else it cannot be reached for this reason.
    fn connect_elsewhere(&mut self, error: io::Error) -> io::Result<()> {
        let stream = connect_to_one_of(&mut self.others).map_err(|_| error)?;
        self.stream = BufReader::new(stream);
        self.begun = Instant::now();
        Ok(())
    }

    fn read_message(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let target = match self.filled.checked_sub(4) {
                None => &mut self.length[self.filled..],
                Some(filled) => &mut self.incoming[filled..self.expected],
            };
            match self.stream.read(target) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.filled == 4 {
                let length = length_of_answer(self.length)?;
                // What stands in it of an earlier answer need not be cleared.
                let buffer = self.spare.take(length).filter(|buffer| buffer.len() >= length);
                self.incoming = buffer.unwrap_or_else(|| BytesMut::zeroed(length));
                self.expected = length;
            }
            if self.filled == 4 + self.expected {
                let buffer = std::mem::take(&mut self.incoming).freeze();
                let answer = buffer.slice(..self.expected);
                self.spare.keep(buffer);
                (self.filled, self.expected) = (0, 0);
                return Ok(Some(answer));
            }
        }
    }
}

fn length_of_answer(bytes: [u8; 4]) -> io::Result<usize> {
    let length = i32::from_be_bytes(bytes);
    let plausible = usize::try_from(length).ok().filter(|length| (4..=MAX_ANSWER).contains(length));
    plausible.ok_or_else(|| malformed(format!("an answer of {length} bytes")))
}

fn connect_to_one_of(addresses: &mut impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut refused = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match connect(address) {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// Begins to connect; a failure may show later.
fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Wakes a thread that waits for sockets.
#[derive(Debug)]
pub(super) struct Waker(UnixStream);

/// The end of a [`Waker`] that is waited for.
#[derive(Debug)]
pub(super) struct Alarm(UnixStream);

/// A waker and what it wakes.
pub(super) fn alarm() -> io::Result<(Waker, Alarm)> {
    let (waker, alarm) = UnixStream::pair()?;
    waker.set_nonblocking(true)?;
    alarm.set_nonblocking(true)?;
    Ok((Waker(waker), Alarm(alarm)))
}

impl Waker {
    /// Wakes whoever waits, or will wait next.
    pub(super) fn wake(&self) {
        // When it is full, it is on its way already.
        let _ = (&self.0).write(&[1]);
    }
}

impl Alarm {
    /// Waits until woken, until one of `others` is ready, or until the time has come.
    pub(super) fn wait<'a>(&'a self, others: impl IntoIterator<Item = PollFd<'a>>, until: Instant) {
        let mut awaited = vec![PollFd::new(&self.0, PollFlags::IN)];
        awaited.extend(others);
        wait(&mut awaited, until);
        if !awaited[0].revents().is_empty() {
            while (&self.0).read(&mut [0; 64]).is_ok_and(|count| count == 64) {}
        }
    }
}

/// Waits until one of these is ready, or until the time has come, for who need not be woken.
pub(super) fn wait_for_any<'a>(awaited: impl Iterator<Item = PollFd<'a>>, until: Instant) {
    wait(&mut awaited.collect::<Vec<_>>(), until);
}

/// Waits until one of these is ready, or until the time has come.
fn wait(awaited: &mut [PollFd<'_>], until: Instant) {
    let left = until.saturating_duration_since(Instant::now());
    let left = Timespec {
        tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    };
    // An interruption is as good as an event: whoever waits looks for what there is.
    let _ = poll(awaited, Some(&left));
}

fn malformed(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

#[cfg(test)]
mod tests {
    use std::net::{Shutdown, TcpListener};
    use std::thread;

    use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);
    const VERSION: i16 = 4;

    /// A link with a request under way, and the other end of it.
    fn asked(listener: &TcpListener) -> (Link, UnderWay, TcpStream) {
        let address = listener.local_addr().unwrap();
        let mut link = Link::open(&address.to_string(), &"test".into()).unwrap();
        let under_way = link.send(&HeartbeatRequest::default(), VERSION).unwrap();
        let (broker, _) = listener.accept().unwrap();
        (link, under_way, broker)
    }

    fn answer(correlation: i32, code: i16) -> Vec<u8> {
        let mut message = BytesMut::zeroed(4);
        let header = ResponseHeader::default().with_correlation_id(correlation);
        header.encode(&mut message, HeartbeatResponse::header_version(VERSION)).unwrap();
        HeartbeatResponse::default().with_error_code(code).encode(&mut message, VERSION).unwrap();
        let length = i32::try_from(message.len() - 4).unwrap();
        message[..4].copy_from_slice(&length.to_be_bytes());
        message.to_vec()
    }

    /// What comes in the end, and after how many looks in vain.
    fn outcome(link: &mut Link, under_way: UnderWay) -> io::Result<i16> {
        let (_waker, alarm) = alarm().unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = link.receive::<HeartbeatRequest>(under_way)? {
                return Ok(answer.error_code);
            }
            assert!(Instant::now() < end, "nothing comes");
            alarm.wait([link.readiness()], end);
        }
    }

    #[test]
    fn an_answer_may_come_in_pieces() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut link, under_way, mut broker) = asked(&listener);
        let sender = thread::spawn(move || {
            for byte in answer(1, 27) {
                broker.write_all(&[byte]).unwrap();
            }
            broker
        });
        assert_eq!(outcome(&mut link, under_way).unwrap(), 27);
        assert!(link.is_open());
        let mut broker = sender.join().unwrap();
        let under_way = link.send(&HeartbeatRequest::default(), VERSION).unwrap();
        assert!(link.receive::<HeartbeatRequest>(under_way).unwrap().is_none(), "it has not come");
        broker.write_all(&answer(2, 25)).unwrap();
        assert_eq!(outcome(&mut link, under_way).unwrap(), 25, "and another one");
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let longer = {
            let mut message = answer(1, 0);
            message[3] += 1;
            [message, vec![0]].concat()
        };
        let refused = [
            (answer(7, 0), "another request"),
            (longer, "after an answer's end"),
            (vec![0xff; 8], "an answer of -1 bytes"),
            (vec![0, 0, 0, 1, 0], "an answer of 1 bytes"),
            (answer(1, 0)[..7].to_vec(), "end of file"),
            (vec![], "end of file"),
        ];
        for (bytes, expected) in refused {
            let (mut link, under_way, mut broker) = asked(&listener);
            broker.write_all(&bytes).unwrap();
            broker.shutdown(Shutdown::Write).unwrap();
            let error = outcome(&mut link, under_way).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}, not {expected}");
        }
    }

    #[test]
    fn a_link_knows_whether_it_has_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut link, under_way, broker) = asked(&listener);
        drop(broker);
        outcome(&mut link, under_way).unwrap_err();
        assert!(link.has_sent());
        assert!(!link.is_open());

        let nobody = listener.local_addr().unwrap().to_string();
        drop(listener);
        let opened = Link::open(&nobody, &"test".into());
        if let Ok(mut link) = opened {
            let sent = link.send(&HeartbeatRequest::default(), VERSION);
            let refused = sent.and_then(|under_way| outcome(&mut link, under_way)).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused, "{refused}");
            assert!(!link.has_sent());
        }
    }

    #[test]
    fn an_address_at_which_nobody_is_leaves_time_for_the_next() {
        let (full, _waiting) = full_listener();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [&full, &listener].map(|listener| listener.local_addr().unwrap());
        let broker = thread::spawn(move || {
            let (mut broker, _) = listener.accept().unwrap();
            broker.write_all(&answer(1, 27)).unwrap();
            broker
        });
        let mut link = Link::to_one_of(addresses.to_vec(), &"test".into()).unwrap();
        let under_way = link.send(&HeartbeatRequest::default(), VERSION).unwrap();
        let came = link.wait_for::<HeartbeatRequest>(under_way, Instant::now() + PATIENCE).unwrap();
        assert_eq!(came.error_code, 27);
        drop(broker.join().unwrap());

        let mut link = Link::to_one_of(vec![addresses[0]], &"test".into()).unwrap();
        let start = Instant::now();
        let under_way = link.send(&HeartbeatRequest::default(), VERSION).unwrap();
        let error = link.wait_for::<HeartbeatRequest>(under_way, start + PATIENCE).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(Instant::now() < start + PATIENCE, "whoever has more time can try another server");
    }

    /// A listener to which no connection comes about any more.
    fn full_listener() -> (TcpListener, Vec<TcpStream>) {
        let socket =
            socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            waiting.push(stream);
        }
        (listener, waiting)
    }

    #[test]
    fn whoever_waits_is_woken() {
        let (waker, alarm) = alarm().unwrap();
        waker.wake();
        waker.wake();
        let end = Instant::now() + PATIENCE;
        alarm.wait([], end);
        assert!(Instant::now() < end, "it was woken before");
        let waiting = thread::spawn(move || {
            alarm.wait([], end);
            Instant::now() < end
        });
        waker.wake();
        assert!(waiting.join().unwrap(), "it is woken while it waits");
    }
}
