//! HTTP by the byte.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than the server waits for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// One answer as it came, without its date, and with its headers in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// The problem that it is.
    #[track_caller]
    pub(crate) fn problem(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["status"], self.status(), "{self:?}");
        problem
    }
}

/// A connection of which answers are read.
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::from(std::net::TcpStream::connect(address).unwrap())
    }

    /// Reads of a connection that is there.
    pub(crate) fn from(stream: std::net::TcpStream) -> Self {
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: TcpStream::from_std(stream).unwrap(), received: Vec::new() }
    }

    /// Writes; that the server has closed is seen when its answer is read.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// The next answer, to HEAD or to another method; none if the server has ended instead.
    pub(crate) async fn answer(&mut self, is_to_head: bool) -> Option<Answer> {
        let end = loop {
            match self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None if self.receive().await => {}
                None => {
                    assert_eq!(String::from_utf8_lossy(&self.received), "", "an answer is not whole");
                    return None;
                }
            }
        };
        let head: Vec<_> = self.received.drain(..end).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines: Vec<_> = head.lines().filter(|line| !line.starts_with("date: ")).collect();
        lines[1..].sort_unstable();
        let mut answer = Answer { head: lines.join("\n"), body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        let length = if is_to_head { 0 } else { length };
        while self.received.len() < length {
            assert!(self.receive().await, "the body of {answer:?} is not whole");
        }
        answer.body = String::from_utf8(self.received.drain(..length).collect()).unwrap();
        Some(answer)
    }

    /// Whether the server ends the connection, and with nothing more than what was read.
    pub(crate) async fn has_ended(&mut self) -> bool {
        while self.received.is_empty() && self.receive().await {}
        self.received.is_empty()
    }

    async fn receive(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.received)).await;
        // An abrupt end is an end, too.
        read.expect("the server should say something or end").is_ok_and(|bytes| bytes > 0)
    }
}
