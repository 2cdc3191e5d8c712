use std::sync::Arc;

use actix_web::body::MessageBody;
use domain::parse_adjustment;
use serde_json::{Value, json};
use streams::DecodeError;

use super::*;

#[track_caller]
fn check(problem: Problem, expected: Value) {
    let response = problem.response(Some("/v1/orders/o-1"));
    assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), "application/problem+json");
    let retry_after = response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(retry_after, (response.status() == 503).then(|| "1".to_owned()), "{problem:?}");
    assert_eq!(response.status(), expected["status"].as_u64().unwrap() as u16);
    let body = response.into_body().try_into_bytes().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected, "{problem:?}");
}

#[test]
fn a_problem_as_a_client_sees_it() {
    check(
        Problem::conflict("other content"),
        json!({
            "type": "urn:order-pipeline:conflict", "title": "In conflict with what is there", "status": 409,
            "detail": "other content", "instance": "/v1/orders/o-1",
        }),
    );
    check(
        Problem::invalid(Place::Parameter("timeout".into()), "must be a number"),
        json!({
            "type": "urn:order-pipeline:invalid", "title": "The request is not of the right form", "status": 422,
            "detail": "timeout: must be a number", "instance": "/v1/orders/o-1",
            "errors": [{"parameter": "timeout", "detail": "must be a number"}],
        }),
    );
    check(
        Problem::unavailable("not everything runs").with_reasons(vec!["a: starting".into()]),
        json!({
            "type": "urn:order-pipeline:unavailable", "title": "Not available at the moment", "status": 503,
            "detail": "not everything runs", "instance": "/v1/orders/o-1", "reasons": ["a: starting"],
        }),
    );
    check(
        Problem::unavailable("Kafka is away").with_id("o-1"),
        json!({
            "type": "urn:order-pipeline:unavailable", "title": "Not available at the moment", "status": 503,
            "detail": "Kafka is away; with the id o-1 it can safely be asked again", "instance": "/v1/orders/o-1",
        }),
    );
    check(
        Problem::not_found("nothing").with_id("o-1"),
        json!({
            "type": "urn:order-pipeline:not-found", "title": "Not found", "status": 404,
            "detail": "nothing", "instance": "/v1/orders/o-1",
        }),
    );
    check(
        Problem::new(Kind::of(StatusCode::METHOD_NOT_ALLOWED), "PUT is not possible at this path"),
        json!({
            "type": "about:blank", "title": "Method Not Allowed", "status": 405,
            "detail": "PUT is not possible at this path", "instance": "/v1/orders/o-1",
        }),
    );
}

#[test]
fn a_body_is_refused_with_all_that_is_wrong() {
    let problem = |body: &[u8]| Problem::from(parse_adjustment(body).unwrap_err());
    assert_eq!(problem(b"{").kind(), Kind::NotJson);
    let invalid = problem(br#"{"id": 7, "quantity": "x"}"#);
    assert_eq!(invalid.kind(), Kind::Invalid);
    let places: Vec<_> = invalid.errors.into_iter().map(|flaw| flaw.place).collect();
    assert_eq!(places, [Place::Pointer("/id".into()), Place::Pointer("/quantity".into())]);
}

#[test]
fn what_kafka_and_the_stores_say_has_a_status() {
    let client = |kind| ClientError { kind, attempted: "write".into(), reason: "because".into() };
    let unreadable = streams::StoreError::Undecodable {
        store: Arc::from("orders"),
        source: DecodeError::Missing("value"),
    };
    for (problem, expected) in [
        (Problem::from(client(ErrorKind::Retriable)), 503),
        (Problem::from(client(ErrorKind::Fatal)), 503),
        (Problem::from(client(ErrorKind::Refused)), 500),
        (Problem::from(QueryError::NotMine { application: "orders".into(), partition: 3 }), 503),
        (Problem::from(QueryError::Store(unreadable)), 500),
    ] {
        assert_eq!(problem.status_code(), expected, "{problem}");
    }
}

#[test]
fn a_status_keeps_its_number() {
    for status in (400..=599).filter_map(|status| StatusCode::from_u16(status).ok()) {
        assert_eq!(Kind::of(status).status(), status);
    }
}
