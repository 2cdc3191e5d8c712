//! Calls that go on to other instances, between real servers.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

#[expect(dead_code, reason = "other tests need more of it")]
mod support;

use std::collections::VecDeque;
use std::future::pending;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Bytes, Data, Query};
use actix_web::{HttpRequest, HttpResponse, HttpServer};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use service::{Call, Directory, JsonBody, MAX_BODY_SIZE, Peer, Problem, Router, Shutdown, Whereabouts};
use support::{MAX_REQUESTS, TestApp};
use tokio::sync::watch;

/// What is known of the one partition, and what will be told when it is asked for.
struct FakeDirectory {
    known: watch::Sender<Whereabouts>,
    told: Mutex<VecDeque<Whereabouts>>,
    questions: AtomicUsize,
}

impl FakeDirectory {
    fn of(known: Whereabouts, told: Vec<Whereabouts>) -> Arc<Self> {
        let (known, questions) = (watch::Sender::new(known), AtomicUsize::new(0));
        Arc::new(Self { known, told: Mutex::new(told.into()), questions })
    }
}

impl Directory for FakeDirectory {
    fn locate(&self, _: i32) -> Whereabouts {
        self.known.borrow().clone()
    }

    fn changed(&self) -> BoxFuture<'static, ()> {
        let mut known = self.known.subscribe();
        async move { drop(known.changed().await) }.boxed()
    }

    fn refresh(&self) -> BoxFuture<'static, ()> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        if let Some(told) = self.told.lock().unwrap().pop_front() {
            self.known.send_replace(told);
        }
        async {}.boxed()
    }
}

/// What an instance does with a call that is for it.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    Answer,
    LosesIt,
    Hang,
}

/// One of several instances of a service.
struct Instance {
    peer: Peer,
    shutdown: Shutdown,
    carried_out: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    server: ServerHandle,
}

struct Service {
    directory: Arc<FakeDirectory>,
    router: Router,
    does: Does,
    carried_out: Arc<AtomicUsize>,
}

impl Instance {
    fn start(name: &str, directory: Arc<FakeDirectory>, does: Does) -> Self {
        let shutdown = Shutdown::with_grace(Duration::from_millis(1));
        let (carried_out, connections) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let router = Router::new(directory.clone(), name);
        let service = Data::new(Service { directory, router, does, carried_out: carried_out.clone() });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (stop, count) = (shutdown.clone(), connections.clone());
        let server = HttpServer::new(move || {
            let (service, stop) = (service.clone(), stop.clone());
            service::app(move |config| {
                service.router.register(config);
                config.app_data(stop).app_data(service.clone()).route("/echo", web::to(echo));
            })
        })
        .on_connect(move |_, _| _ = count.fetch_add(1, Ordering::Relaxed))
        .workers(1)
        .disable_signals()
        .h1_allow_half_closed(false)
        .listen(listener)
        .unwrap()
        .run();
        let handle = server.handle();
        tokio::spawn(server);
        let peer = Peer { instance: name.to_owned(), url };
        Self { peer, shutdown, carried_out, connections, server: handle }
    }

    /// One that has the key.
    fn owner(name: &str, does: Does) -> Self {
        Self::start(name, FakeDirectory::of(Whereabouts::Here, vec![]), does)
    }

    /// One that knows where the key is, and is told more whenever it asks.
    fn elsewhere(known: Whereabouts, told: Vec<Whereabouts>) -> (Self, Arc<FakeDirectory>) {
        let directory = FakeDirectory::of(known, told);
        (Self::start("a", directory.clone(), Does::Answer), directory)
    }

    fn is_at(&self) -> Whereabouts {
        Whereabouts::At(self.peer.clone())
    }

    fn url(&self, query: &str) -> String {
        format!("{}echo{query}", self.peer.url)
    }

    async fn ask(&self, patience: Duration) -> (u16, Value) {
        let url = self.url(&format!("?patience={}", patience.as_millis()));
        let response = client().get(url).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    fn carried_out(&self) -> usize {
        self.carried_out.load(Ordering::Relaxed)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

#[derive(serde::Deserialize)]
struct Echo {
    #[serde(default)]
    patience: u64,
    #[serde(default)]
    missing: bool,
}

async fn echo(
    request: HttpRequest,
    body: Bytes,
    call: Call,
    query: Query<Echo>,
    service: Data<Service>,
) -> Result<HttpResponse, Problem> {
    let patience = Duration::from_millis(query.patience);
    let call = call.with_body(body.clone());
    let here = async |progress: Option<String>| {
        service.carried_out.fetch_add(1, Ordering::Relaxed);
        match service.does {
            Does::LosesIt => {
                service.directory.known.send_replace(Whereabouts::Nowhere);
                return Err(Problem::not_mine("it has gone", Some("0.7".to_owned())));
            }
            Does::Hang => pending().await,
            Does::Answer if query.missing => return Err(Problem::not_found("no such thing")),
            Does::Answer => {}
        }
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
        let names =
            ["content-type", "if-none-match", "idempotency-key", "prefer", "traceparent", "x-request-id"];
        // The answer to HEAD is that to GET.
        let method = request.method().as_str().replace("HEAD", "GET");
        let echo = json!({
            "method": method, "path": request.uri().to_string(), "progress": progress,
            "headers": names.map(header), "body": String::from_utf8_lossy(&body),
        });
        Ok(HttpResponse::Accepted()
            .insert_header(("etag", "\"1.1\""))
            .insert_header(("x-more", "1"))
            .json(echo))
    };
    service.router.answer(&call, 0, patience, here).await
}

/// One for all tests: to make one takes half a second of a busy machine. Each test has a runtime of its own, and takes
/// its connections with it.
fn client() -> &'static reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> =
        LazyLock::new(|| service::http_client().pool_max_idle_per_host(0).build().unwrap());
    &CLIENT
}

const NOW: Duration = Duration::ZERO;
const MINUTE: Duration = Duration::from_secs(60);

/// Status, all headers but the date, and body.
async fn whole(request: reqwest::RequestBuilder) -> (u16, Vec<(String, String)>, String) {
    let response = request.send().await.unwrap();
    let text =
        |(name, value): (_, &reqwest::header::HeaderValue)| (format!("{name:?}"), format!("{value:?}"));
    let mut headers: Vec<_> =
        response.headers().iter().filter(|(name, _)| *name != "date").map(text).collect();
    headers.sort();
    (response.status().as_u16(), headers, response.text().await.unwrap())
}

#[tokio::test]
async fn a_call_and_its_answer_go_as_they_are_over_one_connection() {
    let b = Instance::owner("b", Does::Answer);
    let (a, directory) = Instance::elsewhere(b.is_at(), vec![]);
    let client = service::http_client().build().unwrap();
    for (method, query, body) in [
        ("POST", "?x=%20y&z", "{\"id\": \"ü\"}"),
        ("PUT", "", "x".repeat(200_000).as_str()),
        ("GET", "?patience=60000", ""),
        ("HEAD", "", ""),
        ("GET", "?missing=true", ""),
        ("DELETE", "?missing=true", ""),
    ] {
        let request = |instance: &Instance| {
            client
                .request(method.parse().unwrap(), instance.url(query))
                .header("content-type", "application/json")
                .header("if-none-match", "\"1.0\"")
                .header("idempotency-key", "k")
                .header("prefer", "wait=5")
                .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
                .header("x-request-id", "r-1")
                .body(body.to_owned())
        };
        // What it looks like where it is answered.
        let expected = whole(request(&b)).await;
        assert_eq!(whole(request(&a)).await, expected, "{method} {query}");
    }
    assert_eq!((a.carried_out(), b.carried_out()), (0, 12));
    assert_eq!(b.connections.load(Ordering::Relaxed), 2, "one is the test's own");
    assert_eq!(directory.questions.load(Ordering::Relaxed), 0, "what is known is used");
}

#[tokio::test]
async fn nothing_is_forwarded_twice() {
    let c = Instance::owner("c", Does::Answer);
    let (b, of_b) = Instance::elsewhere(Whereabouts::Nowhere, vec![]);
    let (a, of_a) = Instance::elsewhere(c.is_at(), vec![]);
    of_b.known.send_replace(a.is_at());
    // The first forward may take longer than a call without time has.
    check("an owner", a.ask(MINUTE).await, None);
    of_a.known.send_replace(b.is_at());
    let (status, problem) = a.ask(NOW).await;
    assert_eq!((status, &problem["instance"]), (503, &json!("/echo")), "{problem}");
    let questions = [&of_a, &of_b].map(|directory| directory.questions.load(Ordering::Relaxed));
    assert_eq!(questions, [1, 1], "each made sure, once");
}

/// The first one knows of a place where nobody can answer, asks, and is told that the key is at an instance that can.
#[track_caller]
fn check(name: &str, asked: (u16, Value), progress: Option<&str>) {
    let (status, echo) = asked;
    assert_eq!((status, &echo["progress"]), (202, &json!(progress)), "{name}: {echo}");
}

#[tokio::test]
async fn a_place_that_turns_out_wrong_is_looked_for_once_more() {
    let b = Instance::owner("b", Does::Answer);
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let at = |instance: &str, url: String| {
        Whereabouts::At(Peer { instance: instance.to_owned(), url: url.parse().unwrap() })
    };

    let (a, _) = Instance::elsewhere(at("dead", format!("http://{gone}")), vec![b.is_at()]);
    check("nobody listens", a.ask(MINUTE).await, None);

    let somebody_else = at("former", b.peer.url.to_string());
    let (a, _) = Instance::elsewhere(somebody_else, vec![b.is_at()]);
    check("another one listens", a.ask(MINUTE).await, None);
    assert_eq!(b.carried_out(), 3, "that one has answered too");

    let loses = Instance::owner("c", Does::LosesIt);
    let (a, _) = Instance::elsewhere(loses.is_at(), vec![Whereabouts::Nowhere, b.is_at()]);
    check("it loses the key meanwhile", a.ask(MINUTE).await, Some("0.7"));

    let dies = TcpListener::bind("127.0.0.1:0").unwrap();
    let (a, _) =
        Instance::elsewhere(at("d", format!("http://{}", dies.local_addr().unwrap())), vec![b.is_at()]);
    let dying = std::thread::spawn(move || dies.accept().unwrap().0.read(&mut [0; 16]).unwrap());
    check("it dies meanwhile", a.ask(MINUTE).await, None);
    assert!(dying.join().unwrap() > 0);

    let hangs = Instance::owner("e", Does::Hang);
    let (a, of_a) = Instance::elsewhere(hangs.is_at(), vec![]);
    let moves = async {
        while hangs.carried_out() == 0 {
            tokio::task::yield_now().await;
        }
        of_a.known.send_replace(b.is_at());
    };
    let (answer, ()) = tokio::join!(a.ask(MINUTE), moves);
    check("it hangs while the key goes elsewhere", answer, None);
}

#[tokio::test]
async fn who_has_time_waits_for_an_owner() {
    let b = Instance::owner("b", Does::Answer);
    for nowhere in [Whereabouts::Nowhere, Whereabouts::Deserted, Whereabouts::HereNotReady] {
        let (a, of_a) = Instance::elsewhere(nowhere, vec![]);
        let (status, problem) = a.ask(NOW).await;
        assert_eq!(
            (status, &problem["detail"]),
            (503, &json!("no instance answers for this key at the moment"))
        );
        let comes = async {
            while of_a.known.receiver_count() == 0 {
                tokio::task::yield_now().await;
            }
            of_a.known.send_replace(b.is_at());
        };
        let (answer, ()) = tokio::join!(a.ask(MINUTE), comes);
        check("an owner comes", answer, None);
    }
}

#[tokio::test]
async fn a_stop_ends_what_is_forwarded() {
    let hangs = Instance::owner("b", Does::Hang);
    let (a, _) = Instance::elsewhere(hangs.is_at(), vec![]);
    let stop = async {
        while hangs.carried_out() == 0 {
            tokio::task::yield_now().await;
        }
        a.shutdown.request();
    };
    let ((status, _), ()) = tokio::join!(a.ask(MINUTE), stop);
    assert_eq!(status, 503);
}

/// A whole process that has the key, and holds what is asked of it.
fn whole_owner(name: &str, held: Arc<AtomicUsize>) -> (TestApp, Whereabouts) {
    let router = Router::new(FakeDirectory::of(Whereabouts::Here, vec![]), name);
    let app = TestApp::start(move |config| {
        router.register(config);
        let held = held.clone();
        let hold = move || {
            held.fetch_add(1, Ordering::Relaxed);
            pending::<HttpResponse>()
        };
        let put = web::put().to(async |_: JsonBody| HttpResponse::Ok().finish());
        config.route("/hold", web::get().to(hold)).service(web::resource("/echo").route(put));
    });
    let peer = Peer { instance: name.to_owned(), url: app.url("/").parse().unwrap() };
    (app, Whereabouts::At(peer))
}

#[tokio::test]
async fn who_has_too_much_to_do_is_not_asked_again() {
    let held = Arc::new(AtomicUsize::new(0));
    let (owner, at_owner) = whole_owner("b", held.clone());
    let (a, of_a) = Instance::elsewhere(at_owner, vec![]);
    let most = usize::try_from(MAX_REQUESTS).unwrap();
    let held_requests: Vec<_> =
        (0..most).map(|_| owner.open("GET /hold HTTP/1.1\r\nhost: x\r\n\r\n")).collect();
    let full = async {
        while held.load(Ordering::Relaxed) < most {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(MINUTE, full).await.expect("the owner should have as much to do as it takes");

    let refused = whole(client().get(a.url("?patience=10000"))).await;
    let (status, headers, problem) = &refused;
    assert_eq!(*status, 503, "{problem}");
    let own_words = format!("{MAX_REQUESTS} requests are under way");
    assert!(problem.contains(&own_words), "{problem}");
    assert!(headers.contains(&("\"retry-after\"".to_owned(), "\"1\"".to_owned())), "{headers:?}");
    assert_eq!(of_a.questions.load(Ordering::Relaxed), 0, "it is known where the key is");
    drop(held_requests);
}

/// Whatever part of an instance answers: what is forwarded to it must not be taken for wrongly addressed.
#[tokio::test]
async fn every_answer_says_who_gives_it() {
    let (owner, _) = whole_owner("b", Arc::default());
    let json = "application/json";
    for (method, path, content_type, length, expected) in [
        ("PUT", "/echo", json, 2, 200),
        ("PUT", "/echo", json, MAX_BODY_SIZE + 1, 413),
        ("PUT", "/echo", "text/plain", 2, 415),
        ("DELETE", "/echo", json, 2, 405),
        ("GET", "/nothing", json, 0, 404),
        ("GET", "/readyz", json, 0, 503),
    ] {
        let request = client().request(method.parse().unwrap(), owner.url(path));
        let request = request.header("order-pipeline-forwarded-by", "a").header("content-type", content_type);
        let answer = request.body(vec![b' '; length]).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), expected, "{method} {path}");
        assert_eq!(answer.headers()["order-pipeline-answered-by"], "b", "{method} {path}");
    }
}

/// What one instance takes another one takes too, with what is said between them.
#[tokio::test]
async fn the_largest_head_can_be_forwarded() {
    let b = Instance::owner("b", Does::Answer);
    let (a, of_a) = Instance::elsewhere(b.is_at(), vec![]);
    for (headers, length, expected) in
        [(70, 10, 202), (78, 10, 202), (90, 10, 431), (2, 59_000, 202), (2, 61_500, 431)]
    {
        let mut answers = Vec::new();
        for instance in [&a, &b] {
            let request = (0..headers).fold(client().get(instance.url("")), |request, number| {
                request.header(format!("x-{number}"), "v".repeat(length))
            });
            let answer = request.send().await.unwrap();
            answers.push((answer.status().as_u16(), answer.headers()["content-type"].clone()));
        }
        assert_eq!(answers[0], answers[1], "{headers} headers of {length} bytes");
        assert_eq!(answers[0].0, expected, "{headers} headers of {length} bytes");
    }
    assert_eq!(of_a.questions.load(Ordering::Relaxed), 0, "it is known where the key is");
}

#[tokio::test]
async fn what_is_for_the_next_one_on_the_way_is_not_forwarded() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let peer = std::thread::spawn(move || {
        let (mut connection, mut head) = (listener.accept().unwrap().0, Vec::new());
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            connection.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let answer = "HTTP/1.1 200 OK\r\norder-pipeline-answered-by: b\r\nconnection: close, X-Hop\r\nx-hop: 1\r\n\
            keep-alive: timeout=5\r\nproxy-authenticate: Basic\r\nx-more: 1\r\ncontent-length: 2\r\n\r\n{}";
        connection.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(head).unwrap().to_ascii_lowercase()
    });
    let (a, _) = Instance::elsewhere(Whereabouts::At(Peer { instance: "b".to_owned(), url }), vec![]);
    let request = client().get(a.url(""));
    let request = request
        .header("connection", "X-Secret, keep-alive")
        .header("connection", "x-other")
        .header("x-secret", "s")
        .header("x-other", "o")
        .header("proxy-authorization", "Basic c2VjcmV0")
        .header("keep-alive", "timeout=5")
        .header("te", "trailers")
        .header("authorization", "Bearer t");
    let (status, headers, _) = whole(request).await;
    assert_eq!(status, 200);
    let has = |name: &str| headers.iter().any(|(found, _)| found == &format!("{name:?}"));
    assert!(has("x-more"), "{headers:?}");
    for name in ["x-hop", "keep-alive", "proxy-authenticate", "order-pipeline-answered-by"] {
        assert!(!has(name), "{name}: {headers:?}");
    }
    let head = peer.join().unwrap();
    assert!(head.contains("\r\nauthorization: bearer t\r\n"), "{head}");
    for name in ["x-secret", "x-other", "proxy-authorization", "keep-alive", "te"] {
        assert!(!head.contains(&format!("\r\n{name}: ")), "{name}: {head}");
    }
}
