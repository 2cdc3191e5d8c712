//! The HTTP/1 server: actix-web's, put together here because the connections are ours.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol};
use actix_server::Server;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::web::ServiceConfig;
use tokio::net::TcpStream;

use crate::app;
use crate::client_connection::ClientConnection;

/// How long a client may take for its first head, and pause between requests.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long an early answer may take to reach a client that is still sending.
const DISCONNECT_WITHIN: Duration = Duration::from_secs(1);

/// More would only cost memory: handlers do not compute.
const MAX_THREADS: usize = 4;

/// Serves `routes` on `listener`, on so many connections at most; what comes beyond waits to be accepted. When it is
/// stopped, requests in flight have `answer_within` to be answered.
pub(crate) fn http_server(
    listener: TcpListener,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    connections: usize,
    answer_within: Duration,
) -> io::Result<Server> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let builder = Server::build()
        .workers(threads)
        .max_concurrent_connections(connections.div_ceil(threads))
        .disable_signals()
        .shutdown_timeout(answer_within.as_secs());
    let stopping = builder.graceful_shutdown_signal();
    let server = builder.listen("http", listener, move || {
        let stopping = stopping.clone();
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(PATIENCE)
            .client_request_timeout(PATIENCE)
            .client_disconnect_timeout(DISCONNECT_WITHIN)
            // So that a request ends with its connection, and with it the wait.
            .h1_allow_half_closed(false)
            .on_connect_ext(|connection: &ClientConnection, data| drop(data.insert(connection.requests())))
            .finish(map_config(app(routes.clone()).into_factory(), |()| AppConfig::default()));
        fn_service(|stream: TcpStream| async {
            let peer = stream.peer_addr().ok();
            Ok::<_, DispatchError>((ClientConnection::new(stream), Protocol::Http1, peer))
        })
        .and_then(http)
    })?;
    Ok(server.run())
}
