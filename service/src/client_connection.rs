//! A client's connection, which ends when nothing comes of it. The server itself limits the first head on a
//! connection and the pause between requests; here is the rest: a later head that drips, a body that drips on after
//! it was given up, answers that nobody takes, and clients that have gone without a word.

use std::cell::Cell;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// A connection on one thread of the server.
pub(crate) struct ClientConnection {
    stream: TcpStream,
    requests: Requests,
    /// There while no request is seen to be under way.
    idle: Option<Pin<Box<Sleep>>>,
}

/// The requests on a connection; shared with those who answer them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests(Rc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    under_way: Cell<usize>,
    /// When the last one ended.
    ended: Cell<Option<Instant>>,
}

/// A request that is under way, until it is dropped.
pub(crate) struct UnderWay(Requests);

/// For how long a connection may be without a request: longer than the pause between two that is allowed to those
/// who send nothing.
const IDLE_FOR: Duration = Duration::from_secs(10);

/// For how long bytes may lie untaken or unacknowledged.
const TAKES_NOTHING_FOR: Duration = Duration::from_secs(30);

/// After this silence the kernel asks the client's whether it is there, and again as often.
const SILENT_FOR: Duration = Duration::from_secs(10);

impl ClientConnection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        if let Err(error) = set_limits(&stream) {
            tracing::debug!(%error, "a connection without limits");
        }
        Self { stream, requests: Requests::default(), idle: None }
    }

    pub(crate) fn requests(&self) -> Requests {
        self.requests.clone()
    }

    fn is_given_up(&mut self, cx: &mut Context<'_>) -> bool {
        let Counted { under_way, ended } = &*self.requests.0;
        if under_way.get() > 0 {
            self.idle = None;
            return false;
        }
        let idle = self.idle.get_or_insert_with(|| Box::pin(sleep(IDLE_FOR)));
        while idle.as_mut().poll(cx).is_ready() {
            // A request that is answered at once is never seen to be under way from here.
            match ended.get().map(|ended| ended + IDLE_FOR) {
                Some(end) if end > Instant::now() => idle.as_mut().reset(end),
                _ => return true,
            }
        }
        false
    }
}

fn set_limits(socket: impl AsFd) -> rustix::io::Result<()> {
    sockopt::set_tcp_nodelay(&socket, true)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    sockopt::set_tcp_keepidle(&socket, SILENT_FOR)?;
    sockopt::set_tcp_keepintvl(&socket, SILENT_FOR)?;
    // Bounds how long keepalives may go unanswered, too.
    sockopt::set_tcp_user_timeout(&socket, TAKES_NOTHING_FOR.as_millis().try_into().unwrap_or(u32::MAX))
}

impl Requests {
    /// One more, until what is returned is dropped.
    pub(crate) fn begin(&self) -> UnderWay {
        self.0.under_way.set(self.0.under_way.get() + 1);
        UnderWay(self.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Self(Requests(counted)) = self;
        counted.under_way.set(counted.under_way.get().saturating_sub(1));
        counted.ended.set(Some(Instant::now()));
    }
}

impl AsyncRead for ClientConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_given_up(cx) {
            // Nothing read is the end of what the client says.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ClientConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;
    use tokio::time::{advance, pause};

    use super::*;

    async fn connect() -> (TcpStream, ClientConnection) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        (client.unwrap(), ClientConnection::new(accepted.unwrap().0))
    }

    #[tokio::test]
    async fn the_kernel_knows_the_limits() {
        let (_client, connection) = connect().await;
        assert!(sockopt::socket_keepalive(&connection.stream).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&connection.stream).unwrap(), SILENT_FOR);
        assert_eq!(sockopt::tcp_user_timeout(&connection.stream).unwrap(), 30_000);
    }

    #[tokio::test]
    async fn a_connection_without_a_request_ends() {
        let (_client, mut connection) = connect().await;
        pause();
        let started = tokio::time::Instant::now();
        assert_eq!(connection.read(&mut [0; 8]).await.unwrap(), 0);
        assert!(started.elapsed() >= IDLE_FOR);
    }

    /// Whether a read ends at once: nobody has sent anything.
    async fn poll(connection: &mut ClientConnection) -> bool {
        std::future::poll_fn(|cx| {
            Poll::Ready(Pin::new(&mut *connection).poll_read(cx, &mut ReadBuf::new(&mut [0; 8])).is_ready())
        })
        .await
    }

    #[tokio::test]
    async fn requests_that_are_answered_at_once_keep_it() {
        let (_client, mut connection) = connect().await;
        pause();
        for _ in 0..30 {
            assert!(!poll(&mut connection).await);
            drop(connection.requests().begin());
            advance(IDLE_FOR / 10).await;
        }
        advance(IDLE_FOR * 8 / 10).await;
        assert!(!poll(&mut connection).await, "the time begins with the last one's end");
        advance(IDLE_FOR * 2 / 10).await;
        assert!(poll(&mut connection).await);
    }

    #[tokio::test]
    async fn a_request_may_take_its_time() {
        let (_client, mut connection) = connect().await;
        pause();
        assert!(!poll(&mut connection).await);
        let request = connection.requests().begin();
        advance(IDLE_FOR * 10).await;
        assert!(!poll(&mut connection).await, "it is under way");
        drop(request);
        assert!(!poll(&mut connection).await, "the time begins anew");
        advance(IDLE_FOR * 2).await;
        assert!(poll(&mut connection).await);
    }
}
