use serde_json::json;

use super::test_app::{Answer, TestApp};

/// An order of [`super::content`].
const ORDER: &str = r#"{"id":"o-1","customerId":"c-1","currency":"EUR","lines":[]}"#;
const WITHOUT_ID: &str = r#"{"customerId":"c-1","currency":"EUR","lines":[]}"#;
const OTHER: &str = r#"{"id":"o-1","customerId":"c-2","currency":"EUR","lines":[]}"#;

#[tokio::test]
async fn a_new_order_is_created_once() {
    let app = TestApp::start();
    let first = app.post(ORDER, &[]).await;
    assert_eq!(
        (first.status, first.header("location"), first.header("etag")),
        (201, "/v1/orders/o-1", r#""1.1""#)
    );
    assert_eq!((&first.body["state"], &first.body["version"]), (&json!("CREATED"), &json!(1)));
    assert_eq!(first.body.get("origin"), None);
    let again = app.post(ORDER, &[]).await;
    assert_eq!((again.status, again.body), (200, first.body));
    let other = app.post(OTHER, &[]).await;
    assert_eq!((other.status, other.header("content-type")), (409, "application/problem+json"));
}

#[tokio::test]
async fn a_path_without_its_version_is_the_same() {
    let app = TestApp::start();
    let first = app.post_to("/orders", ORDER, &[]).await;
    assert_eq!((first.status, first.header("location")), (201, "/v1/orders/o-1"));
    let again = app.post(ORDER, &[]).await;
    assert_eq!((again.status, again.body), (200, first.body));
    assert_eq!(app.post_to("/orders", OTHER, &[]).await.status, 409);
    for path in [
        "/orders/o-1",
        "/orders/o-1?timeout=0",
        "/orders/o-1/validated?timeout=0",
        "/orders/none",
        "/orders/a%20b",
        "/orders/none?timeout=x",
        "/orders",
        "/orders/o-1/nothing",
    ] {
        let (with, without) = (app.get(&format!("/v1{path}"), &[]).await, app.get(path, &[]).await);
        // A problem names the path that was asked for.
        let shown = |answer: &Answer| {
            let mut body = answer.body.clone();
            body.as_object_mut().unwrap().remove("instance");
            let headers = ["content-type", "etag", "allow"].map(|name| answer.header(name).to_owned());
            (answer.status, headers, body)
        };
        assert_eq!(shown(&without), shown(&with), "{path}");
    }
    for path in ["/v1/v1/orders/o-1", "/v1/v1/orders", "/ordersx/o-1"] {
        assert_eq!(app.get(path, &[]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_an_order_is_refused_and_written_nowhere() {
    let app = TestApp::start();
    let long = format!("{ORDER}{}", " ".repeat(service::MAX_BODY_SIZE));
    for (body, expected) in [("{", 400), ("", 400), ("[]", 422), ("{}", 422), (long.as_str(), 413)] {
        let answer = app.post(body, &[]).await;
        assert_eq!((answer.status, answer.header("content-type")), (expected, "application/problem+json"));
    }
    let errors =
        app.post(r#"{"id":"a b","customerId":"c","currency":"EUR","lines":[],"x":1}"#, &[]).await.body;
    let pointers: Vec<_> =
        errors["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(pointers, [&json!("/x"), &json!("/id")]);
    for wrong in ["a b", "\"k", "k\""] {
        let refused = app.post(WITHOUT_ID, &[("idempotency-key", wrong)]).await;
        assert_eq!((refused.status, &refused.body["errors"][0]["header"]), (422, &json!("Idempotency-Key")));
    }
    assert_eq!(app.orders.requests(), 0);
}

#[tokio::test]
async fn an_order_without_an_id_gets_one() {
    let app = TestApp::start();
    let (first, second) = (app.post(WITHOUT_ID, &[]).await, app.post(WITHOUT_ID, &[]).await);
    assert_eq!((first.status, second.status), (201, 201));
    assert_ne!(first.body["id"], second.body["id"]);
    let key = [("idempotency-key", "k-1")];
    let (first, again) = (app.post(WITHOUT_ID, &key).await, app.post(WITHOUT_ID, &key).await);
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.body["id"], again.body["id"]);
    let quoted = app.post(WITHOUT_ID, &[("idempotency-key", "\"k-1\"")]).await;
    assert_eq!((quoted.status, &quoted.body["id"]), (200, &first.body["id"]));
    // With an id the key changes nothing.
    assert_eq!(app.post(ORDER, &key).await.body["id"], "o-1");
}

#[tokio::test]
async fn a_client_may_go_on_before_the_order_is_there() {
    let app = TestApp::start();
    app.orders.lose_requests(true);
    let answer = app.post(ORDER, &[("prefer", "respond-async")]).await;
    assert_eq!((answer.status, answer.header("location")), (202, "/v1/orders/o-1"));
    assert_eq!(answer.header("preference-applied"), "respond-async");
    assert_eq!(answer.body, json!({"id": "o-1"}));
}

#[tokio::test]
async fn a_client_may_wait_for_the_decision() {
    let app = TestApp::start();
    let decide = async {
        app.orders.watched_by(1).await;
        app.orders.decide(&"o-1".parse().unwrap());
    };
    let (answer, ()) = tokio::join!(app.post(ORDER, &[("prefer", "wait=60")]), decide);
    assert_eq!((answer.status, answer.header("preference-applied")), (201, "wait=60"));
    assert_eq!((&answer.body["state"], answer.header("etag")), (&json!("VALIDATED"), r#""1.2""#));
    let replay = app.post(ORDER, &[("prefer", "wait=60")]).await;
    assert_eq!((replay.status, &replay.body["state"]), (200, &json!("VALIDATED")));
}

#[tokio::test]
async fn when_time_runs_out_the_order_is_shown_as_it_is() {
    let app = TestApp::start();
    let answer = app.post(ORDER, &[("prefer", "wait=0")]).await;
    assert_eq!((answer.status, &answer.body["state"]), (201, &json!("CREATED")));
    let stop = async {
        app.orders.watched_by(1).await;
        app.shutdown.request();
        app.orders.serve(false);
    };
    let (answer, ()) = tokio::join!(app.post(WITHOUT_ID, &[("prefer", "wait=60")]), stop);
    assert_eq!((answer.status, &answer.body["state"]), (201, &json!("CREATED")));
}

#[tokio::test]
async fn what_cannot_be_answered_here_is_not_accepted_here() {
    let app = TestApp::start();
    app.orders.serve(false);
    let answer = app.post(ORDER, &[("order-pipeline-forwarded-by", "b")]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!(app.orders.requests(), 0);
    let comes = async {
        app.orders.missed_by(1).await;
        app.orders.serve(true);
    };
    let (answer, ()) = tokio::join!(app.post(ORDER, &[]), comes);
    assert_eq!((answer.status, app.orders.requests()), (201, 1));
}

/// Each would become a dead letter.
#[tokio::test]
async fn what_cannot_be_read_is_not_asked_for_again() {
    let app = TestApp::start();
    app.orders.damage();
    for prefer in ["", "wait=1"] {
        assert_eq!(app.post(ORDER, &[("prefer", prefer)]).await.status, 500, "{prefer}");
    }
    assert_eq!((app.get("/v1/orders/o-1", &[]).await.status, app.orders.requests()), (500, 0));
}

#[tokio::test]
async fn who_is_refused_for_now_is_told_the_id_to_ask_again_with() {
    let app = TestApp::start();
    app.orders.lose_requests(true);
    let stop = async {
        app.orders.missed_by(1).await;
        app.shutdown.request();
        app.orders.lose_requests(true);
    };
    let key = [("idempotency-key", "k-1")];
    let (answer, ()) = tokio::join!(app.post(WITHOUT_ID, &key), stop);
    assert_eq!((answer.status, app.orders.requests()), (503, 1));
    let detail = answer.body["detail"].as_str().unwrap();
    let id = "27041c37-1f49-5726-a1d4-be87b379477e";
    assert!(detail.ends_with(&format!("; with the id {id} it can safely be asked again")), "{detail}");
}

#[tokio::test]
async fn an_order_whose_partition_moves_meanwhile_is_written_once() {
    let app = TestApp::start();
    app.orders.lose_requests(true);
    let comes_back = async {
        app.orders.missed_by(1).await;
        app.orders.lose_requests(false);
    };
    let (answer, ()) = tokio::join!(app.post(ORDER, &[]), comes_back);
    assert_eq!((answer.status, app.orders.requests()), (201, 1));
}

#[tokio::test]
async fn what_another_instance_has_begun_is_gone_on_with() {
    let app = TestApp::start();
    let id = "018f0000-0000-7000-8000-000000000000";
    let forwarded = ("order-pipeline-forwarded-by", "b");
    let first = app.post(WITHOUT_ID, &[forwarded, ("order-pipeline-made-id", id)]).await;
    assert_eq!((first.status, &first.body["id"]), (201, &json!(id)));
    // The request stands at offset 1, and the instance that wrote it could not answer.
    let progress = ("order-pipeline-progress", "0.1");
    let again = app.post(WITHOUT_ID, &[forwarded, ("order-pipeline-made-id", id), progress]).await;
    assert_eq!((again.status, app.orders.requests()), (201, 1));
    // Of a client nobody takes that.
    let spoofed = app.post(WITHOUT_ID, &[("order-pipeline-made-id", id), progress]).await;
    assert_eq!((spoofed.status, app.orders.requests()), (201, 2));
    assert_ne!(spoofed.body["id"], json!(id));
}
