use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use actix_web::HttpServer;
use actix_web::dev::ServerHandle;
use serde_json::Value;
use service::{Router, Shutdown};

use super::fake_orders::FakeOrders;
use crate::http::routes;

/// The routes on a real socket.
pub(super) struct TestApp {
    pub(super) orders: Arc<FakeOrders>,
    pub(super) shutdown: Shutdown,
    address: SocketAddr,
    client: reqwest::Client,
    server: ServerHandle,
}

/// What a client sees.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) body: Value,
}

impl TestApp {
    pub(super) fn start() -> Self {
        let orders = Arc::new(FakeOrders::default());
        let shutdown = Shutdown::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (shared, data) = (orders.clone(), shutdown.clone());
        let server = HttpServer::new(move || {
            let router = Router::new(shared.clone(), "this-instance");
            let (routes, data) = (routes(shared.clone(), router), data.clone());
            service::app(move |config| routes(config.app_data(data)))
        })
        .workers(1)
        .disable_signals()
        .h1_allow_half_closed(false)
        .listen(listener)
        .unwrap()
        .run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { orders, shutdown, address, client: service::http_client().build().unwrap(), server: handle }
    }

    pub(super) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = self.client.get(format!("http://{}{path}", self.address));
        answer(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }

    pub(super) async fn post(&self, body: impl AsRef<[u8]>, headers: &[(&str, &str)]) -> Answer {
        self.post_to("/v1/orders", body, headers).await
    }

    pub(super) async fn post_to(
        &self,
        path: &str,
        body: impl AsRef<[u8]>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let request = self.client.post(format!("http://{}{path}", self.address));
        let request = request.header("content-type", "application/json").body(body.as_ref().to_owned());
        answer(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }

    pub(super) fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).unwrap()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        // The message is sent at once; only its answer would have to be awaited.
        drop(self.server.stop(false));
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
    Answer { status, headers, body }
}
