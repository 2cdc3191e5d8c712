//! Judges whether a customer orders for more than the limit within an hour.
//!
//! An order fails when it, and what its customer ordered in the hour that ends with its creation, together
//! reach the limit of its currency. What counts are orders that passed this check and are not FAILED.
//!
//! What is remembered, all of it by customer:
//!
//! - a row for each order: what was said of its present attempt, and what that added;
//! - the sums of what counts, by minute and by millisecond. A window is read as its whole minutes and the
//!   milliseconds at its two edges, so that the cost does not grow with the number of the customer's orders.
//!
//! Invariants: the sums are the values of the rows that count; a row changes its sums only together with
//! itself; no value is negative. All keys begin with the hour of the order's creation, which never changes,
//! so what is old stands in front and is pruned from there.

mod exposure;
mod fraud_check;
mod keys;
mod policy;
mod pruning;
mod purchase;
mod row;
mod rule;
mod run;
mod topology;
mod window;

pub use self::policy::{FraudPolicy, InvalidPolicy};
pub use self::run::run;
pub use self::topology::topology;
