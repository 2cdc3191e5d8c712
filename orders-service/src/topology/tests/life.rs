use domain::Decision::{Failed, Validated};
use domain::{OrderState, Origin, Outcome, ReasonCode, timestamp_from_millis};
use service::topics::ORDER_OUTCOMES;

use super::scene::{Scene, id, new_order, outcome};

#[test]
fn an_order_keeps_the_place_of_the_request_that_made_it() {
    let mut scene = Scene::new();
    scene.wait(250);
    for _ in 0..3 {
        scene.create(new_order("a", 3));
    }
    let [order] = &scene.orders()[..] else { panic!() };
    let partition = streams::partition_of(b"a", 4);
    assert_eq!(order.origin, Origin { partition, offset: 0 });
    assert_eq!((order.state, order.attempt, order.version), (OrderState::Created, 1, 1));
    assert_eq!(
        (order.created_at, order.updated_at),
        (timestamp_from_millis(250), timestamp_from_millis(250))
    );
    assert!(order.has_content(&new_order("a", 3)));

    let behind =
        (0..).map(|n| format!("o-{n}")).find(|id| streams::partition_of(id.as_bytes(), 4) == partition);
    scene.create(new_order(&behind.unwrap(), 1));
    assert_eq!(scene.orders()[0].origin, Origin { partition, offset: 3 });
}

#[test]
fn an_order_is_created_once() {
    let mut scene = Scene::new();
    scene.create(new_order("a", 3));
    scene.create(new_order("b", 1));
    scene.check(&[("a", OrderState::Created, 1), ("b", OrderState::Created, 1)], &[("orders_created", 2)]);
    scene.create(new_order("a", 3));
    scene.check(&[], &[("requests_replayed", 1), ("requests_conflicting", 0)]);
    scene.create(new_order("a", 4));
    scene.check(&[], &[("requests_replayed", 1), ("requests_conflicting", 1)]);
    scene.outcome(&outcome("a", 1, Failed));
    scene.check(&[("a", OrderState::Failed, 2)], &[]);
    scene.create(new_order("a", 3));
    scene.create(new_order("a", 4));
    scene.check(&[], &[("requests_replayed", 2), ("requests_conflicting", 2), ("orders_created", 2)]);
}

#[test]
fn nonsense_is_accepted_for_the_checks_to_judge() {
    let mut scene = Scene::new();
    scene.create(new_order("a", i64::MIN));
    scene.check(&[("a", OrderState::Created, 1)], &[]);
}

#[test]
fn an_outcome_moves_its_order_once() {
    for (decision, state, counter) in [
        (Validated, OrderState::Validated, "orders_validated"),
        (Failed, OrderState::Failed, "orders_failed"),
    ] {
        let mut scene = Scene::new();
        scene.create(new_order("a", 3));
        scene.check(&[("a", OrderState::Created, 1)], &[(counter, 0)]);
        scene.outcome(&outcome("a", 1, decision));
        scene.check(&[("a", state, 2)], &[(counter, 1)]);
        for again in [Validated, Failed] {
            scene.outcome(&outcome("a", 1, again));
        }
        scene.check(&[], &[("transitions_refused", 2), (counter, 1)]);
    }
}

#[test]
fn what_does_not_fit_is_refused_and_counted() {
    let mut scene = Scene::new();
    scene.create(new_order("a", 3));
    scene.check(&[("a", OrderState::Created, 1)], &[]);
    scene.outcome(&outcome("nobody", 1, Validated));
    scene.check(&[], &[("transitions_refused", 1)]);
    scene.outcome(&outcome("a", 2, Validated));
    scene.check(&[], &[("transitions_refused", 2)]);
    scene.driver.pipe(&ORDER_OUTCOMES, &id("a"), &outcome("b", 1, Validated));
    scene.check(&[], &[("transitions_refused", 2), ("mismatched_records", 1)]);
    scene.request(&id("a"), new_order("c", 1));
    scene.check(&[], &[("mismatched_records", 2), ("dead_letters", 2)]);
    assert_eq!(scene.driver.entries(&scene.view).len(), 1);
}

#[test]
fn a_decided_order_shows_why() {
    let mut scene = Scene::new();
    scene.wait(100);
    scene.create(new_order("a", 3));
    scene.wait(50);
    let failed: Outcome = outcome("a", 1, Failed);
    scene.outcome(&failed);
    let [created, order] = &scene.orders()[..] else { panic!() };
    assert_eq!((&order.reasons, &order.validations), (&failed.reasons, &failed.validations));
    assert_eq!(order.reasons[0].code, ReasonCode::TimedOut);
    assert_eq!((order.created_at, order.origin), (created.created_at, created.origin));
    assert_eq!(order.updated_at, timestamp_from_millis(150));
    assert_eq!(order.history.len(), 2);
}

#[test]
fn the_clock_of_another_machine_does_not_turn_history_back() {
    let mut scene = Scene::new();
    scene.wait(5_000);
    scene.create(new_order("a", 3));
    scene.driver.set_time(streams::Timestamp::from_millis(1_000));
    scene.outcome(&outcome("a", 1, Validated));
    let [created, order] = &scene.orders()[..] else { panic!() };
    assert_eq!(order.updated_at, created.updated_at);
}

#[test]
fn a_restart_keeps_the_view() {
    let mut scene = Scene::new();
    scene.create(new_order("a", 3));
    let orders = scene.orders();
    scene.driver.restart();
    assert_eq!(scene.driver.get(&scene.view, &id("a")).as_ref(), orders.first());
    scene.create(new_order("a", 3));
    scene.outcome(&outcome("a", 1, Validated));
    scene.check(&[("a", OrderState::Validated, 2)], &[("requests_replayed", 1)]);
}
