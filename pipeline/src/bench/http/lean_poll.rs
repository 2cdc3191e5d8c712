//! A long poll that costs its client little.
//!
//! Thousands are answered at the same moment, on the cores of the pipeline that answers them: an HTTP client's own
//! buffers and bookkeeping, for each connection, would take as much of that moment as the answers do.

use std::net::SocketAddr;

use anyhow::Context as _;
use domain::OrderId;
use reqwest::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::target::POLL;

/// Where polls go.
#[derive(Clone, Copy)]
pub(super) struct LeanPolls(SocketAddr);

/// A poll whose request has gone out.
pub(super) struct LeanPoll(TcpStream);

/// More than an answer has.
const MOST_HEADERS: usize = 32;
const MOST_BYTES: usize = 4096;

impl LeanPolls {
    pub(super) fn new(base: &Url) -> anyhow::Result<Self> {
        let addresses = base.socket_addrs(|| None)?;
        Ok(Self(addresses.first().copied().with_context(|| format!("{base} has no address"))?))
    }

    /// Asks for an order's final state.
    pub(super) async fn ask(&self, id: &OrderId) -> anyhow::Result<LeanPoll> {
        let mut stream = TcpStream::connect(self.0).await?;
        let path = format!("/v1/orders/{id}/validated?timeout={}", POLL.as_millis());
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.0).as_bytes()).await?;
        Ok(LeanPoll(stream))
    }
}

impl LeanPoll {
    /// Waits for the answer, to its end: anything but 200 is an error. The connection stays open as long as `self`.
    pub(super) async fn answered(&mut self) -> anyhow::Result<()> {
        self.0.readable().await?;
        let mut answer = Vec::with_capacity(MOST_BYTES);
        loop {
            anyhow::ensure!(answer.len() < MOST_BYTES, "an answer of more than {MOST_BYTES} bytes");
            anyhow::ensure!(self.0.read_buf(&mut answer).await? > 0, "the connection was closed");
            if let Some(status) = status_of(&answer)? {
                anyhow::ensure!(status == 200, "{status}");
                return Ok(());
            }
        }
    }
}

/// The status of an answer, once all of it is there.
fn status_of(answer: &[u8]) -> anyhow::Result<Option<u16>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(end) = head.parse(answer)? else { return Ok(None) };
    let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length: usize = match length {
        Some(length) => std::str::from_utf8(length.value)?.trim().parse()?,
        None => anyhow::bail!("an answer without content-length"),
    };
    Ok(head.code.filter(|_| answer.len() >= end + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_when_all_of_it_is_there() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\netag: \"1.2\"\r\n\r\n{}";
        for length in 0..answer.len() {
            assert_eq!(status_of(&answer[..length]).unwrap(), None, "{length}");
        }
        assert_eq!(status_of(answer).unwrap(), Some(200));
        assert_eq!(status_of(b"HTTP/1.1 504 Late\r\ncontent-length: 0\r\n\r\n").unwrap(), Some(504));
        status_of(b"HTTP/1.1 200 OK\r\n\r\n").unwrap_err();
        status_of(b"SMTP 220\r\n\r\n").unwrap_err();
    }
}
