//! Values that the tests share: orders, and verdicts on them.

use domain::{
    Check, CheckResult, Currency, Decision, NewOrder, Order, OrderEvent, OrderId, Origin, Outcome,
    ReasonCode, Transition, Verdict, timestamp_from_millis,
};

pub(crate) fn id(order: &str) -> OrderId {
    order.parse().unwrap()
}

/// The first attempt of an order, created at `millis`.
pub(crate) fn created(order: &str, millis: i64) -> Order {
    let new_order = NewOrder {
        id: id(order),
        customer_id: "c-15".parse().unwrap(),
        currency: Currency::EUR,
        lines: Vec::new(),
    };
    let origin = Origin { partition: 0, offset: 0 };
    changed(None, OrderEvent::Create { new_order, at: timestamp_from_millis(millis), origin })
}

/// The order in its final state.
pub(crate) fn decided(order: &Order, decision: Decision) -> Order {
    let outcome = Outcome {
        order_id: order.id.clone(),
        attempt: order.attempt,
        decision,
        reasons: Vec::new(),
        validations: Vec::new(),
        decided_at: order.updated_at,
    };
    changed(Some(order), OrderEvent::Outcome { outcome: &outcome, at: order.updated_at })
}

/// The next attempt of a decided order, begun at `millis`.
pub(crate) fn tried_again(order: &Order, millis: i64) -> Order {
    Order {
        state: domain::OrderState::Created,
        attempt: order.attempt + 1,
        version: order.version + 1,
        updated_at: timestamp_from_millis(millis),
        ..order.clone()
    }
}

/// A verdict on the first attempt of an order.
pub(crate) fn verdict(order: &str, check: Check, result: CheckResult) -> Verdict {
    let code = match result {
        CheckResult::Pass => None,
        CheckResult::Fail => Some(ReasonCode::OutOfStock),
        CheckResult::Error => Some(ReasonCode::StateUnreadable),
    };
    Verdict {
        order_id: id(order),
        check,
        attempt: 1,
        result,
        code,
        detail: code.map(|code| format!("{check}: {code}")),
        started_at: timestamp_from_millis(1),
        finished_at: timestamp_from_millis(2),
    }
}

fn changed(current: Option<&Order>, event: OrderEvent<'_>) -> Order {
    match domain::apply(current, event) {
        Transition::Changed(order) => order,
        other => panic!("{other:?}"),
    }
}
