//! Values that the tests share: one order through its life.

use std::str::FromStr;

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
        created().id,
        1,
        Check::InventoryCheck,
        at("10:00:00.25"),
        at("10:00:00.5"),
    )
}

/// The outcome of [`created`].
pub(crate) fn out_of_stock() -> Outcome {
    let (start, end) = (at("10:00:00.1"), at("10:00:00.125"));
    let fine = Judgement::Pass.into_verdict(created().id, 1, Check::OrderDetailsCheck, start, end);
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
