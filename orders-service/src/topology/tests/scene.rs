//! The topology in the test driver, with words for what happens to it.

use std::time::Duration;

use domain::{
    Currency, Decision, NewOrder, Order, OrderId, OrderLine, OrderRequest, OrderState, Outcome, Reason,
    ReasonCode, timestamp_from_millis,
};
use service::topics::{ORDER_OUTCOMES, ORDER_REQUESTS, ORDERS};
use streams::{Store, TestDriver};

use crate::{OrdersTopology, topology};

pub(super) struct Scene {
    pub(super) driver: TestDriver,
    pub(super) view: Store<OrderId, Order>,
}

pub(super) fn id(order: &str) -> OrderId {
    order.parse().unwrap()
}

/// So many pieces of one product.
pub(super) fn new_order(order: &str, quantity: i64) -> NewOrder {
    let line = OrderLine { product_id: "p-1".parse().unwrap(), quantity, unit_price: 1250 };
    NewOrder {
        id: id(order),
        customer_id: "c-15".parse().unwrap(),
        currency: Currency::EUR,
        lines: vec![line],
    }
}

pub(super) fn outcome(order: &str, attempt: u32, decision: Decision) -> Outcome {
    let timed_out = Reason { check: None, code: ReasonCode::TimedOut, detail: None };
    let reasons = (decision == Decision::Failed).then_some(timed_out).into_iter().collect();
    let decided_at = timestamp_from_millis(7);
    Outcome { order_id: id(order), attempt, decision, reasons, validations: Vec::new(), decided_at }
}

impl Scene {
    pub(super) fn new() -> Self {
        let OrdersTopology { topology, view } = topology();
        Self { driver: TestDriver::with_partitions(topology, 4), view }
    }

    pub(super) fn wait(&mut self, millis: u64) {
        self.driver.advance(Duration::from_millis(millis));
    }

    pub(super) fn create(&mut self, order: NewOrder) {
        let key = order.id.clone();
        self.request(&key, order);
    }

    pub(super) fn request(&mut self, key: &OrderId, order: NewOrder) {
        // What the client's clock or that of the HTTP side says does not matter.
        let requested_at = timestamp_from_millis(1);
        self.driver.pipe(&ORDER_REQUESTS, key, &OrderRequest::Create { order, requested_at });
    }

    pub(super) fn outcome(&mut self, outcome: &Outcome) {
        self.driver.pipe(&ORDER_OUTCOMES, &outcome.order_id, outcome);
    }

    /// The records on `orders` since the last look.
    pub(super) fn orders(&mut self) -> Vec<Order> {
        let orders = self.driver.read(&ORDERS).into_iter();
        orders.map(|(key, order)| if order.id == key { order } else { panic!("{key}") }).collect()
    }

    /// The records on `orders` since the last look, and how often each of `counters` has counted.
    #[track_caller]
    pub(super) fn check(&mut self, expected: &[(&str, OrderState, u32)], counters: &[(&str, u64)]) {
        let orders = self.orders();
        let found = orders.iter().map(|order| (order.id.as_str(), order.state, order.version));
        assert_eq!(found.collect::<Vec<_>>(), expected);
        for (counter, expected) in counters {
            assert_eq!(self.driver.counted(counter), *expected, "{counter}");
        }
        for order in orders {
            assert_eq!(self.driver.get(&self.view, &order.id), Some(order), "the view shows the topic");
        }
    }
}
