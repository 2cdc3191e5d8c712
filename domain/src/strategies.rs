//! Any value of the vocabulary, for property tests: here, and with the feature `strategies` in the crates that read
//! these values.

use std::fmt::Debug;
use std::str::FromStr;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use serde_json::{Value, json};

use crate::*;

/// The same JSON as a newer program might write it: with more members in each object, and in another order.
pub fn of_tomorrow(json: &[u8]) -> Vec<u8> {
    fn grown(value: Value) -> Value {
        match value {
            Value::Object(members) => {
                let more = [("aNewMember", json!({ "of": [1, null] })), ("zNewMember", json!("text"))];
                let more = more.map(|(name, value)| (name.to_owned(), value));
                let members = members.into_iter().map(|(name, value)| (name, grown(value)));
                members.chain(more).collect()
            }
            Value::Array(values) => values.into_iter().map(grown).collect(),
            value => value,
        }
    }
    let value = serde_json::from_slice(json).expect("what is given here was written as JSON");
    grown(value).to_string().into_bytes()
}

/// Any id.
pub fn any_id<T: FromStr<Err: Debug> + Debug>() -> impl Strategy<Value = T> {
    "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}".prop_map(|text| parsed(&text))
}

fn parsed<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().expect("what is parsed here was made to be well formed")
}

/// Currencies with two, no, three and four decimals.
pub fn any_currency() -> impl Strategy<Value = Currency> {
    select(vec![Currency::EUR, Currency::JPY, Currency::BHD, parsed("CLF")])
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

/// Any content of an order, sensible or not.
pub fn any_new_order() -> impl Strategy<Value = NewOrder> {
    (any_id(), any_id(), any_currency(), vec(any_line(), 0..5))
        .prop_map(|(id, customer_id, currency, lines)| NewOrder { id, customer_id, currency, lines })
}

fn any_state() -> impl Strategy<Value = OrderState> {
    select(vec![OrderState::Created, OrderState::Validated, OrderState::Failed, parsed("SHIPPED")])
}

fn any_check() -> impl Strategy<Value = Check> {
    select([&Check::ALL[..], &[parsed("CREDIT_CHECK")]].concat())
}

fn any_code() -> impl Strategy<Value = ReasonCode> {
    select(vec![ReasonCode::LimitExceeded, ReasonCode::NoLines, ReasonCode::TimedOut, parsed("NO_CREDIT")])
}

fn any_reason() -> impl Strategy<Value = Reason> {
    (option::of(any_check()), any_code(), any::<Option<String>>()).prop_map(|(check, code, detail)| Reason {
        check,
        code,
        detail,
    })
}

fn any_validation() -> impl Strategy<Value = Validation> {
    let result = select(vec![CheckResult::Pass, CheckResult::Fail, CheckResult::Error]);
    let judged = (any_check(), result, option::of(any_code()), any::<Option<String>>());
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
pub fn any_order() -> impl Strategy<Value = Order> {
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

/// Any outcome that can be represented.
pub fn any_outcome() -> impl Strategy<Value = Outcome> {
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
