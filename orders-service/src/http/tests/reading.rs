use std::io::Write as _;

use super::test_app::TestApp;
use super::{created, decided};

type Headers = &'static [(&'static str, &'static str)];

const ANY: Headers = &[];
const VERSION_1: Headers = &[("if-none-match", r#""1.1""#)];
const VERSION_2: Headers = &[("if-none-match", r#"W/"1.2""#)];

#[tokio::test]
async fn what_is_there_is_shown_at_once() {
    let app = TestApp::start();
    app.orders.put(created("new"));
    app.orders.put(decided("old"));
    for (path, headers, expected) in [
        ("/v1/orders/new", ANY, 200),
        ("/v1/orders/new", VERSION_1, 304),
        ("/v1/orders/new", VERSION_2, 200),
        ("/v1/orders/new?timeout=60000", ANY, 200),
        ("/v1/orders/new?timeout=60000", VERSION_2, 200),
        ("/v1/orders/new?timeout=0", VERSION_1, 304),
        ("/v1/orders/new?timeout=1", VERSION_1, 304),
        ("/v1/orders/none", ANY, 404),
        ("/v1/orders/none?timeout=0", ANY, 504),
        ("/v1/orders/none?timeout=1", VERSION_1, 504),
        ("/v1/orders/old/validated", ANY, 200),
        ("/v1/orders/old/validated?timeout=0", ANY, 200),
        ("/v1/orders/new/validated?timeout=0", ANY, 504),
        ("/v1/orders/none/validated?timeout=1", ANY, 504),
        ("/v1/orders/a%20b", ANY, 422),
        ("/v1/orders/new?timeout=300001", ANY, 422),
        ("/v1/orders/new/validated?timeout=-1", ANY, 422),
        ("/v1/orders/new/failed", ANY, 404),
    ] {
        let answer = app.get(path, headers).await;
        assert_eq!(answer.status, expected, "{path} {headers:?}");
        let is_order = matches!(expected, 200 | 304);
        assert_eq!(!answer.header("etag").is_empty(), is_order, "{path} {headers:?}");
        assert_eq!(answer.body.is_null(), expected == 304, "{path} {headers:?}");
    }
}

/// Asks for `path`, does something once the request waits, and gives the status and the order's version.
async fn version_after(app: &TestApp, path: &str, headers: Headers, event: impl FnOnce()) -> (u16, u64) {
    let happen = async {
        app.orders.watched_by(1).await;
        event();
    };
    let (answer, ()) = tokio::join!(app.get(path, headers), happen);
    (answer.status, answer.body["version"].as_u64().unwrap_or_default())
}

#[tokio::test]
async fn what_is_not_there_is_waited_for() {
    let app = TestApp::start();
    let orders = &app.orders;
    let id = "o-1".parse().unwrap();
    let there = version_after(&app, "/v1/orders/o-1?timeout=60000", ANY, || orders.put(created("o-1"))).await;
    assert_eq!(there, (200, 1));
    let changed = version_after(&app, "/v1/orders/o-1?timeout=60000", VERSION_1, || orders.decide(&id)).await;
    assert_eq!(changed, (200, 2));
    orders.put(created("o-2"));
    let id = "o-2".parse().unwrap();
    let decided = version_after(&app, "/v1/orders/o-2/validated", ANY, || orders.decide(&id)).await;
    assert_eq!(decided, (200, 2));
}

#[tokio::test]
async fn a_change_of_another_order_ends_no_wait() {
    let app = TestApp::start();
    let both = async {
        app.orders.watched_by(1).await;
        app.orders.put(created("other"));
        app.orders.watched_by(1).await;
        app.orders.put(created("o-1"));
    };
    let (answer, ()) = tokio::join!(app.get("/v1/orders/o-1?timeout=60000", ANY), both);
    assert_eq!((answer.status, &answer.body["id"]), (200, &"o-1".into()));
}

#[tokio::test]
async fn a_shutdown_ends_the_waits_when_nobody_takes_over() {
    for (path, headers) in [
        ("/v1/orders/none?timeout=60000", ANY),
        ("/v1/orders/o-1/validated?timeout=60000", ANY),
        ("/v1/orders/o-1?timeout=60000", VERSION_1),
    ] {
        let app = TestApp::start();
        app.orders.put(created("o-1"));
        let stop = || {
            app.shutdown.request();
            app.orders.serve(false);
        };
        let answer = version_after(&app, path, headers, stop).await;
        assert_eq!(answer.0, 503, "{path}");
    }
}

#[tokio::test]
async fn when_the_partition_moves_who_has_time_waits() {
    let app = TestApp::start();
    let moves = async {
        app.orders.watched_by(1).await;
        app.orders.serve(false);
        app.orders.missed_by(1).await;
        app.orders.put(created("o-1"));
        app.orders.serve(true);
    };
    let (answer, ()) = tokio::join!(app.get("/v1/orders/o-1?timeout=60000", ANY), moves);
    assert_eq!((answer.status, &answer.body["id"]), (200, &"o-1".into()));

    app.orders.serve(false);
    for path in ["/v1/orders/o-1", "/v1/orders/o-1?timeout=1", "/v1/orders/o-1/validated?timeout=0"] {
        let answer = app.get(path, ANY).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{path}");
    }
}

#[tokio::test]
async fn what_was_forwarded_and_is_not_for_here_is_sent_back_at_once() {
    let app = TestApp::start();
    app.orders.serve(false);
    let answer = app.get("/v1/orders/o-1?timeout=60000", &[("order-pipeline-forwarded-by", "b")]).await;
    assert_eq!((answer.status, answer.header("order-pipeline-not-mine")), (503, "true"));
    assert_eq!(answer.header("order-pipeline-answered-by"), "this-instance");
}

#[tokio::test]
async fn a_waiter_leaves_when_its_client_goes() {
    let app = TestApp::start();
    let connections: Vec<_> = ["/v1/orders/o-1?timeout=300000", "/v1/orders/o-1/validated?timeout=300000"]
        .map(|path| {
            let mut connection = app.connect();
            write!(connection, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            connection
        })
        .into();
    app.orders.watched_by(2).await;
    drop(connections);
    app.orders.watched_by(0).await;
}
