//! Judges whether a customer orders for more than the limit within an hour.
//!
//! An order fails when it, and what its customer ordered in the hour that ends with its creation, together
//! reach the limit of its currency. What counts are orders that passed this check and are not FAILED.
//!
//! What is remembered, in two stores, all of it by customer:
//!
//! - `rows`: for each order what was said of its present attempt, and what that added;
//! - `sums`: what counts, as sums of the hours of the clock, each with as much detail as it needs
//!   (`sums.rs`). A window touches two hours, so a verdict needs the order's row and two values of sums,
//!   found by their keys, and leaves the row and one value of sums behind. Only for who orders much there
//!   are minutes and seconds below the hour: one of each at each edge to read, one of each to change. So the
//!   cost does not grow with the number of the customer's orders, and nothing is searched.
//!
//! Invariants: the sums are the values of the rows that count; a row changes its sums only together with
//! itself; no value is negative. All keys begin with the hour of the order's creation, which never changes,
//! so what is old stands in front and is pruned from there.

mod exposure;
mod fraud_check;
mod keys;
mod policy;
mod priced_order;
mod pruning;
mod purchase;
mod row;
mod rule;
mod run;
mod span;
mod sums;
mod topology;
mod window;

pub use self::policy::{FraudPolicy, InvalidPolicy};
pub use self::run::run;
pub use self::topology::topology;
