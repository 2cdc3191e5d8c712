use domain::Check::{self, FraudCheck, InventoryCheck, OrderDetailsCheck};
use domain::CheckResult::{Error, Fail, Pass};
use domain::Decision::{Failed, Validated};
use domain::ReasonCode::{OutOfStock, StateUnreadable};
use domain::{OrderId, Verdict};
use service::topics::{ORDER_VALIDATIONS, ORDERS};

use super::scene::Scene;
use crate::samples::{created, decided, id, tried_again, verdict};

#[test]
fn two_orders_and_six_verdicts() {
    let mut scene = Scene::new();
    scene.create("a");
    scene.create("b");
    scene.judge("a", OrderDetailsCheck, Pass);
    scene.judge("b", InventoryCheck, Pass);
    scene.judge("a", FraudCheck, Pass);
    scene.judge("b", FraudCheck, Pass);
    scene.check(&[]);
    scene.judge("a", InventoryCheck, Pass);
    scene.check(&[("a", Validated, &[])]);
    scene.judge("b", OrderDetailsCheck, Fail);
    scene.check(&[("b", Failed, &[(OrderDetailsCheck, OutOfStock)])]);
}

#[test]
fn an_outcome_shows_the_verdicts_so_far_and_when_it_was_made() {
    let mut scene = Scene::new();
    scene.create("a");
    scene.judge("a", OrderDetailsCheck, Pass);
    scene.wait(1234);
    scene.judge("a", FraudCheck, Error);
    let [outcome] = &scene.outcomes()[..] else { panic!() };
    assert_eq!(outcome.attempt, 1);
    assert_eq!(outcome.decided_at, domain::timestamp_from_millis(1234));
    let validations = [verdict("a", FraudCheck, Error), verdict("a", OrderDetailsCheck, Pass)];
    assert_eq!(outcome.validations, validations.map(|verdict| verdict.validation()));
    assert_eq!(outcome.reasons[0].detail.as_deref(), Some("FRAUD_CHECK: STATE_UNREADABLE"));
}

#[test]
fn what_comes_after_the_outcome_changes_nothing() {
    let mut scene = Scene::new();
    let order = scene.create("a");
    scene.judge("a", FraudCheck, Error);
    scene.check(&[("a", Failed, &[(FraudCheck, StateUnreadable)])]);
    scene.judge("a", FraudCheck, Error);
    scene.judge("a", InventoryCheck, Fail);
    scene.order(&order);
    scene.order(&decided(&order, Failed));
    assert_eq!(scene.driver.entries(&scene.store.cases).len(), 1);
    scene.judge("a", OrderDetailsCheck, Pass);
    assert_eq!(scene.driver.counted("verdicts_late"), 3);
    scene.check_forgotten();

    for check in Check::ALL {
        scene.judge("a", check, Fail);
    }
    assert_eq!(scene.driver.entries(&scene.store.cases).len(), 1);
    scene.wait(60_000);
    scene.check_forgotten();
    assert_eq!(scene.driver.counted("verdicts_unclaimed"), 3);
    scene.check(&[]);
}

#[test]
fn an_order_that_is_decided_already_gets_no_outcome() {
    let mut scene = Scene::new();
    scene.order(&decided(&created("a", 0), Validated));
    scene.check_forgotten();
    scene.judge("a", FraudCheck, Fail);
    scene.wait(60_000);
    scene.check(&[]);
    scene.check_forgotten();
}

#[test]
fn each_attempt_gets_its_own_outcome() {
    let mut scene = Scene::new();
    let first = scene.create("a");
    scene.judge("a", FraudCheck, Fail);
    scene.check(&[("a", Failed, &[(FraudCheck, OutOfStock)])]);
    let failed = decided(&first, Failed);
    scene.order(&failed);
    scene.wait(5_000);
    scene.order(&tried_again(&failed, 5_000));
    scene.judge("a", InventoryCheck, Pass);
    assert_eq!(scene.driver.counted("verdicts_superseded"), 1);
    for check in Check::ALL {
        scene.verdict(&Verdict { attempt: 2, ..verdict("a", check, Pass) });
    }
    let [outcome] = &scene.outcomes()[..] else { panic!() };
    assert_eq!((outcome.attempt, outcome.decision), (2, Validated));
    scene.wait(60_000);
    scene.check_forgotten();
}

#[test]
fn a_record_under_another_key_is_a_dead_letter() {
    let mut scene = Scene::new();
    let other: OrderId = id("b");
    scene.driver.pipe(&ORDERS, &other, &created("a", 0));
    scene.driver.pipe(&ORDER_VALIDATIONS, &other, &verdict("a", FraudCheck, Fail));
    assert_eq!(scene.driver.counted("mismatched_records"), 2);
    assert_eq!(scene.driver.read_records("validation-aggregator-dlq").len(), 2);
    scene.check_forgotten();
}

#[test]
fn a_check_that_is_not_known_can_refuse_an_order_but_is_not_waited_for() {
    let payment: Check = "PAYMENT_CHECK".parse().unwrap();
    let mut scene = Scene::new();
    scene.create("a");
    scene.judge("a", payment, Fail);
    scene.check(&[("a", Failed, &[(payment, OutOfStock)])]);
    scene.create("b");
    for check in Check::ALL {
        scene.judge("b", check, Pass);
    }
    scene.check(&[("b", Validated, &[])]);
    scene.judge("b", payment, Pass);
    scene.check(&[]);
    assert!(scene.driver.read_records("validation-aggregator-dlq").is_empty());
}

#[test]
fn an_order_in_a_state_that_is_not_known_is_no_attempt_that_begins() {
    let mut scene = Scene::new();
    let order = created("a", 0);
    scene.order(&domain::Order { state: "SHIPPED".parse().unwrap(), ..order });
    scene.check_forgotten();
    assert!(scene.driver.read_records("validation-aggregator-dlq").is_empty());
}
