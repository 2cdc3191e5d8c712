//! An inventory under test, and the words in which the tests speak of it.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{
    AdjustmentId, Currency, NewOrder, Order, OrderEvent, OrderLine, OrderState, Origin, ProductId, Stock,
    StockAdjustment, Timestamp, Transition, Verdict, apply,
};
use service::topics;
use streams::{TestDriver, Value, encode_value};

use crate::adjustment::{AdjustmentKey, AdjustmentOutcome};
use crate::attempt::Attempt;
use crate::line_answer::{LineAnswer, LineJudgement};
use crate::reservation::ReservationKey;
use crate::{Stores, topology};

pub(super) struct Warehouse {
    pub(super) driver: TestDriver,
    pub(super) stores: Stores,
    orders: BTreeMap<String, Order>,
    deliveries: u32,
}

/// Something that comes in.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// A delivery of so many pieces.
    Put(&'static str, i64),
    /// The order is created, with such lines.
    Created(&'static str, Vec<(&'static str, i64)>),
    /// An attempt of an order, which must have been created before, is in this state.
    Attempt(&'static str, u32, OrderState),
}

pub(super) fn put(product: &'static str, quantity: i64) -> Event {
    Event::Put(product, quantity)
}

pub(super) fn created(id: &'static str, lines: &[(&'static str, i64)]) -> Event {
    Event::Created(id, lines.to_vec())
}

pub(super) fn again(id: &'static str, attempt: u32) -> Event {
    Event::Attempt(id, attempt, OrderState::Created)
}

pub(super) fn validated(id: &'static str, attempt: u32) -> Event {
    Event::Attempt(id, attempt, OrderState::Validated)
}

pub(super) fn failed(id: &'static str, attempt: u32) -> Event {
    Event::Attempt(id, attempt, OrderState::Failed)
}

/// Runs the events with one and with four partitions, each once and each twice:
/// the verdicts are those named, and in the end so much is on hand and reserved.
#[track_caller]
pub(super) fn check(events: &[(Event, &[&str])], stocks: &[(&str, i64, i64)]) {
    for partitions in [1, 4] {
        for times in [1, 2] {
            let mut warehouse = Warehouse::new(partitions);
            for (index, (event, expected)) in events.iter().enumerate() {
                let case = format!("event {index}, {event:?}; {partitions} partitions, {times} times");
                let verdicts = warehouse.take(event, times);
                let expected: Vec<_> = expected.iter().cycle().take(expected.len() * times).collect();
                assert!(verdicts.iter().eq(expected), "{case}: {verdicts:?}");
                warehouse.assert_consistent(&case);
            }
            for (product, on_hand, reserved) in stocks {
                let expected = Stock { on_hand: *on_hand, reserved: *reserved };
                let found = warehouse.stock(product).unwrap_or_default();
                assert_eq!(found, expected, "{product}; {partitions} partitions, {times} times");
            }
        }
    }
}

impl Warehouse {
    pub(super) fn new(partitions: i32) -> Self {
        let (topology, stores) = topology();
        let driver = TestDriver::with_partitions(topology, partitions);
        Self { driver, stores, orders: BTreeMap::new(), deliveries: 0 }
    }

    fn take(&mut self, event: &Event, times: usize) -> Vec<String> {
        match event {
            Event::Put(product, quantity) => {
                self.deliveries += 1;
                let id = format!("delivery-{}", self.deliveries);
                (0..times).for_each(|_| self.adjust(product, &id, *quantity));
            }
            Event::Created(id, lines) => {
                let order = order(id, lines);
                (0..times).for_each(|_| self.pipe(&order));
                self.orders.insert((*id).to_owned(), order);
            }
            Event::Attempt(id, attempt, state) => {
                let order = self.orders.get(*id).expect("an order was created");
                let order = Order { attempt: *attempt, state: *state, ..order.clone() };
                (0..times).for_each(|_| self.pipe(&order));
            }
        }
        self.verdicts()
    }

    pub(super) fn pipe(&mut self, order: &Order) {
        self.driver.pipe(&topics::ORDERS, &order.id, order);
    }

    pub(super) fn adjust(&mut self, product: &str, id: &str, quantity: i64) {
        let (product_id, id): (ProductId, AdjustmentId) = (product.parse().unwrap(), id.parse().unwrap());
        let requested_at = Timestamp::UNIX_EPOCH;
        let adjustment = StockAdjustment { id, product_id: product_id.clone(), quantity, requested_at };
        self.driver.pipe(&topics::WAREHOUSE_INVENTORY, &product_id, &adjustment);
    }

    /// A product's answer, past the product.
    pub(super) fn answer(&mut self, order: &str, attempt: u32, product: &str) {
        let product_id = product.parse().unwrap();
        let answer = LineAnswer { product_id, attempt, judgement: LineJudgement::Pass };
        self.pipe_internal("answers-by-order", order, &answer);
    }

    /// A record between two steps.
    pub(super) fn pipe_internal(&mut self, name: &str, key: &str, value: &impl Value) {
        let topic = format!("inventory-service-{name}-repartition");
        let (key, value) = (key.as_bytes().to_vec(), encode_value(value).unwrap());
        self.driver.pipe_bytes(&topic, Some(key.into()), Some(value));
    }

    /// The verdicts since the last call, as text.
    pub(super) fn verdicts(&mut self) -> Vec<String> {
        self.read_verdicts().iter().map(text).collect()
    }

    pub(super) fn read_verdicts(&mut self) -> Vec<Verdict> {
        let verdicts = self.driver.read(&topics::ORDER_VALIDATIONS);
        verdicts
            .into_iter()
            .map(|(key, verdict)| {
                assert_eq!(key, verdict.order_id);
                verdict
            })
            .collect()
    }

    pub(super) fn stock(&self, product: &str) -> Option<Stock> {
        self.driver.get(&self.stores.stock, &product.parse().unwrap())
    }

    pub(super) fn adjustment(&self, product: &str, id: &str) -> Option<AdjustmentOutcome> {
        let (product_id, adjustment_id) = (product.parse().unwrap(), id.parse().unwrap());
        let key = AdjustmentKey { product_id, adjustment_id };
        self.driver.get(&self.stores.adjustments, &key).map(|result| result.outcome)
    }

    pub(super) fn reserved(&self) -> BTreeMap<ReservationKey, i64> {
        let rows = self.driver.entries(&self.stores.reservations).into_iter();
        rows.map(|(key, row)| (key, row.quantity())).filter(|(_, quantity)| *quantity > 0).collect()
    }

    pub(super) fn attempt(&self, order: &str) -> Option<Attempt> {
        self.driver.get(&self.stores.attempts, &order.parse().unwrap())
    }

    pub(super) fn hours_pass(&mut self, hours: u64) {
        self.driver.advance(Duration::from_secs(hours * 60 * 60));
    }

    /// 0 ≤ reserved ≤ on hand, and reserved is the sum of the rows.
    #[track_caller]
    pub(super) fn assert_consistent(&self, case: &str) {
        let mut rows: BTreeMap<ProductId, i64> = BTreeMap::new();
        for (key, quantity) in self.reserved() {
            *rows.entry(key.product_id).or_default() += quantity;
        }
        for (product, Stock { on_hand, reserved }) in self.driver.entries(&self.stores.stock) {
            assert!(0 <= reserved && reserved <= on_hand, "{case}: {product} {on_hand} {reserved}");
            assert_eq!(rows.remove(&product).unwrap_or_default(), reserved, "{case}: {product}");
        }
        assert!(rows.is_empty(), "{case}: reserved without stock: {rows:?}");
    }
}

/// `PASS`, or `FAIL OUT_OF_STOCK p-1: 3 asked, 2 available`.
pub(super) fn text(verdict: &Verdict) -> String {
    let mut text = verdict.result.to_string();
    if let (Some(code), Some(detail)) = (verdict.code, &verdict.detail) {
        text = format!("{text} {code} {detail}");
    }
    text
}

/// The order, created.
pub(super) fn order(id: &str, lines: &[(&str, i64)]) -> Order {
    let line = |(product, quantity): &(&str, i64)| OrderLine {
        product_id: product.parse().unwrap(),
        quantity: *quantity,
        unit_price: 1250,
    };
    let new_order = NewOrder {
        id: id.parse().unwrap(),
        customer_id: "c-15".parse().unwrap(),
        currency: Currency::EUR,
        lines: lines.iter().map(line).collect(),
    };
    let (at, origin) = (Timestamp::UNIX_EPOCH, Origin { partition: 0, offset: 0 });
    match apply(None, OrderEvent::Create { new_order, at, origin }) {
        Transition::Changed(order) => order,
        other => panic!("{other:?}"),
    }
}
