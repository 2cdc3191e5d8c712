//! What is no HTTP is answered in full, too, and is not our error.

use std::sync::Mutex;

use actix_web::Responder;
use actix_web::web::{self, ServiceConfig};
use service::JsonBody;
use tracing::field::Visit;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::raw::Client;
use crate::support::TestApp;

/// What was logged as an error.
static ERRORS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Errors;

impl<S: Subscriber> Layer<S> for Errors {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::ERROR {
            let mut line = Line(event.metadata().target().to_owned());
            event.record(&mut line);
            ERRORS.lock().unwrap().push(line.0);
        }
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!(" {field}={value:?}");
    }
}

fn routes(config: &mut ServiceConfig) {
    config.service(web::resource("/things").route(web::get().to(get)).route(web::put().to(put)));
}

async fn get() -> impl Responder {
    "things"
}

async fn put(JsonBody(bytes): JsonBody) -> impl Responder {
    bytes.len().to_string()
}

/// One answer, which is a problem, and the end.
async fn check(app: &TestApp, request: &[u8], status: u16, detail: &str) {
    let mut client = Client::connect(app.address);
    client.write(request).await;
    let shown = String::from_utf8_lossy(&request[..request.len().min(200)]);
    let answer = client.answer(false).await.unwrap_or_else(|| panic!("no answer to {shown}"));
    let problem = answer.problem();
    assert_eq!(answer.status(), status, "{shown}: {problem}");
    assert!(problem["detail"].as_str().unwrap().contains(detail), "{shown}: {problem}");
    assert_eq!(answer.header("connection"), Some("close"), "{shown}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{shown}");
    assert!(client.has_ended().await, "{shown}");
}

#[tokio::test]
async fn what_is_no_request_is_answered_with_a_problem() {
    tracing_subscriber::registry().with(Errors).try_init().unwrap();
    tracing::error!("it is seen");
    assert_eq!(ERRORS.lock().unwrap().drain(..).count(), 1, "else the test could not fail");
    let app = TestApp::start(routes);
    let malformed = "the head is malformed";
    for (request, status, detail) in [
        ("\x16\x03\x01\x02\x00\x01\x00\x01", 400, malformed),
        ("hello\r\n\r\n", 400, malformed),
        ("GET\r\n\r\n", 400, malformed),
        ("GET /a b HTTP/1.1\r\nhost: x\r\n\r\n", 400, "HTTP/1.1 or HTTP/1.0"),
        ("GET /things HTTP/2.0\r\nhost: x\r\n\r\n", 400, "HTTP/1.1 or HTTP/1.0"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "HTTP/1.1 or HTTP/1.0"),
        ("G(T /things HTTP/1.1\r\nhost: x\r\n\r\n", 400, malformed),
        ("GET /täng HTTP/1.1\r\nhost: x\r\n\r\n", 400, "percent-encoded"),
        ("GET /things HTTP/1.1\r\n\r\n", 400, "Host"),
        ("GET /things HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", 400, "Host"),
        ("GET /things HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n", 400, malformed),
        ("GET /things HTTP/1.1\r\nhost: x\r\n folded\r\n\r\n", 400, malformed),
        ("PUT /things HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400, "Content-Length"),
        (
            "PUT /things HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            400,
            "Content-Length",
        ),
        ("PUT /things HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n", 400, "Transfer-Encoding"),
    ] {
        check(&app, request.as_bytes(), status, detail).await;
    }
    let headers = |count: usize, length: usize| {
        let header = format!("x: {}\r\n", "y".repeat(length));
        format!("GET /things HTTP/1.1\r\nhost: x\r\n{}\r\n", header.repeat(count))
    };
    check(&app, headers(1000, 1).as_bytes(), 431, "96 headers").await;
    check(&app, headers(90, 1600).as_bytes(), 431, "128 KiB").await;
    check(&app, b"GET /t\xffngs HTTP/1.1\r\nhost: x\r\n\r\n", 400, "malformed").await;
    let put = "PUT /things HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    for chunks in ["x\r\n", "-1\r\n", "1\r\n12\r\n", "10000000000000000\r\n"] {
        check(&app, format!("{put}{chunks}").as_bytes(), 400, "the body is not well framed").await;
    }
    // The client goes in the middle, in one way or another.
    for request in ["GET /th", "GET /things HTTP/1.1\r\nhost: x", &format!("{put}1\r\n[\r\n")] {
        drop(app.open(request));
        let half = app.open(request);
        half.shutdown(std::net::Shutdown::Write).unwrap();
        let mut client = Client::from(half);
        while client.answer(false).await.is_some() {}
    }
    assert_eq!(*ERRORS.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_no_request_does_not_harm_the_one_before() {
    let app = TestApp::start(routes);
    for (method, body) in [("GET", "things"), ("HEAD", "")] {
        let mut client = Client::connect(app.address);
        client.write(format!("{method} /things HTTP/1.1\r\nhost: x\r\n\r\n@\r\n\r\n")).await;
        let answer = client.answer(method == "HEAD").await.unwrap();
        assert_eq!((answer.status(), &*answer.body, answer.header("content-length")), (200, body, Some("6")));
        assert_eq!(client.answer(false).await.unwrap().problem()["status"], 400);
        assert!(client.has_ended().await);
    }
}
