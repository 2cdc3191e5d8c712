//! Each answer belongs to its own request, whatever comes before and behind it on a connection.

use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use service::{JsonBody, Problem};

use crate::raw::{Answer, Client};
use crate::support::TestApp;

fn routes(config: &mut ServiceConfig) {
    config
        .service(web::resource("/fast").route(web::get().to(fast)).route(web::put().to(put)))
        .service(web::resource("/slow").route(web::get().to(slow)).route(web::put().to(put_slowly)))
        .service(web::resource("/late").route(web::get().to(late)))
        .service(web::resource("/nothing").route(web::get().to(nothing)))
        .service(web::resource("/same").route(web::get().to(same)));
}

async fn fast() -> impl Responder {
    "an answer"
}

async fn slow() -> impl Responder {
    tokio::time::sleep(SLOW).await;
    "a slow answer"
}

/// Long enough for all that was sent to be there.
const SLOW: Duration = Duration::from_millis(5);

async fn late() -> Result<HttpResponse, Problem> {
    tokio::time::sleep(SLOW).await;
    Err(Problem::timed_out("it did not come"))
}

async fn nothing() -> impl Responder {
    HttpResponse::NoContent()
}

async fn same() -> impl Responder {
    HttpResponse::NotModified().insert_header(("etag", "\"1\"")).finish()
}

async fn put(JsonBody(bytes): JsonBody) -> impl Responder {
    format!("taken: {}", String::from_utf8_lossy(&bytes))
}

async fn put_slowly(JsonBody(bytes): JsonBody) -> impl Responder {
    tokio::time::sleep(SLOW).await;
    format!("taken: {}", String::from_utf8_lossy(&bytes))
}

/// A request, whether it is HEAD, and whether the connection ends with its answer.
type Asked = (String, bool, bool);

/// All that differs in how it is framed or answered.
fn all() -> Vec<Asked> {
    let simple = |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    let with = |path: &str, version: &str, header: &str| {
        format!("GET {path} HTTP/{version}\r\nhost: x\r\n{header}\r\n\r\n")
    };
    let put = |path: &str| {
        format!(
            "PUT {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n[1, 2, 3]"
        )
    };
    let chunked = |path: &str| {
        format!(
            "PUT {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
             4;x=\"y\"\r\n[1, \r\n5\r\n2, 3]\r\n0\r\n\r\n"
        )
    };
    let open = [
        simple("GET", "/fast"),
        simple("GET", "/slow"),
        simple("GET", "/late"),
        simple("GET", "/nothing"),
        simple("GET", "/same"),
        simple("GET", "/not/there"),
        simple("DELETE", "/fast"),
        put("/fast"),
        put("/slow"),
        chunked("/fast"),
        chunked("/slow"),
        // Bodies that nobody reads.
        put("/not/there"),
        chunked("/not/there"),
        put("/slow").replace("PUT", "GET"),
        with("/fast", "1.0", "connection: keep-alive"),
        with("/slow", "1.0", "connection: keep-alive"),
    ];
    let heads =
        [simple("HEAD", "/fast"), simple("HEAD", "/slow"), simple("HEAD", "/late"), simple("HEAD", "/same")];
    let closing = [
        with("/fast", "1.1", "connection: close"),
        with("/slow", "1.1", "connection: close"),
        with("/late", "1.0", "x: y"),
        with("/fast", "1.1", "connection: upgrade\r\nupgrade: h2c"),
        put("/slow").replace("host", "connection: close\r\nhost"),
    ];
    let closing_head = with("/slow", "1.0", "x: y").replace("GET", "HEAD");
    (open.into_iter().map(|request| (request, false, false)))
        .chain(heads.into_iter().map(|request| (request, true, false)))
        .chain(closing.into_iter().map(|request| (request, false, true)))
        .chain([(closing_head, true, true)])
        .collect()
}

const LAST: &str = "GET /fast HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// The answer to a request that has a connection to itself.
async fn alone(app: &TestApp, (request, is_head, closes): &Asked) -> Answer {
    let mut client = Client::connect(app.address);
    client.write(request).await;
    let answer = client.answer(*is_head).await.unwrap();
    let last = (!closes).then_some(LAST);
    client.write(last.unwrap_or_default()).await;
    if last.is_some() {
        assert_eq!(client.answer(false).await.unwrap().body, "an answer", "after {request}");
    }
    assert!(client.has_ended().await, "after {request}");
    answer
}

#[tokio::test]
async fn each_answer_is_framed_by_its_own_request() {
    let app = TestApp::start(routes);
    for asked @ (request, is_head, closes) in &all() {
        let answer = alone(&app, asked).await;
        let (version, connection) = (&answer.head[..8], answer.header("connection"));
        match (request.contains("HTTP/1.0"), closes) {
            (true, false) => assert_eq!((version, connection), ("HTTP/1.0", Some("keep-alive")), "{request}"),
            (true, true) => assert_eq!((version, connection), ("HTTP/1.0", None), "{request}"),
            (false, true) => assert_eq!((version, connection), ("HTTP/1.1", Some("close")), "{request}"),
            (false, false) => assert_eq!((version, connection), ("HTTP/1.1", None), "{request}"),
        }
        let has_body = !is_head && ![204, 304].contains(&answer.status());
        assert_eq!(!answer.body.is_empty(), has_body, "{request}");
        assert_eq!(answer.status() == 404, request.contains("/not/there"), "{request}");
        assert_eq!(answer.body.contains("[1, 2, 3]"), request.starts_with("PUT") && answer.status() == 200);
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_as_if_each_were_alone() {
    let app = TestApp::start(routes);
    let all = all();
    let mut answers = Vec::new();
    for asked in &all {
        answers.push(alone(&app, asked).await);
    }
    for (first, first_answer) in all.iter().zip(&answers) {
        for (second, second_answer) in all.iter().zip(&answers) {
            let mut client = Client::connect(app.address);
            client.write(format!("{}{}{LAST}", first.0, second.0)).await;
            assert_eq!(client.answer(first.1).await.as_ref(), Some(first_answer), "{first:?} {second:?}");
            if !first.2 {
                assert_eq!(
                    client.answer(second.1).await.as_ref(),
                    Some(second_answer),
                    "{first:?} {second:?}"
                );
            }
            if !first.2 && !second.2 {
                assert_eq!(client.answer(false).await.unwrap().body, "an answer", "{first:?} {second:?}");
            }
            assert!(client.has_ended().await, "{first:?} {second:?}");
        }
    }
}

#[tokio::test]
async fn it_does_not_matter_in_which_pieces_requests_come() {
    let app = TestApp::start(routes);
    // Where a body comes late that nobody reads, the connection ends.
    let is_unread = |request: &str| {
        request.contains("\r\n\r\n[") && request.starts_with("GET") || request.contains("/not/there")
    };
    let open: Vec<_> =
        all().into_iter().filter(|(request, _, closes)| !closes && !is_unread(request)).collect();
    let mut answers = Vec::new();
    for asked in &open {
        answers.push(alone(&app, asked).await);
    }
    let stream: String = open.iter().map(|(request, ..)| request.as_str()).chain([LAST]).collect();
    for size in [1, 7, 100, 1000] {
        let mut client = Client::connect(app.address);
        for piece in stream.as_bytes().chunks(size) {
            client.write(piece).await;
            tokio::task::yield_now().await;
        }
        for ((request, is_head, _), answer) in open.iter().zip(&answers) {
            assert_eq!(client.answer(*is_head).await.as_ref(), Some(answer), "{request} in pieces of {size}");
        }
        assert_eq!(client.answer(false).await.unwrap().body, "an answer");
        assert!(client.has_ended().await);
    }
}

#[tokio::test]
async fn a_body_is_asked_for_only_where_it_is_wanted() {
    let app = TestApp::start(routes);
    let head = |line: &str, content_type: &str, length: usize| {
        format!(
            "{line} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: {content_type}\r\n\
             content-length: {length}\r\n\r\n"
        )
    };
    let json = "application/json";
    let mut client = Client::connect(app.address);
    for (path, expected) in [("/fast", "taken: [1]"), ("/slow", "taken: [2]")] {
        client.write(head(&format!("PUT {path}"), json, 3)).await;
        assert_eq!(client.answer(false).await.unwrap().head, "HTTP/1.1 100 Continue\n");
        client.write(&expected[7..]).await;
        assert_eq!(client.answer(false).await.unwrap().body, expected);
    }
    for (line, content_type, length, expected) in [
        ("PUT /not/there", json, 3, 404),
        ("POST /fast", json, 3, 405),
        ("PUT /fast", json, service::MAX_BODY_SIZE + 1, 413),
        ("PUT /fast", "text/plain", 3, 415),
        ("PUT /fast", "application/json\r\ncontent-encoding: gzip", 3, 415),
    ] {
        let mut client = Client::connect(app.address);
        client.write(head(line, content_type, length)).await;
        let answer = client.answer(false).await.unwrap();
        assert_eq!(answer.problem()["status"], expected, "{line}");
        assert_eq!(answer.header("connection"), Some("close"), "{line}");
        // Whether the client sends it all the same cannot be known, so nothing that comes is taken for a request.
        client.write(LAST).await;
        assert!(client.has_ended().await, "{line}");
    }
}

#[tokio::test]
async fn a_large_answer_and_a_large_body_go_whole() {
    let app = TestApp::start(routes);
    let body = format!("[{}]", "1".repeat(service::MAX_BODY_SIZE - 2));
    let length = body.len();
    let request = format!(
        "PUT /fast HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let mut client = Client::connect(app.address);
    client.write(format!("{request}{request}{LAST}")).await;
    for _ in 0..2 {
        assert_eq!(client.answer(false).await.unwrap().body, format!("taken: {body}"));
    }
    assert_eq!(client.answer(false).await.unwrap().body, "an answer");
    assert!(client.has_ended().await);
}
