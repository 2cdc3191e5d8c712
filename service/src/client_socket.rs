//! Noticing that a client has gone without a word, or takes nothing of its answer.

use std::any::Any;
use std::os::fd::AsFd;
use std::time::Duration;

use actix_web::dev::Extensions;
use rustix::io;
use rustix::net::sockopt;
use tokio::net::TcpStream;

/// For how long bytes may lie unread or unacknowledged before the connection ends.
const TAKES_NOTHING_FOR: Duration = Duration::from_secs(30);

/// After this silence the kernel asks the client's whether it is there, and again as often.
const SILENT_FOR: Duration = Duration::from_secs(10);

/// Tells the kernel, for each connection that is accepted.
pub(crate) fn watch(connection: &dyn Any, _: &mut Extensions) {
    if let Some(Err(error)) = connection.downcast_ref::<TcpStream>().map(set_limits) {
        tracing::debug!(%error, "a connection without limits");
    }
}

fn set_limits(socket: impl AsFd) -> io::Result<()> {
    sockopt::set_socket_keepalive(&socket, true)?;
    sockopt::set_tcp_keepidle(&socket, SILENT_FOR)?;
    sockopt::set_tcp_keepintvl(&socket, SILENT_FOR)?;
    // Linux: bounds the answers to keepalives, too.
    sockopt::set_tcp_user_timeout(&socket, TAKES_NOTHING_FOR.as_millis().try_into().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_has_limits() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (_client, accepted) = tokio::join!(client, listener.accept());
        let (connection, _) = accepted.unwrap();
        watch(&connection, &mut Extensions::new());
        assert!(sockopt::socket_keepalive(&connection).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&connection).unwrap(), SILENT_FOR);
        assert_eq!(sockopt::tcp_user_timeout(&connection).unwrap(), 30_000);
    }
}
