//! That the forms described are those that are really taken and given.

use std::fmt::Debug;

use domain::{OrderView, parse_new_order};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::new_order::new_order_example;
use super::order::order_example;
use super::*;
use crate::http::tests::{created, decided};

/// `json` has all that `T` describes, and nothing else.
#[track_caller]
fn is_described_by<T: Serialize + DeserializeOwned>(json: &Value) {
    let described: T = serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!(serde_json::to_value(described).unwrap(), *json);
}

#[test]
fn an_order_is_given_as_described() {
    let shown = |order: &domain::Order| serde_json::to_value(OrderView(order)).unwrap();
    let (created, decided) = (created("o-1"), decided("o-1"));
    for order in [shown(&created), shown(&decided), order_example()] {
        is_described_by::<Order>(&order);
    }
    // What the description gives as an example is an order.
    let mut example = order_example();
    example["origin"] = json!({ "partition": 0, "offset": 0 });
    let order: domain::Order = serde_json::from_value(example).unwrap();
    assert_eq!(shown(&order), order_example());
}

#[test]
fn an_order_is_taken_as_described() {
    let example = new_order_example();
    is_described_by::<NewOrder>(&example);
    let parse = |body: &Value| parse_new_order(body.to_string().as_bytes(), |_| "made".parse().unwrap());
    assert_eq!(serde_json::to_value(parse(&example).unwrap()).unwrap(), example);
    for name in ["id", "customerId", "currency", "lines"] {
        let mut without = example.clone();
        without.as_object_mut().unwrap().remove(name);
        let described = serde_json::from_value::<NewOrder>(without.clone());
        assert_eq!(described.is_ok(), parse(&without).is_ok(), "{without}");
    }
}

/// Each word of the domain is a word of the description; the lists are complete because a `match` is.
#[test]
fn the_vocabulary_is_described() {
    #[track_caller]
    fn check<D: Serialize, T: DeserializeOwned + Debug>(words: &[D]) {
        for word in words {
            serde_json::from_value::<T>(serde_json::to_value(word).unwrap()).unwrap();
        }
    }
    use domain::ReasonCode::*;
    let codes = [
        LimitExceeded,
        OutOfStock,
        NoLines,
        QuantityNotPositive,
        NegativePrice,
        TotalOverflow,
        InvalidOrder,
        StateUnreadable,
        TimedOut,
    ];
    for code in codes {
        match code {
            LimitExceeded | OutOfStock | NoLines | QuantityNotPositive | NegativePrice | TotalOverflow
            | InvalidOrder | StateUnreadable | TimedOut | Unknown(_) => {}
        }
    }
    check::<_, ReasonCode>(&codes);
    check::<_, Check>(&domain::Check::ALL);
    check::<_, CheckResult>(&[
        domain::CheckResult::Pass,
        domain::CheckResult::Fail,
        domain::CheckResult::Error,
    ]);
    check::<_, OrderState>(&[
        domain::OrderState::Created,
        domain::OrderState::Validated,
        domain::OrderState::Failed,
    ]);
}
