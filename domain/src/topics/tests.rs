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
    Customer { id: parsed("c-15"), name: "Ada".into(), email: "ada@example.org".into(), level: Level::Gold }
}

#[test]
fn order_requests() {
    let request = OrderRequest::Create { order: new_order(), requested_at: at("10:00:00") };
    insta::assert_snapshot!(json(&request), @r#"
    {
      "type": "create",
      "order": {
        "id": "01J9Z",
        "customerId": "c-15",
        "currency": "EUR",
        "lines": [
          {
            "productId": "p-1",
            "quantity": 3,
            "unitPrice": "12.50"
          }
        ]
      },
      "requestedAt": "2026-03-01T10:00:00Z"
    }
    "#);
}

#[test]
fn orders_created() {
    insta::assert_snapshot!(json(&created()), @r#"
    {
      "id": "01J9Z",
      "customerId": "c-15",
      "state": "CREATED",
      "attempt": 1,
      "version": 1,
      "currency": "EUR",
      "lines": [
        {
          "productId": "p-1",
          "quantity": 3,
          "unitPrice": "12.50"
        }
      ],
      "total": "37.50",
      "reasons": [],
      "validations": [],
      "history": [
        {
          "state": "CREATED",
          "version": 1,
          "at": "2026-03-01T10:00:00Z"
        }
      ],
      "createdAt": "2026-03-01T10:00:00Z",
      "updatedAt": "2026-03-01T10:00:00Z",
      "origin": {
        "partition": 2,
        "offset": 42
      }
    }
    "#);
}

#[test]
fn orders_failed() {
    insta::assert_snapshot!(json(&failed()), @r#"
    {
      "id": "01J9Z",
      "customerId": "c-15",
      "state": "FAILED",
      "attempt": 1,
      "version": 2,
      "currency": "EUR",
      "lines": [
        {
          "productId": "p-1",
          "quantity": 3,
          "unitPrice": "12.50"
        }
      ],
      "total": "37.50",
      "reasons": [
        {
          "check": "INVENTORY_CHECK",
          "code": "OUT_OF_STOCK",
          "detail": "p-1: 3 asked, 2 available"
        }
      ],
      "validations": [
        {
          "check": "ORDER_DETAILS_CHECK",
          "result": "PASS",
          "startedAt": "2026-03-01T10:00:00.1Z",
          "finishedAt": "2026-03-01T10:00:00.125Z"
        },
        {
          "check": "INVENTORY_CHECK",
          "result": "FAIL",
          "code": "OUT_OF_STOCK",
          "detail": "p-1: 3 asked, 2 available",
          "startedAt": "2026-03-01T10:00:00.25Z",
          "finishedAt": "2026-03-01T10:00:00.5Z"
        }
      ],
      "history": [
        {
          "state": "CREATED",
          "version": 1,
          "at": "2026-03-01T10:00:00Z"
        },
        {
          "state": "FAILED",
          "version": 2,
          "at": "2026-03-01T10:00:00.75Z"
        }
      ],
      "createdAt": "2026-03-01T10:00:00Z",
      "updatedAt": "2026-03-01T10:00:00.75Z",
      "origin": {
        "partition": 2,
        "offset": 42
      }
    }
    "#);
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
        Judgement::Pass.into_verdict(created().id, 1, Check::FraudCheck, at("10:00:00"), at("10:00:00.004"));
    insta::assert_snapshot!(json(&verdict), @r#"
    {
      "orderId": "01J9Z",
      "check": "FRAUD_CHECK",
      "attempt": 1,
      "result": "PASS",
      "startedAt": "2026-03-01T10:00:00Z",
      "finishedAt": "2026-03-01T10:00:00.004Z"
    }
    "#);
}

#[test]
fn order_validations_fail() {
    insta::assert_snapshot!(json(&nothing_left()), @r#"
    {
      "orderId": "01J9Z",
      "check": "INVENTORY_CHECK",
      "attempt": 1,
      "result": "FAIL",
      "code": "OUT_OF_STOCK",
      "detail": "p-1: 3 asked, 2 available",
      "startedAt": "2026-03-01T10:00:00.25Z",
      "finishedAt": "2026-03-01T10:00:00.5Z"
    }
    "#);
}

#[test]
fn order_outcomes() {
    insta::assert_snapshot!(json(&out_of_stock()), @r#"
    {
      "orderId": "01J9Z",
      "attempt": 1,
      "decision": "FAILED",
      "reasons": [
        {
          "check": "INVENTORY_CHECK",
          "code": "OUT_OF_STOCK",
          "detail": "p-1: 3 asked, 2 available"
        }
      ],
      "validations": [
        {
          "check": "ORDER_DETAILS_CHECK",
          "result": "PASS",
          "startedAt": "2026-03-01T10:00:00.1Z",
          "finishedAt": "2026-03-01T10:00:00.125Z"
        },
        {
          "check": "INVENTORY_CHECK",
          "result": "FAIL",
          "code": "OUT_OF_STOCK",
          "detail": "p-1: 3 asked, 2 available",
          "startedAt": "2026-03-01T10:00:00.25Z",
          "finishedAt": "2026-03-01T10:00:00.5Z"
        }
      ],
      "decidedAt": "2026-03-01T10:00:00.6Z"
    }
    "#);
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
    insta::assert_snapshot!(json(&outcome), @r#"
    {
      "orderId": "01J9Z",
      "attempt": 1,
      "decision": "FAILED",
      "reasons": [
        {
          "check": "FRAUD_CHECK",
          "code": "TIMED_OUT",
          "detail": "no verdict within 30 s"
        },
        {
          "check": "ORDER_DETAILS_CHECK",
          "code": "TIMED_OUT",
          "detail": "no verdict within 30 s"
        }
      ],
      "validations": [],
      "decidedAt": "2026-03-01T10:00:00.6Z"
    }
    "#);
}

#[test]
fn warehouse_inventory() {
    let adjustment = StockAdjustment {
        id: parsed("delivery-1"),
        product_id: parsed("p-1"),
        quantity: -10,
        requested_at: at("10:00:00"),
    };
    insta::assert_snapshot!(json(&adjustment), @r#"
    {
      "id": "delivery-1",
      "productId": "p-1",
      "quantity": -10,
      "requestedAt": "2026-03-01T10:00:00Z"
    }
    "#);
}

#[test]
fn customers() {
    insta::assert_snapshot!(json(&ada()), @r#"
    {
      "id": "c-15",
      "name": "Ada",
      "email": "ada@example.org",
      "level": "gold"
    }
    "#);
}

/// A name and an address that are refused today were written once, and their record stays readable.
#[test]
fn customers_before_the_rules_of_today() {
    let name = "A\u{202e}da".to_owned();
    json(&Customer { name, email: "a..b@example.org".into(), ..ada() });
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

/// A program of today reads what one of tomorrow wrote: it passes over members, and keeps names.
#[track_caller]
fn is_read_by_today<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let json = strategies::of_tomorrow(json(value).as_bytes());
    assert_eq!(&serde_json::from_slice::<T>(&json).unwrap(), value, "{}", String::from_utf8_lossy(&json));
}

#[test]
fn records_of_tomorrow_are_read_on_each_topic() {
    let (check, code, state) = (parsed("PAYMENT_CHECK"), parsed("INSUFFICIENT_CREDIT"), parsed("SHIPPED"));
    let verdict = Verdict { check, code: Some(code), ..nothing_left() };
    let reasons: Vec<_> = verdict.validation().reason().into_iter().collect();
    assert_eq!((reasons[0].check, reasons[0].code), (Some(check), code));
    let validations = vec![verdict.validation()];
    let outcome = Outcome { reasons: reasons.clone(), validations: validations.clone(), ..out_of_stock() };
    let history = vec![HistoryEntry { state, version: 3, at: at("10:00:01") }];
    let order = Order { state, reasons, validations, history, ..failed() };
    is_read_by_today(&OrderRequest::Create { order: new_order(), requested_at: at("10:00:00") });
    is_read_by_today(&OrderRequest::Unknown(parsed("cancel")));
    is_read_by_today(&order);
    is_read_by_today(&verdict);
    is_read_by_today(&outcome);
    is_read_by_today(&ada());
    is_read_by_today(&TierRecord { order, customer: Some(ada()) });
    is_read_by_today(&StockAdjustment {
        id: parsed("delivery-1"),
        product_id: parsed("p-1"),
        quantity: -10,
        requested_at: at("10:00:00"),
    });
}

#[test]
fn the_names_on_the_wire() {
    check_names(&Check::ALL, "FRAUD_CHECK INVENTORY_CHECK ORDER_DETAILS_CHECK");
    check_names(&[CheckResult::Pass, CheckResult::Fail, CheckResult::Error], "PASS FAIL ERROR");
    check_names(
        &[OrderState::Created, OrderState::Validated, OrderState::Failed],
        "CREATED VALIDATED FAILED",
    );
    check_names(&[Decision::Validated, Decision::Failed], "VALIDATED FAILED");
    check_names(&[Level::Platinum, Level::Gold, Level::Silver, Level::Bronze], "platinum gold silver bronze");
    use ReasonCode::*;
    check_names(&[LimitExceeded, OutOfStock, NoLines], "LIMIT_EXCEEDED OUT_OF_STOCK NO_LINES");
    check_names(&[QuantityNotPositive, NegativePrice], "QUANTITY_NOT_POSITIVE NEGATIVE_PRICE");
    check_names(&[TotalOverflow, InvalidOrder], "TOTAL_OVERFLOW INVALID_ORDER");
    check_names(&[StateUnreadable, TimedOut], "STATE_UNREADABLE TIMED_OUT");
}

/// The names in JSON are also those in messages.
#[track_caller]
fn check_names<T: Serialize + ToString>(values: &[T], expected: &str) {
    let shown: Vec<_> = values.iter().map(ToString::to_string).collect();
    assert_eq!(shown.join(" "), expected);
    assert_eq!(serde_json::to_value(values).unwrap(), serde_json::to_value(&shown).unwrap());
}
