//! What HTTP answers while Kafka is being started: that somebody is there, and that it will take a moment.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::KeepAlive;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, HttpServer};
use service::{Problem, app};

/// A server that answers until the services do. Nobody is turned away when one takes over from the other:
/// both accept from one socket, which stays open in between.
pub(crate) struct Lobby {
    server: ServerHandle,
}

/// Long enough for answers that are all at hand.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

impl Lobby {
    /// Within a runtime.
    pub(crate) fn open(listener: &TcpListener) -> io::Result<Self> {
        let server = HttpServer::new(|| app(routes))
            .workers(1)
            .disable_signals()
            // So that no client's next request meets a server that is gone.
            .keep_alive(KeepAlive::Disabled)
            // The services are not to wait for who connects and asks nothing.
            .shutdown_timeout(LEAVE_WITHIN.as_secs())
            .listen(listener.try_clone()?)?
            .run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self { server: handle })
    }

    /// Answers what has been asked, and takes no more.
    pub(crate) async fn close(self) {
        self.server.stop(true).await;
    }
}

fn routes(config: &mut ServiceConfig) {
    config.route("/healthz", web::get().to(alive)).default_service(web::to(unavailable));
}

async fn alive() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(r#"{"status":"alive"}"#)
}

async fn unavailable() -> Result<HttpResponse, Problem> {
    Err(Problem::unavailable("not everything runs").with_reasons(vec!["kafka: starting".to_owned()]))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[tokio::test]
    async fn it_tells_that_kafka_is_starting_and_leaves_the_address_to_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let client = service::http_client().build().unwrap();

        let lobby = Lobby::open(&listener).unwrap();
        assert_eq!(client.get(format!("{base}/healthz")).send().await.unwrap().status(), 200);
        for path in ["/readyz", "/metrics", "/v1/orders/a"] {
            let response = client.get(format!("{base}{path}")).send().await.unwrap();
            assert_eq!(response.status(), 503, "{path}");
            assert_eq!(response.headers()["retry-after"], "1", "{path}");
            let problem: Value = response.json().await.unwrap();
            assert_eq!(problem["reasons"][0], "kafka: starting", "{path}");
        }
        lobby.close().await;

        // In between: the connection is taken, its answer comes from whoever serves next.
        let waiting = tokio::spawn(client.get(format!("{base}/healthz")).send());
        let next = Lobby::open(&listener).unwrap();
        assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
        next.close().await;
    }
}
