//! The vocabulary of the order pipeline: orders, verdicts, outcomes, stock,
//! customers, money, and the JSON in which they travel.
//!
//! Nothing here does IO, reads a clock or knows Kafka. Three invariants hold
//! throughout:
//!
//! - **Parsed means well formed.** An [`OrderId`], a [`Currency`] or an
//!   [`EmailAddress`] that exists has the right form. What is a business
//!   question (a quantity of −1, a total that overflows) stays representable,
//!   so that a rule can judge it.
//! - **Rules are total.** [`apply`] answers every event in every state, and
//!   nothing here panics.
//! - **One JSON per type.** Values on topics and in HTTP bodies are camelCase;
//!   an amount is `i64` minor units inside and a decimal string outside; a time
//!   is RFC 3339 in UTC.
//!
//! Values read from topics may carry fields, checks, reasons, states and commands
//! that are not known here, so that a newer writer does not stop an older reader:
//! fields are passed over, the others kept as text ([`UnknownName`]). How a check
//! ended and what was decided ([`CheckResult`], [`Decision`]) are closed. Bodies that come from outside
//! ([`parse_new_order`], [`parse_adjustment`], [`parse_customer`]) may not.

mod amount;
mod check;
mod currency;
mod customer;
mod customer_form;
mod email_address;
mod first_look;
mod form;
mod hidden;
mod ids;
mod names;
mod new_order;
mod order;
mod order_form;
mod order_json;
mod order_request;
mod outcome;
mod read_time;
mod reason;
#[cfg(test)]
mod samples;
mod state_machine;
mod stock;
mod stock_form;
#[cfg(any(test, feature = "strategies"))]
pub mod strategies;
mod text;
mod tier_record;
mod time;
pub mod topics;
mod verdict;

pub use amount::{AmountError, format_amount, parse_amount};
pub use check::{Check, CheckResult};
pub use currency::{Currency, InvalidCurrency};
pub use customer::{Customer, CustomerName, InvalidCustomerName, InvalidLevel, Level};
pub use customer_form::{CustomerForm, CustomerView, parse_customer};
pub use email_address::{EmailAddress, InvalidEmailAddress};
pub use first_look::state_of;
pub use form::{BodyError, FieldError, MAX_FIELD_ERRORS};
pub use ids::{AdjustmentId, CustomerId, InvalidId, OrderId, ProductId};
pub use names::{NameTooLong, UnknownName};
pub use new_order::{NewOrder, OrderLine};
pub use order::{HistoryEntry, Order, OrderState, Origin};
pub use order_form::{MAX_LINES, parse_new_order};
pub use order_json::{InvalidPrice, OrderView, UnpricedLines};
pub use order_request::OrderRequest;
pub use outcome::{Decision, Outcome};
pub use read_time::read_time;
pub use reason::{Reason, ReasonCode};
pub use state_machine::{OrderEvent, Refusal, Transition, apply, supersedes};
pub use stock::{Stock, StockAdjustment, StockView};
pub use stock_form::{AdjustmentForm, parse_adjustment};
pub use tier_record::TierRecord;
pub use time::{Timestamp, timestamp_from_millis};
pub use verdict::{Judgement, Validation, Verdict};
