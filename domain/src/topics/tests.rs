//! The JSON on each topic, pinned: what is in Kafka outlives the program that
//! wrote it.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::samples::*;
use crate::*;

/// The JSON of `value`, from which it can be read back.
#[track_caller]
fn json<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> String {
    let text = serde_json::to_string_pretty(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
    text
}

fn ada() -> Customer {
    Customer { id: parsed("c-15"), name: parsed("Ada"), email: parsed("ada@example.org"), level: Level::Gold }
}

#[test]
fn order_requests() {
    let request = OrderRequest::Create { order: new_order(), requested_at: at("10:00:00") };
    insta::assert_snapshot!(json(&request), @"");
}

#[test]
fn orders_created() {
    insta::assert_snapshot!(json(&created()), @"");
}

#[test]
fn orders_failed() {
    insta::assert_snapshot!(json(&failed()), @"");
}

#[test]
fn orders_with_a_total_that_overflows() {
    let order = Order { lines: vec![line("p-1", i64::MIN, -1)], ..created() };
    let text = json(&order);
    assert!(text.contains(r#""total": null"#), "{text}");
}

#[test]
fn order_validations_pass() {
    let verdict =
        Judgement::Pass.into_verdict(&created(), Check::FraudCheck, at("10:00:00"), at("10:00:00.004"));
    insta::assert_snapshot!(json(&verdict), @"");
}

#[test]
fn order_validations_fail() {
    insta::assert_snapshot!(json(&nothing_left()), @"");
}

#[test]
fn order_outcomes() {
    insta::assert_snapshot!(json(&out_of_stock()), @"");
}

#[test]
fn order_outcomes_after_the_deadline() {
    let reason = |check| Reason {
        check: Some(check),
        code: ReasonCode::TimedOut,
        detail: Some("no verdict within 30 s".into()),
    };
    let outcome = Outcome {
        reasons: vec![reason(Check::FraudCheck), reason(Check::OrderDetailsCheck)],
        validations: Vec::new(),
        ..out_of_stock()
    };
    insta::assert_snapshot!(json(&outcome), @"");
}

#[test]
fn warehouse_inventory() {
    let adjustment = StockAdjustment {
        id: parsed("delivery-1"),
        product_id: parsed("p-1"),
        quantity: -10,
        requested_at: at("10:00:00"),
    };
    insta::assert_snapshot!(json(&adjustment), @"");
}

#[test]
fn customers() {
    insta::assert_snapshot!(json(&ada()), @"");
}

#[test]
fn tiers() {
    let unknown = TierRecord { order: failed(), customer: None };
    assert!(json(&unknown).ends_with("  },\n  \"customer\": null\n}"));
    let known = TierRecord { customer: Some(ada()), ..unknown };
    let parts = serde_json::to_value(&known).unwrap();
    assert_eq!(parts["order"], serde_json::to_value(failed()).unwrap());
    assert_eq!(parts["customer"], serde_json::to_value(ada()).unwrap());
    json(&known);
}

#[test]
fn the_names_on_the_wire() {
    use CheckResult::{Error, Fail, Pass};
    use ReasonCode::*;
    insta::assert_snapshot!(names(&Check::ALL), @"");
    insta::assert_snapshot!(names(&[Pass, Fail, Error]), @"");
    insta::assert_snapshot!(names(&[OrderState::Created, OrderState::Validated, OrderState::Failed]), @"");
    insta::assert_snapshot!(names(&[Decision::Validated, Decision::Failed]), @"");
    insta::assert_snapshot!(names(&[LimitExceeded, OutOfStock, NoLines, QuantityNotPositive, NegativePrice]), @"");
    insta::assert_snapshot!(names(&[TotalOverflow, InvalidOrder, StateUnreadable, TimedOut]), @"");
    insta::assert_snapshot!(names(&[Level::Platinum, Level::Gold, Level::Silver, Level::Bronze]), @"");
}

/// The names in JSON, which are also those in messages.
fn names<T: Serialize + ToString>(values: &[T]) -> String {
    let shown: Vec<_> = values.iter().map(ToString::to_string).collect();
    assert_eq!(serde_json::to_value(values).unwrap(), serde_json::to_value(&shown).unwrap());
    shown.join(" ")
}
