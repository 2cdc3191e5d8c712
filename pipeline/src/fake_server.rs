//! An HTTP server that answers as a test says, and remembers what it was asked.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use serde_json::Value;

use crate::client::Client;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// How many came before it.
    pub(crate) number: usize,
    pub(crate) method: String,
    /// The path with its query.
    pub(crate) path: String,
    /// Null without one.
    pub(crate) body: Value,
}

type Answer = dyn Fn(&Call) -> (u16, Value) + Send + Sync;

pub(crate) struct FakeServer {
    address: SocketAddr,
    handle: ServerHandle,
    desk: Arc<Desk>,
}

struct Desk {
    calls: Mutex<Vec<Call>>,
    answer: Box<Answer>,
}

impl FakeServer {
    /// Within a runtime.
    pub(crate) fn start(answer: impl Fn(&Call) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let desk = Arc::new(Desk { calls: Mutex::default(), answer: Box::new(answer) });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Data::from(desk.clone());
        let server =
            HttpServer::new(move || App::new().app_data(shared.clone()).default_service(web::to(serve)))
                .workers(1)
                .disable_signals()
                .listen(listener)
                .unwrap()
                .run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { address, handle, desk }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.address).parse().unwrap()).unwrap()
    }

    /// All requests so far: method, path, body.
    pub(crate) fn calls(&self) -> Vec<(String, String, Value)> {
        let calls = self.desk.calls.lock().unwrap();
        calls.iter().map(|call| (call.method.clone(), call.path.clone(), call.body.clone())).collect()
    }

    pub(crate) async fn stop(self) {
        self.handle.stop(false).await;
    }
}

async fn serve(request: HttpRequest, body: Bytes, desk: Data<Desk>) -> HttpResponse {
    let call = {
        let mut calls = desk.calls.lock().unwrap();
        let call = Call {
            number: calls.len(),
            method: request.method().to_string(),
            path: request.uri().to_string(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        };
        calls.push(call.clone());
        call
    };
    let (status, body) = (desk.answer)(&call);
    HttpResponse::build(StatusCode::from_u16(status).unwrap()).json(body)
}
