//! Orders and customers that the tests share.

use std::fmt::Debug;
use std::str::FromStr;

use domain::{
    Check, Currency, Customer, HistoryEntry, Level, Order, OrderLine, OrderState, Origin, Reason, ReasonCode,
    Timestamp,
};
use email_service::{Mail, Mailbox, compose};

/// Parses what a test writes down as text.
#[track_caller]
pub(crate) fn parsed<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// When all orders of the tests are created.
pub(crate) fn creation() -> Timestamp {
    parsed("2026-03-01T10:00:00Z")
}

/// Three of p-1 for 12.50 EUR, ordered by c-15.
pub(crate) fn created(id: &str) -> Order {
    let (state, at) = (OrderState::Created, creation());
    Order {
        id: parsed(id),
        customer_id: parsed("c-15"),
        currency: Currency::EUR,
        lines: vec![line("p-1", 3, 1250)],
        state,
        attempt: 1,
        version: 1,
        reasons: Vec::new(),
        validations: Vec::new(),
        history: vec![HistoryEntry { state, version: 1, at }],
        created_at: at,
        updated_at: at,
        origin: Origin { partition: 0, offset: 0 },
    }
}

pub(crate) fn validated(id: &str) -> Order {
    decided(created(id), OrderState::Validated)
}

pub(crate) fn failed(id: &str) -> Order {
    let order = decided(created(id), OrderState::Failed);
    let reason = reason(ReasonCode::OutOfStock, Some(Check::InventoryCheck), "p-1: 3 asked, 2 available");
    Order { reasons: vec![reason], ..order }
}

/// The same order, ordered by another customer.
pub(crate) fn by(customer: &str, order: Order) -> Order {
    Order { customer_id: parsed(customer), ..order }
}

pub(crate) fn line(product: &str, quantity: i64, unit_price: i64) -> OrderLine {
    OrderLine { product_id: parsed(product), quantity, unit_price }
}

pub(crate) fn reason(code: ReasonCode, check: Option<Check>, detail: &str) -> Reason {
    Reason { code, check, detail: Some(detail.to_owned()) }
}

/// Ada, of level gold.
pub(crate) fn ada() -> Customer {
    customer("c-15", "Ada", "ada@example.org", Level::Gold)
}

pub(crate) fn customer(id: &str, name: &str, email: &str, level: Level) -> Customer {
    Customer { id: parsed(id), name: name.to_owned(), email: email.to_owned(), level }
}

pub(crate) fn sender() -> Mailbox {
    parsed("Orders <orders@shop.example>")
}

/// The mail about a validated order, to this address.
pub(crate) fn mail(order: &str, email: &str) -> Mail {
    let customer = Customer { email: email.to_owned(), ..ada() };
    compose(&sender(), &customer, &validated(order)).unwrap()
}

fn decided(order: Order, state: OrderState) -> Order {
    let (version, at) = (order.version + 1, parsed("2026-03-01T10:00:00.75Z"));
    let mut order = Order { state, version, updated_at: at, ..order };
    order.history.push(HistoryEntry { state, version, at });
    order
}
