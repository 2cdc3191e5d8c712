//! What all services do over HTTP, seen from outside.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod framing;
mod hostile;
mod raw;
#[path = "../support/mod.rs"]
mod support;

use std::future::pending;
use std::io::{Read as _, Write as _};
use std::net::Shutdown as Half;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use raw::Client;
use service::{IdInPath, Interrupted, JsonBody, MAX_BODY_SIZE, Problem, Shutdown, Timeout};
use support::{MAX_REQUESTS, TestApp};
use tokio::sync::Semaphore;

fn routes(config: &mut ServiceConfig) {
    config.service(web::resource("/things/{thingId}").route(web::get().to(thing)).route(web::put().to(put)));
}

async fn thing(
    IdInPath(id): IdInPath<domain::ProductId>,
    Timeout(_): Timeout,
) -> Result<impl Responder, Problem> {
    if id.as_str() == "missing" { Err(Problem::not_found("no such thing")) } else { Ok(id.to_string()) }
}

async fn put(JsonBody(bytes): JsonBody) -> impl Responder {
    bytes.len().to_string()
}

/// The status, and of a problem that it is one and names the path.
async fn status(response: reqwest::Response) -> u16 {
    let status = response.status().as_u16();
    if status >= 400 {
        let path = response.url().path().to_owned();
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let problem: serde_json::Value = response.json().await.unwrap();
        assert_eq!((&problem["status"], &problem["instance"]), (&status.into(), &path.into()), "{problem}");
    }
    status
}

#[tokio::test]
async fn every_error_is_a_problem() {
    let app = TestApp::start(routes);
    for (path, expected) in [
        ("/things/one", 200),
        ("/things/one?timeout=5&other", 200),
        ("/things/missing", 404),
        ("/things/a%20b", 422),
        ("/things/a%2Fb", 422),
        ("/things/%ff", 422),
        ("/things/one?timeout=x", 422),
        ("/things/", 404),
        ("/", 404),
        ("/nothing/here", 404),
    ] {
        assert_eq!(status(app.get(path).await).await, expected, "{path}");
    }
    let deleted = app.client.delete(app.url("/things/one")).send().await.unwrap();
    let allow = deleted.headers()["allow"].to_str().unwrap().to_owned();
    assert_eq!(status(deleted).await, 405);
    assert!(["GET", "HEAD", "PUT"].iter().all(|method| allow.contains(method)), "{allow}");
    let head = app.client.head(app.url("/things/one")).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()), (200, "3"));
}

#[tokio::test]
async fn head_is_answered_where_get_is() {
    let app = TestApp::start(routes);
    for path in [
        "/things/one",
        "/things/missing",
        "/nothing",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/docs",
        "/docs/",
        "/docs/swagger-ui.css",
        "/docs/nothing",
    ] {
        let mut client = Client::connect(app.address);
        client
            .write(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\nHEAD {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await;
        let (get, head) = (client.answer(false).await.unwrap(), client.answer(true).await.unwrap());
        assert_eq!(head.head, get.head, "{path}");
    }
    let metrics = app.client.head(app.url("/metrics")).send().await.unwrap();
    assert_eq!(metrics.status(), 200);
    // It is counted as what it was.
    let page = metrics_page(&app).await;
    let line = r#"http_requests_total{method="HEAD",route="/things/{thingId}",status="200"} 1"#;
    assert!(page.lines().any(|found| found == line), "{page}");
}

async fn metrics_page(app: &TestApp) -> String {
    app.get("/metrics").await.text().await.unwrap()
}

#[tokio::test]
async fn no_cache_gives_an_answer_again_without_asking() {
    let app = TestApp::start(|config| {
        routes(config);
        let tagged = || async { HttpResponse::Ok().insert_header(("etag", "\"1\"")).body("tagged") };
        let kept =
            || async { HttpResponse::Ok().insert_header(("cache-control", "max-age=60")).body("kept") };
        config.route("/tagged", web::get().to(tagged)).route("/kept", web::get().to(kept));
    });
    for (path, expected) in [
        ("/things/one", "no-store"),
        ("/things/missing", "no-store"),
        ("/nothing", "no-store"),
        ("/healthz", "no-store"),
        ("/readyz", "no-store"),
        ("/metrics", "no-store"),
        ("/openapi.json", "no-store"),
        ("/docs", "no-store"),
        ("/tagged", "no-cache"),
        ("/kept", "max-age=60"),
    ] {
        assert_eq!(app.get(path).await.headers()["cache-control"], expected, "{path}");
    }
}

#[tokio::test]
async fn a_refused_body_is_told_what_would_be_taken() {
    let app = TestApp::start(routes);
    for (name, value, accept, accept_encoding) in [
        ("content-type", "text/plain", Some("application/json"), None),
        ("content-encoding", "gzip", None, Some("identity")),
        ("content-encoding", "identity, br", None, Some("identity")),
    ] {
        let request = app.client.put(app.url("/things/one")).body("[]");
        let head = [("content-type", "application/json")].into_iter().filter(|head| head.0 != name);
        let request =
            head.chain([(name, value)]).fold(request, |request, (name, value)| request.header(name, value));
        let response = request.send().await.unwrap();
        let said = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!((said("accept"), said("accept-encoding")), (accept, accept_encoding), "{name}: {value}");
        assert_eq!(status(response).await, 415, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_byte_order_mark_is_no_part_of_a_body() {
    let app = TestApp::start(routes);
    for (body, length) in [("\u{feff}[]", "2"), ("[]\u{feff}", "5"), ("\u{feff}", "0")] {
        let request = app.client.put(app.url("/things/one")).header("content-type", "application/json");
        assert_eq!(request.body(body).send().await.unwrap().text().await.unwrap(), length, "{body:?}");
    }
}

#[tokio::test]
async fn a_body_has_a_type_and_a_limit() {
    let app = TestApp::start(routes);
    for (content_type, length, expected) in [
        ("application/json", 2, 200),
        ("application/json; charset=utf-8", MAX_BODY_SIZE, 200),
        ("application/json", MAX_BODY_SIZE + 1, 413),
        ("text/plain", 2, 415),
    ] {
        let request = app.client.put(app.url("/things/one")).header("content-type", content_type);
        let response = request.body(vec![b' '; length]).send().await.unwrap();
        assert_eq!(status(response).await, expected, "{content_type} {length}");
    }
}

#[tokio::test]
async fn a_body_in_chunks_has_the_same_limit() {
    let app = TestApp::start(routes);
    let head = "PUT /things/one HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("40000\r\n{}\r\n1\r\n \r\n0\r\n\r\n", " ".repeat(0x40000));
    let connection = app.open(&format!("{head}{chunk}"));
    assert!(answer(connection).await.starts_with("HTTP/1.1 413 "));
}

/// What comes back until the server closes the connection, or the first part of it.
async fn answer(mut connection: std::net::TcpStream) -> String {
    let read = tokio::task::spawn_blocking(move || {
        let mut buffer = [0; 4096];
        let length = connection.read(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    });
    read.await.unwrap()
}

#[tokio::test]
async fn without_kafka_the_process_lives_and_says_what_it_lacks() {
    let app = TestApp::start(routes);
    assert_eq!(status(app.get("/healthz").await).await, 200);
    let ready = app.get("/readyz").await;
    assert_eq!((ready.status().as_u16(), ready.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    let problem: serde_json::Value = ready.json().await.unwrap();
    let reasons = problem["reasons"].as_array().unwrap();
    assert!(reasons[0].as_str().unwrap().starts_with("test-service: setup: "), "{problem}");
}

#[tokio::test]
async fn requests_are_counted_by_route() {
    let app = TestApp::start(routes);
    for path in ["/things/one", "/things/two", "/nothing/here"] {
        app.get(path).await;
    }
    let page = app.get("/metrics").await.text().await.unwrap();
    for line in [
        r#"http_requests_total{method="GET",route="/things/{thingId}",status="200"} 2"#,
        r#"http_requests_total{method="GET",route="none",status="404"} 1"#,
        r#"http_request_duration_seconds_count{method="GET",route="/things/{thingId}",status="200"} 2"#,
        r#"streams_ready{application="test-service"} 0"#,
        r#"streams_waiters{application="test-service"} 0"#,
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
}

/// A route whose requests hold a permit for as long as they wait, which is until the shutdown.
fn waiting(waiters: Arc<Semaphore>) -> impl Fn(&mut ServiceConfig) + Send + Sync + 'static {
    move |config| {
        let waiters = waiters.clone();
        config.route("/wait", web::get().to(move |shutdown| wait(waiters.clone(), shutdown)));
    }
}

async fn wait(waiters: Arc<Semaphore>, shutdown: Shutdown) -> HttpResponse {
    let _waiter = waiters.acquire().await.unwrap();
    match shutdown.wait(Duration::from_secs(300), pending::<()>()).await {
        Err(Interrupted::Stopping) => HttpResponse::Ok().body("stopping"),
        other => HttpResponse::Ok().body(format!("{other:?}")),
    }
}

const WAIT: &str = "GET /wait HTTP/1.1\r\nhost: x\r\n\r\n";

/// Enough for all that may wait.
const PERMITS: usize = MAX_REQUESTS as usize;

/// Waits until this many permits are taken.
async fn until_waiting(waiters: &Semaphore, count: usize) {
    let arrived = async {
        while waiters.available_permits() != PERMITS - count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), arrived)
        .await
        .expect("the waiters should have come or gone");
}

#[tokio::test]
async fn a_request_ends_with_its_connection() {
    let waiters = Arc::new(Semaphore::new(PERMITS));
    let app = TestApp::start(waiting(waiters.clone()));
    let connections = [app.open(WAIT), app.open(WAIT), app.open(WAIT)];
    until_waiting(&waiters, 3).await;
    let [closed, half_closed, kept] = connections;
    drop(closed);
    until_waiting(&waiters, 2).await;
    half_closed.shutdown(Half::Write).unwrap();
    until_waiting(&waiters, 1).await;
    drop(kept);
    until_waiting(&waiters, 0).await;
}

#[tokio::test]
async fn a_stop_answers_those_who_wait_and_then_ends() {
    let waiters = Arc::new(Semaphore::new(PERMITS));
    let mut app = TestApp::start(waiting(waiters.clone()));
    let connection = app.open(WAIT);
    until_waiting(&waiters, 1).await;
    app.request_stop();
    let answer = answer(connection).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("stopping"), "{answer}");
    let address = app.address;
    app.ended().await.unwrap();
    std::net::TcpStream::connect(address).expect_err("nobody should listen any more");
}

#[tokio::test]
async fn what_is_too_much_is_refused_at_once() {
    let waiters = Arc::new(Semaphore::new(PERMITS));
    let app = TestApp::start(waiting(waiters.clone()));
    let mut connections: Vec<_> = (0..MAX_REQUESTS).map(|_| app.open(WAIT)).collect();
    until_waiting(&waiters, PERMITS).await;
    let refused = app.get("/wait").await;
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(refused.headers()["connection"], "close", "others want its place");
    assert_eq!(status(refused).await, 503);
    // Whoever watches over the process is let in.
    assert_eq!(status(app.get("/healthz").await).await, 200);
    let page = app.get("/metrics").await.text().await.unwrap();
    assert!(page.contains(&format!("\nhttp_requests_under_way {MAX_REQUESTS}\n")), "{page}");
    drop(connections.pop());
    until_waiting(&waiters, PERMITS - 1).await;
    assert_eq!(status(app.get("/nothing").await).await, 404);
}

/// What comes back until the server closes the connection.
async fn all_of(what: &str, mut connection: std::net::TcpStream) -> String {
    let read = tokio::task::spawn_blocking(move || {
        let mut answer = Vec::new();
        // An abrupt end is an end, too.
        _ = connection.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    });
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, read)
        .await
        .unwrap_or_else(|_| panic!("the server should close {what}"))
        .unwrap()
}

/// Writes on a connection again and again until the server has closed it.
fn drip(connection: &std::net::TcpStream, drop: &'static [u8]) {
    let mut connection = connection.try_clone().unwrap();
    std::thread::spawn(move || {
        while connection.write_all(drop).is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
}

#[tokio::test]
async fn a_request_that_drips_is_given_up() {
    let app = TestApp::start(routes);
    let put = "PUT /things/one HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let (nothing, head, later, body, chunks) = (
        app.open(""),
        app.open("GET /things/one HTTP/1.1\r\nx: "),
        app.open("GET /things/one HTTP/1.1\r\nhost: x\r\n\r\nGET /things/one HTTP/1.1\r\nx: "),
        app.open(&format!("{put}content-length: 1000\r\n\r\n[")),
        app.open(&format!("{put}transfer-encoding: chunked\r\n\r\n")),
    );
    drip(&head, b"x");
    drip(&later, b"x");
    drip(&body, b" ");
    drip(&chunks, b"1\r\n \r\n");
    let (nothing, head, later, body, chunks) = tokio::join!(
        all_of("nothing", nothing),
        all_of("a head", head),
        all_of("a later head", later),
        all_of("a body", body),
        all_of("chunks", chunks),
    );
    assert_eq!(nothing, "", "without a request there is nothing to answer");
    let (first, later) = later.split_at(later.rfind("HTTP/1.1 ").unwrap());
    assert!(first.starts_with("HTTP/1.1 200 "), "the first one was answered: {first}");
    for (answer, late) in [(&*head, "head"), (later, "head"), (&body, "body"), (&chunks, "body")] {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(body.contains(&format!("the {late} did not come")), "{answer}");
    }
    let page = app.get("/metrics").await.text().await.unwrap();
    assert!(page.contains("\nhttp_requests_under_way 0\n"), "{page}");
}

#[tokio::test]
async fn the_page_for_people_loads_nothing_from_elsewhere() {
    let app = TestApp::start(routes);
    // Followed from /docs.
    let page = app.get("/docs").await;
    assert_eq!((page.status().as_u16(), page.url().path()), (200, "/docs/"));
    let page = page.text().await.unwrap();
    let linked: Vec<_> = ["src=\"", "href=\""]
        .iter()
        .flat_map(|attribute| page.split(attribute).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(linked.len() >= 3, "{page}");
    for link in linked {
        assert!(!link.contains("//"), "{link}");
        let path = format!("/docs/{}", link.trim_start_matches("./"));
        assert_eq!(app.get(&path).await.status(), 200, "{path}");
    }
    let settings = app.get("/docs/swagger-initializer.js").await.text().await.unwrap();
    assert!(settings.contains("/openapi.json") && !settings.contains("http"), "{settings}");
    assert_eq!(status(app.get("/docs/nothing").await).await, 404);
}

#[tokio::test]
async fn a_process_documents_what_every_process_serves() {
    let app = TestApp::start(routes);
    let document: serde_json::Value = app.get("/openapi.json").await.json().await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json"] {
        for method in ["get", "head"] {
            assert!(document["paths"][path][method]["responses"]["200"].is_object(), "{method} {path}");
        }
    }
}
