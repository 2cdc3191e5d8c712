//! Judges whether a customer orders for as much as the limit within an hour.
//!
//! An order fails when it and what counts besides would reach the limit of its currency within any hour, wherever
//! that begins, that the order was created in. What counts are the customer's orders in the same currency that
//! passed this check and are not FAILED. So what counts never reaches the limit within an hour, in whatever order
//! the orders come: they come from partitions that are read side by side, and one may be judged after a later one.
//!
//! What is remembered, in two stores, all of it by customer:
//!
//! - `judged`: for each order what was said of its present attempt, and what that added;
//! - `hours`: what counts, by hour of the clock (`hour.rs`).
//!
//! An hour that an order lies in touches the hour of the clock before its own, its own, or the one after it. So a
//! verdict needs the order's row and three hours, found by their keys, and leaves the row and one hour behind. None
//! of them grows with the number of the customer's orders, and nothing is searched.
//!
//! Invariants: the sums of the hours are the values of the rows that count; a row changes its hour only together
//! with itself; no value is negative. All keys begin with the hour of the order's creation, which never changes, so
//! what is old stands in front and is pruned from there.

mod fraud_check;
mod hour;
mod keys;
mod policy;
mod priced_order;
mod pruning;
mod purchase;
mod row;
mod rule;
mod run;
mod topology;

pub use self::policy::{FraudPolicy, InvalidPolicy};
pub use self::run::run;
pub use self::topology::topology;
