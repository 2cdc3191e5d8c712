use proptest::collection::vec;
use proptest::prelude::*;

use super::Refusal::*;
use super::*;
use crate::currency::Currency;
use crate::outcome::Decision;
use crate::samples::*;
use crate::strategies::*;

enum Expected {
    /// State, attempt and version after the event.
    Changed(OrderState, u32, u32),
    Replayed,
    Conflict,
    Refused(Refusal),
}

#[track_caller]
fn check(case: &str, current: Option<&Order>, event: OrderEvent<'_>, expected: Expected) {
    match (apply(current, event), expected) {
        (Transition::Changed(order), Expected::Changed(state, attempt, version)) => {
            assert_eq!((order.state, order.attempt, order.version), (state, attempt, version), "{case}");
        }
        (Transition::Replayed, Expected::Replayed) | (Transition::Conflict, Expected::Conflict) => {}
        (Transition::Refused(refusal), Expected::Refused(expected)) => {
            assert_eq!(refusal, expected, "{case}")
        }
        (found, _) => panic!("{case}: {found:?}"),
    }
}

fn creation(new_order: NewOrder) -> OrderEvent<'static> {
    let origin = Origin { partition: 0, offset: 7 };
    OrderEvent::Create { new_order, at: at("11:00:00"), origin }
}

fn ended(outcome: &Outcome) -> OrderEvent<'_> {
    OrderEvent::Outcome { outcome, at: at("11:00:00") }
}

#[test]
fn an_order_is_created_once() {
    use Expected::*;
    let same = new_order;
    let other_customer = NewOrder { customer_id: parsed("c-16"), ..same() };
    let other_currency = NewOrder { currency: Currency::USD, ..same() };
    let other_price = NewOrder { lines: vec![line("p-1", 3, 1251)], ..same() };
    let one_line_more = NewOrder { lines: [same().lines, same().lines].concat(), ..same() };
    let (created, failed) = (created(), failed());

    check("absent", None, creation(same()), Changed(OrderState::Created, 1, 1));
    check("again", Some(&created), creation(same()), Replayed);
    check("again, when decided", Some(&failed), creation(same()), Replayed);
    check("other customer", Some(&created), creation(other_customer), Conflict);
    check("other currency", Some(&created), creation(other_currency), Conflict);
    check("other price", Some(&created), creation(other_price), Conflict);
    check("one line more", Some(&failed), creation(one_line_more), Conflict);
}

#[test]
fn an_outcome_decides_the_present_attempt_once() {
    use Expected::*;
    let fails = out_of_stock();
    let passes = Outcome { decision: Decision::Validated, ..out_of_stock() };
    let early = Outcome { attempt: 0, ..out_of_stock() };
    let late = Outcome { attempt: 2, ..out_of_stock() };
    let stray = Outcome { order_id: parsed("other"), ..out_of_stock() };
    let (created, failed) = (created(), failed());
    let exhausted = Order { version: u32::MAX, ..created.clone() };

    check("pass", Some(&created), ended(&passes), Changed(OrderState::Validated, 1, 2));
    check("fail", Some(&created), ended(&fails), Changed(OrderState::Failed, 1, 2));
    check("absent", None, ended(&fails), Refused(NoSuchOrder));
    check("stray", Some(&created), ended(&stray), Refused(OtherOrder));
    check("earlier attempt", Some(&created), ended(&early), Refused(OtherAttempt));
    check("later attempt", Some(&created), ended(&late), Refused(OtherAttempt));
    check("again", Some(&failed), ended(&fails), Refused(AlreadyDecided));
    check("another decision", Some(&failed), ended(&passes), Refused(AlreadyDecided));
    check("last version", Some(&exhausted), ended(&passes), Refused(VersionExhausted));
}

#[test]
fn a_decided_order_shows_how_it_came_about() {
    let (before, after, outcome) = (created(), failed(), out_of_stock());
    assert_eq!(after.reasons, outcome.reasons);
    assert_eq!(after.validations, outcome.validations);
    assert_eq!(after.history[..1], before.history);
    assert_eq!(
        after.history[1],
        HistoryEntry { state: OrderState::Failed, version: 2, at: at("10:00:00.75") }
    );
    assert_eq!((after.created_at, after.updated_at), (at("10:00:00"), at("10:00:00.75")));
    assert_eq!(after.origin, before.origin);
}

#[test]
fn history_does_not_run_backwards() {
    let event = OrderEvent::Outcome { outcome: &out_of_stock(), at: at("09:59:59") };
    let Transition::Changed(order) = apply(Some(&created()), event) else { panic!() };
    assert_eq!((order.updated_at, order.history[1].at), (at("10:00:00"), at("10:00:00")));
}

#[test]
fn a_higher_attempt_or_version_supersedes() {
    let standing = |attempt, version| Order { attempt, version, ..created() };
    for (current, incoming, expected) in [
        ((1, 1), (1, 2), true),
        ((1, 2), (1, 2), false),
        ((1, 2), (1, 1), false),
        ((1, 9), (2, 1), true),
        ((2, 1), (1, 9), false),
    ] {
        let (known, new) = (standing(current.0, current.1), standing(incoming.0, incoming.1));
        assert_eq!(supersedes(Some(&known), &new), expected, "{current:?} {incoming:?}");
        assert!(supersedes(None, &new));
    }
}

/// Events of which many fit: a handful of orders, and attempts near 1.
#[derive(Debug, Clone)]
enum Event {
    Create(NewOrder),
    Outcome(Outcome),
}

fn any_event() -> impl Strategy<Value = Event> {
    let request =
        prop_oneof![Just(new_order()), Just(NewOrder { lines: Vec::new(), ..new_order() }), any_new_order()];
    let outcome = (any_outcome(), any::<bool>(), 0..3_u32).prop_map(|(outcome, fits, attempt)| {
        if fits { Outcome { order_id: parsed("01J9Z"), attempt, ..outcome } } else { outcome }
    });
    prop_oneof![request.prop_map(Event::Create), outcome.prop_map(Event::Outcome)]
}

fn step(current: Option<&Order>, event: &Event, at: Timestamp) -> Transition {
    match event.clone() {
        Event::Create(new_order) => apply(current, OrderEvent::Create { new_order, at, origin: origin() }),
        Event::Outcome(outcome) => apply(current, OrderEvent::Outcome { outcome: &outcome, at }),
    }
}

/// What holds of every change, whatever came before it.
fn check_change(before: Option<&Order>, after: &Order) -> Result<(), TestCaseError> {
    prop_assert!(supersedes(before, after));
    prop_assert_eq!(after.version, before.map_or(0, |order| order.version) + 1);
    prop_assert_eq!(after.history.len(), before.map_or(0, |order| order.history.len()) + 1);
    prop_assert_eq!(after.history.last().map(|entry| entry.state), Some(after.state));
    prop_assert!(!before.is_some_and(|order| order.state.is_final()));
    prop_assert!(before.is_none_or(|order| after.updated_at >= order.updated_at));
    Ok(())
}

proptest! {
    #[test]
    fn any_sequence_of_events_makes_a_sound_order(
        events in vec((any_event(), any::<i64>()), 0..20)
    ) {
        let mut current: Option<Order> = None;
        for (event, millis) in events {
            let at = crate::timestamp_from_millis(millis);
            if let Transition::Changed(order) = step(current.as_ref(), &event, at) {
                check_change(current.as_ref(), &order)?;
                let again = step(Some(&order), &event, at);
                prop_assert!(matches!(again, Transition::Replayed | Transition::Refused(_)));
                current = Some(order);
            }
        }
    }

    #[test]
    fn any_event_has_an_answer_in_any_state(order in any_order(), event in any_event()) {
        if let Transition::Changed(after) = step(Some(&order), &event, order.updated_at) {
            check_change(Some(&order), &after)?;
        }
    }
}
