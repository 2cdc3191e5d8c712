//! What a newer program writes during a rolling upgrade.

use domain::Decision::{Failed, Validated};
use domain::{Check, CheckResult, Order, OrderState, Outcome, Reason, ReasonCode, Validation};
use domain::{strategies, timestamp_from_millis};
use service::topics::{ORDER_OUTCOMES, ORDER_REQUESTS, ORDERS};

use super::scene::{Scene, id, new_order, outcome};

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn pipe(scene: &mut Scene, topic: &str, json: &[u8]) {
    scene.driver.pipe_bytes(topic, Some("a".into()), Some(json.to_vec().into()));
}

#[test]
fn an_outcome_that_names_an_unknown_check_decides_the_order() {
    let (check, code): (Check, ReasonCode) = (parsed("PAYMENT_CHECK"), parsed("INSUFFICIENT_CREDIT"));
    let at = timestamp_from_millis(1);
    let validation = Validation {
        check,
        result: CheckResult::Fail,
        code: Some(code),
        detail: None,
        started_at: at,
        finished_at: at,
    };
    let reasons = vec![Reason { check: Some(check), code, detail: None }];
    for (decision, reasons, state) in
        [(Failed, reasons, OrderState::Failed), (Validated, Vec::new(), OrderState::Validated)]
    {
        let mut scene = Scene::new();
        scene.create(new_order("a", 3));
        let outcome = Outcome { reasons, validations: vec![validation.clone()], ..outcome("a", 1, decision) };
        let json = strategies::of_tomorrow(&streams::encode_value(&outcome).unwrap());
        pipe(&mut scene, ORDER_OUTCOMES.name(), &json);
        let [_, order] = &scene.orders()[..] else { panic!() };
        assert_eq!((order.state, &order.reasons), (state, &outcome.reasons));
        assert_eq!(order.validations, outcome.validations);
        assert!(scene.driver.read_records("orders-service-dlq").is_empty());
    }
}

#[test]
fn an_unknown_command_changes_nothing_and_is_counted() {
    let mut scene = Scene::new();
    scene.create(new_order("a", 3));
    scene.check(&[("a", OrderState::Created, 1)], &[]);
    pipe(&mut scene, ORDER_REQUESTS.name(), br#"{"type":"cancel","order":"a","by":{"id":7}}"#);
    scene.check(&[], &[("requests_unknown", 1), ("requests_replayed", 0)]);
    scene.outcome(&outcome("a", 1, Validated));
    scene.check(&[("a", OrderState::Validated, 2)], &[]);
    assert!(scene.driver.read_records("orders-service-dlq").is_empty());
}

#[test]
fn an_order_in_an_unknown_state_stays_as_it_is() {
    let mut scene = Scene::new();
    scene.create(new_order("a", 3));
    scene.outcome(&outcome("a", 1, Validated));
    let validated = scene.orders().pop().unwrap();
    let shipped = Order { state: parsed("SHIPPED"), version: 3, ..validated };
    let key = id("a");
    scene.driver.damage(&scene.view, &key, streams::encode_value(&shipped).unwrap());
    scene.create(new_order("a", 3));
    scene.outcome(&outcome("a", 1, Failed));
    scene.check(&[], &[("requests_replayed", 1), ("transitions_refused", 1)]);
    assert_eq!(scene.driver.get(&scene.view, &key), Some(shipped));
    assert!(scene.driver.read(&ORDERS).is_empty());
}
