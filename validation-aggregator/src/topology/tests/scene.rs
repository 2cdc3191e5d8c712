//! The topology in the test driver, with words for what happens to it.

use std::time::Duration;

use domain::{Check, CheckResult, Decision, Order, Outcome, ReasonCode, Verdict};
use service::topics::{ORDER_OUTCOMES, ORDER_VALIDATIONS, ORDERS};
use streams::{TestDriver, Timestamp};

use crate::AggregatorPolicy;
use crate::case_store::CaseStore;
use crate::samples::{created, verdict};
use crate::topology::build;

/// Order, decision, and the reasons.
type Expected<'a> = (&'a str, Decision, &'a [(Check, ReasonCode)]);

pub(super) struct Scene {
    pub(super) driver: TestDriver,
    pub(super) store: CaseStore,
}

impl Scene {
    pub(super) fn new() -> Self {
        let (topology, store) = build(AggregatorPolicy::default());
        Self { driver: TestDriver::new(topology), store }
    }

    pub(super) fn now(&self) -> i64 {
        self.driver.now().as_millis()
    }

    pub(super) fn wait(&mut self, millis: u64) {
        self.driver.advance(Duration::from_millis(millis));
    }

    /// All tasks stop, and start again after `millis`.
    pub(super) fn outage(&mut self, millis: u64) {
        let now: Timestamp = self.driver.now() + Duration::from_millis(millis);
        self.driver.set_time(now);
    }

    /// The order is created now.
    pub(super) fn create(&mut self, order: &str) -> Order {
        let order = created(order, self.now());
        self.order(&order);
        order
    }

    pub(super) fn order(&mut self, order: &Order) {
        self.driver.pipe(&ORDERS, &order.id, order);
    }

    pub(super) fn judge(&mut self, order: &str, check: Check, result: CheckResult) {
        self.verdict(&verdict(order, check, result));
    }

    pub(super) fn verdict(&mut self, verdict: &Verdict) {
        self.driver.pipe(&ORDER_VALIDATIONS, &verdict.order_id, verdict);
    }

    /// The outcomes since the last look; each stands under its order's id.
    pub(super) fn outcomes(&mut self) -> Vec<Outcome> {
        let outcomes = self.driver.read(&ORDER_OUTCOMES).into_iter();
        outcomes
            .map(|(key, outcome)| if outcome.order_id == key { outcome } else { panic!("{key}") })
            .collect()
    }

    /// The outcomes since the last look.
    #[track_caller]
    pub(super) fn check(&mut self, expected: &[Expected<'_>]) {
        let outcomes = self.outcomes();
        let found: Vec<_> = outcomes
            .iter()
            .map(|outcome| {
                let reasons = outcome.reasons.iter();
                let reasons: Vec<_> = reasons.map(|reason| (reason.check.unwrap(), reason.code)).collect();
                (outcome.order_id.as_str(), outcome.decision, reasons)
            })
            .collect();
        let expected: Vec<_> =
            expected.iter().map(|(order, decision, reasons)| (*order, *decision, reasons.to_vec())).collect();
        assert_eq!(found, expected);
    }

    /// Nothing is remembered any more, neither of orders nor of times.
    #[track_caller]
    pub(super) fn check_forgotten(&self) {
        assert_eq!(self.driver.entries(&self.store.cases), []);
        assert_eq!(self.driver.entries(&self.store.due), []);
    }
}
