//! What has to hold at the end, told from the topics alone.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Check, CheckResult, Decision, Order, OrderId, OrderState, Outcome, ProductId, ReasonCode, Stock, Verdict,
};
use inventory_service::AdjustmentOutcome;
use service::topics::{ORDER_OUTCOMES, ORDER_REQUESTS, ORDER_VALIDATIONS, ORDERS, TIERS};
use streams::Timestamp;

use super::Plan;
use super::customers::Told;
use super::fleet::{Fleet, Side};
use super::logs::{Entry, Logs};
use super::poison::Poison;
use crate::Service;

/// Panics with what does not hold.
pub(super) fn check(logs: &Logs<'_>, told: &Told, poison: &Poison, plan: &Plan, fleet: &Fleet) {
    let orders = orders(logs, told);
    let verdicts = verdicts(logs, &orders);
    outcomes(logs, &orders, &verdicts, plan);
    answers(logs, told);
    view(fleet, &orders);
    tiers(logs, told, &orders);
    stock(logs, told, &orders, &verdicts);
    exposure(logs, &orders, &verdicts);
    limit(logs, &orders, &verdicts, plan);
    dead_letters(logs, poison);
}

/// Each accepted order was created once, by its first request, and decided once. Its final states.
fn orders(logs: &Logs<'_>, told: &Told) -> BTreeMap<OrderId, Order> {
    let mut first = BTreeMap::new();
    for Entry { partition, offset, key, .. } in logs.entries(&ORDER_REQUESTS) {
        first.entry(key).or_insert((partition, offset));
    }
    let mut states: BTreeMap<OrderId, Vec<Order>> = BTreeMap::new();
    for Entry { key, value, .. } in logs.entries(&ORDERS) {
        states.entry(key).or_default().push(value);
    }
    assert_eq!(
        states.keys().collect::<Vec<_>>(),
        told.orders.keys().collect::<Vec<_>>(),
        "orders on the topic, and those that were accepted"
    );
    let last = states.into_iter().map(|(id, states)| {
        let [created, decided] = &states[..] else { panic!("{id} went through {states:?}") };
        assert_eq!((created.version, created.state), (1, OrderState::Created), "{created:?}");
        assert!(decided.version == 2 && decided.state.is_final(), "{decided:?}");
        assert!(created.has_content(&told.orders[&id]), "{created:?}");
        assert!(decided.has_content(&told.orders[&id]), "{decided:?}");
        assert_eq!((created.origin.partition, created.origin.offset), first[&id], "{created:?}");
        (id, decided.clone())
    });
    last.collect()
}

type Verdicts = BTreeMap<(OrderId, Check), (Timestamp, Verdict)>;

/// No check has judged an order twice. Each has judged it, but for one: stock that several products were asked for
/// needs no verdict any more when the order has failed meanwhile.
fn verdicts(logs: &Logs<'_>, orders: &BTreeMap<OrderId, Order>) -> Verdicts {
    let mut verdicts = BTreeMap::new();
    for Entry { key, value, at, .. } in logs.entries(&ORDER_VALIDATIONS) {
        assert!(orders.contains_key(&key), "a verdict on what is no order: {value:?}");
        assert_eq!((&key, 1), (&value.order_id, value.attempt), "{value:?}");
        let before = verdicts.insert((key, value.check), (at, value));
        assert!(before.is_none(), "two verdicts: {before:?}");
    }
    for (id, order) in orders {
        for check in Check::ALL {
            let may_miss = check == Check::InventoryCheck && order.state == OrderState::Failed;
            let is_there = verdicts.contains_key(&(id.clone(), check));
            assert!(is_there || may_miss, "no verdict of {check:?} on {order:?}");
        }
    }
    verdicts
}

/// Each order was decided once, by its verdicts, or by the deadline if they did not come in time.
fn outcomes(logs: &Logs<'_>, orders: &BTreeMap<OrderId, Order>, verdicts: &Verdicts, plan: &Plan) {
    let mut decided = BTreeSet::new();
    for Entry { key, value, .. } in logs.entries(&ORDER_OUTCOMES) {
        let order = orders.get(&key).unwrap_or_else(|| panic!("an outcome of nothing: {value:?}"));
        assert!(decided.insert(key.clone()), "{key} is decided twice");
        assert_eq!(order.state, OrderState::from(value.decision), "{order:?} by {value:?}");
        assert_eq!(
            (&order.reasons, &order.validations),
            (&value.reasons, &value.validations),
            "{order:?} by {value:?}"
        );
        for validation in &value.validations {
            let (_, verdict) = &verdicts[&(key.clone(), validation.check)];
            assert_eq!(*validation, verdict.validation(), "{key}");
        }
        let passed =
            value.validations.iter().filter(|validation| validation.result == CheckResult::Pass).count();
        match value.decision {
            Decision::Validated => assert_eq!(passed, Check::ALL.len(), "{value:?}"),
            Decision::Failed if passed < value.validations.len() => {}
            Decision::Failed => timed_out(order, &value, verdicts, plan),
        }
    }
    assert_eq!(decided.len(), orders.len(), "undecided orders");
}

/// What is missing was not there when the deadline passed.
fn timed_out(order: &Order, outcome: &Outcome, verdicts: &Verdicts, plan: &Plan) {
    assert!(outcome.reasons.iter().all(|reason| reason.code == ReasonCode::TimedOut), "{outcome:?}");
    assert!(!outcome.reasons.is_empty(), "{outcome:?}");
    if plan.clocks_jump {
        return;
    }
    let deadline = Timestamp::from_millis(order.created_at.as_millisecond()) + plan.deadline;
    let decided = Timestamp::from_millis(outcome.decided_at.as_millisecond());
    assert!(decided >= deadline, "{outcome:?} before its deadline {deadline}");
    for reason in &outcome.reasons {
        let check = reason.check.unwrap_or_else(|| panic!("nothing is named: {outcome:?}"));
        if let Some((at, verdict)) = verdicts.get(&(order.id.clone(), check)) {
            assert!(
                *at > deadline,
                "{verdict:?} was there at {at}, the deadline was {deadline}: {outcome:?}"
            );
        }
    }
}

/// What anybody was told of an order stands on the topic.
fn answers(logs: &Logs<'_>, told: &Told) {
    let states = logs.entries(&ORDERS).into_iter();
    let states: BTreeMap<_, _> =
        states.map(|entry| ((entry.key, entry.value.version), entry.value)).collect();
    for answer in &told.answers {
        assert_eq!(states.get(&(answer.id.clone(), answer.version)), Some(answer), "what was told");
    }
}

/// Each order is served by one instance, as its last state stands on the topic.
fn view(fleet: &Fleet, orders: &BTreeMap<OrderId, Order>) {
    let fronts = fleet.fronts(Service::Orders);
    for (id, order) in orders {
        let shown = fronts.iter().filter_map(|front| match front.at {
            Side::Orders(view) => front.queries.get(&view, id).ok(),
            _ => None,
        });
        let shown: Vec<Option<Order>> = shown.collect();
        assert_eq!(shown, [Some(order.clone())], "the views of {id}");
    }
}

/// Each order is in one tier, the one of its customer.
fn tiers(logs: &Logs<'_>, told: &Told, orders: &BTreeMap<OrderId, Order>) {
    let mut found = BTreeMap::new();
    for (tier, topic) in TIERS.iter().enumerate() {
        for Entry { key, value, .. } in logs.entries(topic) {
            assert_eq!(Some(&value.order), orders.get(&key), "a tier record of {key}");
            let level = value.customer.as_ref().map(|customer| customer.level);
            assert_eq!(level, told.customers.get(&value.order.customer_id).copied(), "the customer of {key}");
            assert_eq!(tier, level.map_or(TIERS.len() - 1, |level| level as usize), "the tier of {key}");
            assert!(found.insert(key.clone(), tier).is_none(), "{key} is in two tiers");
        }
    }
    assert_eq!(found.len(), orders.len(), "orders in tiers");
}

/// At all times 0 ≤ reserved ≤ on hand; at the end nothing is reserved, and what is missing was sold.
fn stock(logs: &Logs<'_>, told: &Told, orders: &BTreeMap<OrderId, Order>, verdicts: &Verdicts) {
    let mut stocks: BTreeMap<ProductId, Stock> = BTreeMap::new();
    for Entry { key, value, .. } in logs.store_entries("inventory-service", "stock") {
        let (key, value): (ProductId, Stock) = (key, value);
        assert!(0 <= value.reserved && value.reserved <= value.on_hand, "{key}: {value:?}");
        stocks.insert(key, value);
    }
    let mut expected: BTreeMap<ProductId, i64> = BTreeMap::new();
    for (key, result) in &told.adjustments {
        if matches!(result.outcome, AdjustmentOutcome::Applied { .. }) {
            *expected.entry(key.product_id.clone()).or_default() += result.quantity;
        }
    }
    for (id, order) in orders.iter().filter(|(_, order)| order.state == OrderState::Validated) {
        assert_eq!(verdicts[&(id.clone(), Check::InventoryCheck)].1.result, CheckResult::Pass, "{order:?}");
        for line in &order.lines {
            *expected.entry(line.product_id.clone()).or_default() -= line.quantity;
        }
    }
    for (product, on_hand) in expected {
        let stock = stocks.remove(&product).unwrap_or_default();
        assert_eq!(stock, Stock { on_hand, reserved: 0 }, "the stock of {product}");
    }
    assert!(stocks.values().all(|stock| *stock == Stock::default()), "stock from nowhere: {stocks:?}");
    let reservations = logs.table("inventory-service", "reservations");
    assert!(reservations.is_empty(), "reservations of decided orders: {reservations:?}");
}

/// What fraud counts of a customer is what their orders say that passed and have not failed.
fn exposure(logs: &Logs<'_>, orders: &BTreeMap<OrderId, Order>, verdicts: &Verdicts) {
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    for (id, order) in orders.iter().filter(|(_, order)| order.state == OrderState::Validated) {
        assert_eq!(verdicts[&(id.clone(), Check::FraudCheck)].1.result, CheckResult::Pass, "{order:?}");
        if let Some(total) = order.total().filter(|total| *total > 0) {
            *expected.entry(order.customer_id.to_string()).or_default() += total;
        }
    }
    let mut found: BTreeMap<String, i64> = BTreeMap::new();
    for (key, hour) in logs.table("fraud-service", "hours") {
        let customer = key.split('/').nth(1).expect("a customer").to_owned();
        let stretches: Vec<(u64, u64, i64)> = serde_json::from_value(hour).expect("stretches of time");
        *found.entry(customer).or_default() += stretches.iter().map(|(_, _, sum)| sum).sum::<i64>();
    }
    assert_eq!(found, expected, "the hours");
}

/// At no time did the orders of one customer and currency that had passed and were not FAILED reach the limit
/// within any hour.
fn limit(logs: &Logs<'_>, orders: &BTreeMap<OrderId, Order>, verdicts: &Verdicts, plan: &Plan) {
    let decided: BTreeMap<OrderId, Timestamp> = logs
        .entries(&ORDERS)
        .into_iter()
        .filter(|entry| entry.value.state.is_final())
        .map(|entry| (entry.key, entry.at))
        .collect();
    let passed: Vec<(Timestamp, &Order)> = orders
        .iter()
        .filter_map(|(id, order)| {
            let (at, verdict) = &verdicts[&(id.clone(), Check::FraudCheck)];
            (verdict.result == CheckResult::Pass).then_some((*at, order))
        })
        .collect();
    // What counted when this one had passed. Clocks that jump tell nothing of that, but what counts in the end does.
    for (now, order) in &passed {
        let is_of_one =
            |other: &Order| other.customer_id == order.customer_id && other.currency == order.currency;
        let counts = |at: Timestamp, other: &Order| {
            let goes_on = other.state != OrderState::Failed;
            if plan.clocks_jump { goes_on } else { at <= *now && (goes_on || *now < decided[&other.id]) }
        };
        let counting = passed
            .iter()
            .filter(|(at, other)| is_of_one(other) && counts(*at, other))
            .map(|(_, other)| (other.created_at.as_millisecond(), other.total().unwrap_or_default()));
        let counting: Vec<(i64, i64)> = counting.collect();
        for (start, _) in &counting {
            let within = counting.iter().filter(|(at, _)| (*start..start + 3_600_000).contains(at));
            let sum: i64 = within.map(|(_, total)| total).sum();
            assert!(sum < FRAUD_LIMIT, "{sum} within an hour of {counting:?}, with {order:?}");
        }
    }
}

/// What the fleet's fraud-service is told, in minor units.
const FRAUD_LIMIT: i64 = 200_000;

/// Each poison record is in the dead letter topic of each who reads it, once, and nothing else is there.
fn dead_letters(logs: &Logs<'_>, poison: &Poison) {
    for service in Service::ALL {
        let mut found: Vec<Vec<u8>> = logs
            .dead_letters(service)
            .into_iter()
            .map(|record| record.value.unwrap_or_default().to_vec())
            .collect();
        let read_here =
            |(topic, _): &&(&'static str, Vec<u8>)| Poison::readers(topic).contains(&service.name());
        let mut expected: Vec<Vec<u8>> =
            poison.records.iter().filter(read_here).map(|(_, value)| value.clone()).collect();
        found.sort();
        expected.sort();
        let text = |values: &[Vec<u8>]| {
            values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(text(&found), text(&expected), "dead letters of {}", service.name());
    }
}
