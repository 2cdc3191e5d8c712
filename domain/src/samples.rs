//! Values that the tests share: one order through its life, and any order at all.

use std::str::FromStr;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::*;

/// Parses what a test writes down as text.
pub(crate) fn parsed<T: FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// A time of day, such as `10:00:01.5`, on the day of the tests.
pub(crate) fn at(time: &str) -> Timestamp {
    parsed(&format!("2026-03-01T{time}Z"))
}

pub(crate) fn line(product: &str, quantity: i64, unit_price: i64) -> OrderLine {
    OrderLine { product_id: parsed(product), quantity, unit_price }
}

/// Three of p-1 for 12.50 EUR.
pub(crate) fn new_order() -> NewOrder {
    NewOrder {
        id: parsed("01J9Z"),
        customer_id: parsed("c-15"),
        currency: Currency::EUR,
        lines: vec![line("p-1", 3, 1250)],
    }
}

pub(crate) fn origin() -> Origin {
    Origin { partition: 2, offset: 42 }
}

/// The order of [`new_order`], created.
pub(crate) fn created() -> Order {
    changed(None, OrderEvent::Create { new_order: new_order(), at: at("10:00:00"), origin: origin() })
}

/// The same, failed.
pub(crate) fn failed() -> Order {
    changed(Some(&created()), OrderEvent::Outcome { outcome: &out_of_stock(), at: at("10:00:00.75") })
}

#[track_caller]
fn changed(current: Option<&Order>, event: OrderEvent<'_>) -> Order {
    match apply(current, event) {
        Transition::Changed(order) => order,
        other => panic!("{other:?}"),
    }
}

/// The verdict of the inventory on [`created`].
pub(crate) fn nothing_left() -> Verdict {
    let code = ReasonCode::OutOfStock;
    Judgement::Fail { code, detail: "p-1: 3 asked, 2 available".into() }.into_verdict(
        &created(),
        Check::InventoryCheck,
        at("10:00:00.25"),
        at("10:00:00.5"),
    )
}

/// The outcome of [`created`].
pub(crate) fn out_of_stock() -> Outcome {
    let (start, end) = (at("10:00:00.1"), at("10:00:00.125"));
    let fine = Judgement::Pass.into_verdict(&created(), Check::OrderDetailsCheck, start, end);
    let missing = nothing_left().validation();
    Outcome {
        order_id: parsed("01J9Z"),
        attempt: 1,
        decision: Decision::Failed,
        reasons: missing.reason().into_iter().collect(),
        validations: vec![fine.validation(), missing],
        decided_at: at("10:00:00.6"),
    }
}

pub(crate) fn any_id<T: FromStr<Err: std::fmt::Debug> + std::fmt::Debug>() -> impl Strategy<Value = T> {
    "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}".prop_map(|text| parsed(&text))
}

pub(crate) fn any_currency() -> impl Strategy<Value = Currency> {
    select(vec!["EUR", "JPY", "BHD", "CLF"]).prop_map(parsed)
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (-62_167_219_200_000..=253_402_207_200_000_i64).prop_map(timestamp_from_millis)
}

fn any_line() -> impl Strategy<Value = OrderLine> {
    (any_id(), any::<i64>(), any::<i64>()).prop_map(|(product_id, quantity, unit_price)| OrderLine {
        product_id,
        quantity,
        unit_price,
    })
}

pub(crate) fn any_new_order() -> impl Strategy<Value = NewOrder> {
    (any_id(), any_id(), any_currency(), vec(any_line(), 0..5))
        .prop_map(|(id, customer_id, currency, lines)| NewOrder { id, customer_id, currency, lines })
}

fn any_state() -> impl Strategy<Value = OrderState> {
    select(vec![OrderState::Created, OrderState::Validated, OrderState::Failed])
}

fn any_code() -> impl Strategy<Value = ReasonCode> {
    select(vec![ReasonCode::LimitExceeded, ReasonCode::NoLines, ReasonCode::TimedOut])
}

fn any_reason() -> impl Strategy<Value = Reason> {
    (option::of(select(Check::ALL.to_vec())), any_code(), any::<Option<String>>())
        .prop_map(|(check, code, detail)| Reason { check, code, detail })
}

fn any_validation() -> impl Strategy<Value = Validation> {
    let result = select(vec![CheckResult::Pass, CheckResult::Fail, CheckResult::Error]);
    let check = select(Check::ALL.to_vec());
    let judged = (check, result, option::of(any_code()), any::<Option<String>>());
    (judged, any_time(), any_time()).prop_map(|((check, result, code, detail), started_at, finished_at)| {
        Validation { check, result, code, detail, started_at, finished_at }
    })
}

fn any_history() -> impl Strategy<Value = Vec<HistoryEntry>> {
    let entry = (any_state(), any::<u32>(), any_time()).prop_map(|(state, version, at)| HistoryEntry {
        state,
        version,
        at,
    });
    vec(entry, 0..3)
}

/// Any order that can be represented, whether or not it can come about.
pub(crate) fn any_order() -> impl Strategy<Value = Order> {
    let standing = (any_state(), any::<u32>(), any::<u32>());
    let judged = (vec(any_reason(), 0..3), vec(any_validation(), 0..4), any_history());
    let origin = (any::<i32>(), any::<i64>()).prop_map(|(partition, offset)| Origin { partition, offset });
    (any_new_order(), standing, judged, any_time(), any_time(), origin).prop_map(
        |(new_order, standing, judged, created_at, updated_at, origin)| {
            let NewOrder { id, customer_id, currency, lines } = new_order;
            let (state, attempt, version) = standing;
            let (reasons, validations, history) = judged;
            Order {
                id,
                customer_id,
                currency,
                lines,
                state,
                attempt,
                version,
                reasons,
                validations,
                history,
                created_at,
                updated_at,
                origin,
            }
        },
    )
}

pub(crate) fn any_outcome() -> impl Strategy<Value = Outcome> {
    let decision = select(vec![Decision::Validated, Decision::Failed]);
    let judged = (vec(any_reason(), 0..3), vec(any_validation(), 0..4));
    (any_id(), any::<u32>(), decision, judged, any_time()).prop_map(
        |(order_id, attempt, decision, (reasons, validations), decided_at)| Outcome {
            order_id,
            attempt,
            decision,
            reasons,
            validations,
            decided_at,
        },
    )
}
