//! A topology under test, and orders as tests write them down.

use std::collections::BTreeMap;

use domain::{
    CheckResult, Currency, NewOrder, Order, OrderEvent, OrderLine, OrderState, Origin, ReasonCode,
    Transition, Verdict, apply,
};
use streams::{TestDriver, Timestamp};

use super::*;

/// Something that comes on `orders`.
#[derive(Clone, Debug)]
pub(super) struct Input {
    id: &'static str,
    state: OrderState,
    /// Whether the order is written down here, and not one that came before.
    fresh: bool,
    customer: &'static str,
    currency: Currency,
    amount: i64,
    lines: Option<Vec<(i64, i64)>>,
    attempt: Option<u32>,
    created: Option<&'static str>,
}

/// An order of c-1 over `amount` EUR, created now.
pub(super) fn order(id: &'static str, amount: i64) -> Input {
    Input {
        id,
        state: OrderState::Created,
        fresh: true,
        customer: "c-1",
        currency: Currency::EUR,
        amount,
        lines: None,
        attempt: None,
        created: None,
    }
}

/// The order `id` as it came before, once more.
pub(super) fn again(id: &'static str) -> Input {
    Input { fresh: false, ..order(id, 1) }
}

/// The order `id` as it came before, or one that nobody saw created, now FAILED.
pub(super) fn failed(id: &'static str) -> Input {
    Input { state: OrderState::Failed, ..again(id) }
}

/// The order `id` as it came before, now VALIDATED.
pub(super) fn validated(id: &'static str) -> Input {
    Input { state: OrderState::Validated, ..again(id) }
}

/// The order `id` as it came before, or one that nobody saw created, now in a state that is not known here.
pub(super) fn shipped(id: &'static str) -> Input {
    Input { state: "SHIPPED".parse().unwrap(), ..again(id) }
}

impl Input {
    pub(super) fn of(self, customer: &'static str) -> Self {
        Self { customer, ..self }
    }

    pub(super) fn paid_in(self, currency: Currency) -> Self {
        Self { currency, ..self }
    }

    pub(super) fn created_at(self, time: &'static str) -> Self {
        Self { created: Some(time), ..self }
    }

    pub(super) fn attempt(self, attempt: u32) -> Self {
        Self { attempt: Some(attempt), ..self }
    }

    /// Quantities and unit prices in minor units, instead of an amount.
    pub(super) fn lines(self, lines: &[(i64, i64)]) -> Self {
        Self { lines: Some(lines.to_vec()), ..self }
    }

    fn create(&self, at: domain::Timestamp) -> Order {
        let one = vec![(1, self.amount * self.currency.minor_per_major())];
        let line =
            |(quantity, unit_price)| OrderLine { product_id: "p-1".parse().unwrap(), quantity, unit_price };
        let new_order = NewOrder {
            id: self.id.parse().unwrap(),
            customer_id: self.customer.parse().unwrap(),
            currency: self.currency,
            lines: self.lines.clone().unwrap_or(one).into_iter().map(line).collect(),
        };
        let origin = Origin { partition: 0, offset: 0 };
        match apply(None, OrderEvent::Create { new_order, at, origin }) {
            Transition::Changed(order) => order,
            other => panic!("{other:?}"),
        }
    }
}

/// A time on the day of the tests, such as `10:00` or `10:00:00.001`, or of another day in full.
pub(super) fn at(time: &str) -> domain::Timestamp {
    let full = if time.contains('T') { time.to_owned() } else { format!("2026-03-01T{time}Z") };
    full.parse().unwrap()
}

/// What comes out for an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Pass,
    Fail(ReasonCode),
    Error,
    TooLate,
    Silent,
}

impl Expected {
    pub(super) fn of(verdicts: &[Verdict]) -> Self {
        match verdicts {
            [] => Self::Silent,
            [Verdict { result: CheckResult::Pass, code: None, detail: None, .. }] => Self::Pass,
            [Verdict { result: CheckResult::Fail, code: Some(code), detail: Some(_), .. }] => {
                Self::Fail(*code)
            }
            [Verdict { result: CheckResult::Error, code: Some(ReasonCode::StateUnreadable), .. }] => {
                Self::Error
            }
            [Verdict { result: CheckResult::Error, code: Some(ReasonCode::TimedOut), .. }] => Self::TooLate,
            other => panic!("{other:#?}"),
        }
    }
}

pub(super) struct Fixture {
    pub(super) driver: TestDriver,
    pub(super) rows: Store<RowKey, Row>,
    pub(super) hours: Store<HourKey, Hour>,
    orders: BTreeMap<&'static str, Order>,
}

impl Fixture {
    pub(super) fn new(policy: &str, partitions: i32) -> Self {
        let (topology, (rows, hours)) = with_stores(policy.parse().unwrap());
        let driver = TestDriver::with_partitions(topology, partitions);
        Self { driver, rows, hours, orders: BTreeMap::new() }
    }

    /// Lets time pass until `time`, which is where the test begins if it is the first.
    pub(super) fn wait_until(&mut self, time: &str) {
        let time = Timestamp::from_millis(at(time).as_millisecond());
        if self.driver.now() == Timestamp::default() {
            self.driver.set_time(time);
        }
        self.driver.advance(time.since(self.driver.now()));
    }

    /// Pipes the input in, and reads the verdicts on it.
    pub(super) fn pipe(&mut self, input: &Input) -> Vec<Verdict> {
        let known = self.orders.get(input.id);
        let now = domain::timestamp_from_millis(self.driver.now().as_millis());
        let created = input.created.map(at).or(known.map(|order| order.created_at)).unwrap_or(now);
        let mut order = known.filter(|_| !input.fresh).cloned().unwrap_or_else(|| input.create(created));
        order.state = input.state;
        order.attempt = input.attempt.unwrap_or(order.attempt);
        self.orders.insert(input.id, order.clone());
        self.pipe_order(&order)
    }

    pub(super) fn pipe_order(&mut self, order: &Order) -> Vec<Verdict> {
        self.driver.pipe(&topics::ORDERS, &order.id, order);
        let records = self.driver.read(&topics::ORDER_VALIDATIONS);
        let verdict_of = |(key, verdict): (_, Verdict)| {
            assert_eq!((&key, &verdict.order_id, verdict.attempt), (&order.id, &order.id, order.attempt));
            verdict
        };
        records.into_iter().map(verdict_of).collect()
    }

    /// All that counts, as the rows have it.
    pub(super) fn counted(&self) -> i128 {
        self.driver.entries(&self.rows).iter().map(|(_, row)| i128::from(row.standing.value())).sum()
    }

    /// All that counts, as the hours have it.
    pub(super) fn in_hours(&self) -> i128 {
        let hours = self.driver.entries(&self.hours);
        let sums = hours.iter().map(|(_, hour)| {
            let json = streams::encode_value(hour).unwrap();
            let stretches: Vec<(u64, u64, i128)> = streams::decode_value(&json).unwrap();
            stretches.iter().map(|(_, _, sum)| sum).sum::<i128>()
        });
        sums.sum()
    }
}
