//! A client's connection: bytes that become requests, one at a time, and answers that become bytes.
//!
//! The codec frames an answer by the request that it has decoded last. So nothing is decoded beyond a request before
//! its answer is written: what the client sends ahead stays undecoded until then.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use actix_codec::{Decoder as _, Encoder as _, poll_read_buf};
use actix_http::body::BodySize;
use actix_http::error::{ParseError, PayloadError};
use actix_http::h1::{Codec, Message, MessageType};
use actix_http::{Request, Response, ServiceConfig};
use actix_web::web::{Buf as _, Bytes, BytesMut};
use rustix::net::sockopt;
use tokio::io::AsyncWrite as _;
use tokio::net::TcpStream;

/// A connection on one thread of the server.
pub(crate) struct ClientConnection {
    stream: TcpStream,
    peer: Option<SocketAddr>,
    codec: Codec,
    /// What came and is not decoded yet.
    received: BytesMut,
    requests: u64,
    body: Body,
    /// Waits for more of the body.
    reader: Option<Waker>,
}

/// The body of the request that was decoded last.
enum Body {
    /// There is no more of it.
    Over,
    /// There is more. The client may wait for these bytes before it sends it.
    Coming(&'static [u8]),
    /// The rest cannot be had.
    Broken,
}

/// How much is read of what a client sends ahead.
const READ_AHEAD: usize = 16 * 1024;

/// How much room there is for what comes: most heads and bodies have less, and long polls keep it.
const ROOM: usize = 4 * 1024;

/// The least room worth a read.
const LEAST_ROOM: usize = 1024;

/// For how long bytes may lie untaken or unacknowledged.
const TAKES_NOTHING_FOR: Duration = Duration::from_secs(30);

/// After this silence the kernel asks the client's whether it is there, and again as often.
const SILENT_FOR: Duration = Duration::from_secs(10);

impl ClientConnection {
    pub(crate) fn new(stream: TcpStream, config: ServiceConfig) -> Self {
        if let Err(error) = set_limits(&stream) {
            tracing::debug!(%error, "a connection without limits");
        }
        Self {
            peer: stream.peer_addr().ok(),
            stream,
            codec: Codec::new(config),
            received: BytesMut::new(),
            requests: 0,
            body: Body::Over,
            reader: None,
        }
    }

    /// Whether a request begins, or the client has ended.
    pub(crate) fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.received.is_empty() { self.poll_receive(cx) } else { Poll::Ready(true) }
    }

    /// The next request without its body; none if the client has ended.
    pub(crate) fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Request>, ParseError>> {
        loop {
            match self.codec.decode(&mut self.received)? {
                Some(Message::Item(request)) => return Poll::Ready(Ok(Some(self.begin(request)))),
                // Only a body has chunks.
                Some(Message::Chunk(_)) => return Poll::Ready(Ok(None)),
                None if ready!(self.poll_receive(cx)) => {}
                None => return Poll::Ready(Ok(None)),
            }
        }
    }

    fn begin(&mut self, mut request: Request) -> Request {
        self.requests += 1;
        request.head_mut().peer_addr = self.peer;
        self.body = match self.codec.message_type() {
            MessageType::None => Body::Over,
            _ if request.head().expect() => Body::Coming(CONTINUE),
            _ => Body::Coming(b""),
        };
        request
    }

    /// The number of the request that was decoded last, if there is more of its body.
    pub(crate) fn request_with_body(&self) -> Option<u64> {
        matches!(self.body, Body::Coming(_)).then_some(self.requests)
    }

    /// The next part of the body of the request with this number. A client that waits for leave to send it is given
    /// that here, where it is known that the body is wanted.
    pub(crate) fn poll_body(
        &mut self,
        request: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, PayloadError>>> {
        if request != self.requests {
            return Poll::Ready(Some(Err(PayloadError::Incomplete(None))));
        }
        let part = ready!(self.poll_part(cx));
        match &part {
            Some(Ok(_)) => {}
            Some(Err(_)) => self.body = Body::Broken,
            None => self.body = Body::Over,
        }
        Poll::Ready(part)
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        loop {
            match self.body {
                Body::Over => return Poll::Ready(None),
                Body::Broken => return Poll::Ready(Some(Err(PayloadError::Incomplete(None)))),
                Body::Coming(_) => {}
            }
            match self.codec.decode(&mut self.received) {
                Ok(Some(Message::Chunk(Some(bytes)))) => return Poll::Ready(Some(Ok(bytes))),
                Ok(Some(_)) => return Poll::Ready(None),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(PayloadError::Io(malformed(&error))))),
            }
            ready!(self.poll_continue(cx)).map_err(PayloadError::Io)?;
            match self.poll_receive(cx) {
                Poll::Ready(true) => {}
                Poll::Ready(false) => return Poll::Ready(Some(Err(PayloadError::Incomplete(None)))),
                Poll::Pending => {
                    self.reader = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_continue(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Body::Coming(owed @ [_, ..]) = self.body {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, owed))?;
            self.body = Body::Coming(owed.get(written..).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
    }

    /// Passes over what came of the body. Whether that was the rest of it: else the next request cannot be found.
    pub(crate) fn pass_body(&mut self) -> bool {
        while let Body::Coming(_) = self.body {
            match self.codec.decode(&mut self.received) {
                Ok(Some(Message::Chunk(Some(_)))) => {}
                Ok(Some(_)) => self.body = Body::Over,
                Ok(None) => return false,
                Err(_) => self.body = Body::Broken,
            }
        }
        matches!(self.body, Body::Over)
    }

    /// Ready when the client has ended. To see that, some of what it sends ahead is read.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.received.len() < READ_AHEAD {
            if !ready!(self.poll_receive(cx)) {
                return Poll::Ready(());
            }
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
        Poll::Pending
    }

    /// Receives more; false if there will be none.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.received.capacity() - self.received.len() < LEAST_ROOM {
            self.received.reserve(ROOM);
        }
        let read = ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.received));
        Poll::Ready(read.is_ok_and(|bytes| bytes > 0))
    }

    /// Receives and forgets until the client has ended.
    pub(crate) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.received.clear();
            if !ready!(self.poll_receive(cx)) {
                return Poll::Ready(());
            }
        }
    }

    /// The head of the answer to the request that was decoded last, and whether more requests may follow.
    pub(crate) fn encode_head(
        &mut self,
        head: Response<()>,
        size: BodySize,
        to: &mut BytesMut,
    ) -> io::Result<bool> {
        self.codec.encode(Message::Item((head, size)), to)?;
        Ok(self.codec.keep_alive())
    }

    /// A part of the answer's body; none is its end.
    pub(crate) fn encode_part(&mut self, part: Option<Bytes>, to: &mut BytesMut) -> io::Result<()> {
        self.codec.encode(Message::Chunk(part), to)
    }

    /// Lets the next answer be one to no request at all.
    pub(crate) fn forget_request(&mut self) {
        self.codec = Codec::new(self.codec.config().clone());
    }

    pub(crate) fn poll_write(&mut self, bytes: &mut BytesMut, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !bytes.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => bytes.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Tells the client that nothing more comes.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

fn malformed(error: &ParseError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the body is not well framed: {error}"))
}

fn set_limits(socket: impl AsFd) -> rustix::io::Result<()> {
    sockopt::set_tcp_nodelay(&socket, true)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    sockopt::set_tcp_keepidle(&socket, SILENT_FOR)?;
    sockopt::set_tcp_keepintvl(&socket, SILENT_FOR)?;
    // Bounds how long keepalives may go unanswered, too.
    sockopt::set_tcp_user_timeout(&socket, TAKES_NOTHING_FOR.as_millis().try_into().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_kernel_knows_the_limits() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (_client, accepted) = tokio::join!(client, listener.accept());
        let stream = accepted.unwrap().0;
        set_limits(&stream).unwrap();
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), SILENT_FOR);
        assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), 30_000);
    }
}
