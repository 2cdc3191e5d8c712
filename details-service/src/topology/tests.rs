use domain::{
    CheckResult, Currency, Decision, NewOrder, Order, OrderEvent, OrderLine, Origin, Outcome, ReasonCode,
    Transition, apply,
};
use streams::{TestDriver, Timestamp};

use super::*;

const NOW: i64 = 1_772_359_200_123;

fn changed(current: Option<&Order>, event: OrderEvent<'_>) -> Order {
    match apply(current, event) {
        Transition::Changed(order) => order,
        other => panic!("{other:?}"),
    }
}

fn created(id: &str, quantity: i64) -> Order {
    let line = OrderLine { product_id: "p-1".parse().unwrap(), quantity, unit_price: 1000 };
    let new_order = NewOrder {
        id: id.parse().unwrap(),
        customer_id: "c-15".parse().unwrap(),
        currency: Currency::EUR,
        lines: vec![line],
    };
    let (at, origin) = (timestamp_from_millis(0), Origin { partition: 0, offset: 0 });
    changed(None, OrderEvent::Create { new_order, at, origin })
}

fn decided(order: &Order, decision: Decision) -> Order {
    let at = timestamp_from_millis(1);
    let outcome = Outcome {
        order_id: order.id.clone(),
        attempt: order.attempt,
        decision,
        reasons: Vec::new(),
        validations: Vec::new(),
        decided_at: at,
    };
    changed(Some(order), OrderEvent::Outcome { outcome: &outcome, at })
}

fn driver(partitions: i32) -> TestDriver {
    let mut driver = TestDriver::with_partitions(topology(), partitions);
    driver.set_time(Timestamp::from_millis(NOW));
    driver
}

fn pipe(driver: &mut TestDriver, order: &Order) {
    driver.pipe(&topics::ORDERS, &order.id, order);
}

/// Pipes the orders in and compares who gets which result, whatever the order among partitions.
#[track_caller]
fn check(partitions: i32, orders: &[Order], expected: &[(&str, CheckResult)]) {
    let mut driver = driver(partitions);
    orders.iter().for_each(|order| pipe(&mut driver, order));
    let verdicts = driver.read(&topics::ORDER_VALIDATIONS);
    let found: Vec<_> = verdicts.iter().map(|(key, verdict)| (key.as_str(), verdict.result)).collect();
    assert_eq!(found, expected, "{partitions} partitions");
}

#[test]
fn a_verdict_carries_key_attempt_reason_and_time() {
    let mut driver = driver(1);
    let order = Order { attempt: 3, ..created("a", -1) };
    pipe(&mut driver, &order);
    let now = timestamp_from_millis(NOW);
    let verdict = Verdict {
        order_id: order.id.clone(),
        check: Check::OrderDetailsCheck,
        attempt: 3,
        result: CheckResult::Fail,
        code: Some(ReasonCode::QuantityNotPositive),
        detail: Some("line 1 (p-1): quantity -1".into()),
        started_at: now,
        finished_at: now,
    };
    assert_eq!(driver.read(&topics::ORDER_VALIDATIONS), [(order.id, verdict)]);
}

#[test]
fn orders_are_judged_in_state_created_only() {
    use CheckResult::{Fail, Pass};
    let (good, bad) = (created("good", 3), created("bad", -1));
    let (validated, failed) = (decided(&good, Decision::Validated), decided(&bad, Decision::Failed));
    check(1, &[good.clone(), bad.clone()], &[("good", Pass), ("bad", Fail)]);
    check(1, &[validated.clone(), failed.clone()], &[]);
    check(1, &[Order { state: "SHIPPED".parse().unwrap(), ..validated.clone() }], &[]);
    check(1, &[good.clone(), good, validated, bad, failed], &[("good", Pass), ("good", Pass), ("bad", Fail)]);
}

#[test]
fn orders_of_all_partitions_are_judged() {
    let ids: Vec<String> = (0..20).map(|number| format!("o-{number}")).collect();
    let orders: Vec<Order> = ids.iter().map(|id| created(id, 3)).collect();
    let expected: Vec<_> = ids.iter().map(|id| (id.as_str(), CheckResult::Pass)).collect();
    check(4, &orders, &expected);
}

#[test]
fn an_order_that_did_not_come_by_http_is_judged_too() {
    let mut order = created("wild", 1);
    order.lines = vec![order.lines[0].clone(); 150];
    check(1, &[order.clone()], &[("wild", CheckResult::Pass)]);
    order.lines[149].quantity = 0;
    check(1, &[order], &[("wild", CheckResult::Fail)]);
}

#[test]
fn what_is_no_order_becomes_a_dead_letter_and_the_next_is_judged() {
    let mut driver = driver(1);
    let poison = "{\"id\":\"a\",\"quantity\":";
    driver.pipe_bytes(topics::ORDERS.name(), Some("a".into()), Some(poison.into()));
    pipe(&mut driver, &created("b", 3));

    let letters = driver.read_records("details-service-dlq");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].key.as_deref(), Some(&b"a"[..]));
    assert_eq!(letters[0].value.as_deref(), Some(poison.as_bytes()));
    let verdicts = driver.read(&topics::ORDER_VALIDATIONS);
    assert_eq!(verdicts.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn nothing_is_remembered() {
    let topology = topology();
    let mut owned = topology.owned_topics();
    owned.retain(|topic| topic.name.as_ref() != topics::ORDER_VALIDATIONS.name());
    let names: Vec<_> = owned.iter().map(|topic| topic.name.as_ref()).collect();
    assert_eq!(names, ["details-service-dlq"]);
}
