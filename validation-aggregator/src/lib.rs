//! Joins the verdicts on an order into one outcome.
//!
//! The aggregator reads `orders` and `order-validations`, both by order id, and writes `order-outcomes`.
//! Its invariants:
//!
//! - **One outcome per attempt.** An attempt is decided once it was seen on `orders`: by the first verdict
//!   that is not PASS, by the last required PASS, or by its deadline. Whatever comes later changes nothing, but
//!   for its own record on `orders`: that would have to come twice, which transactions see to.
//! - **The set of verdicts counts, not their number.** The first verdict of a check stands, in whatever
//!   order and however often verdicts come, and also when they come before their order.
//! - **Nothing hangs, nothing is failed for an outage.** A deadline fires only when all verdicts that stood
//!   in Kafka by then have been read.
//! - **Nothing is kept for ever.** Every case in the store has a moment at which it is looked at again, and
//!   then it is decided, forgotten, or waits for an end of input that has been asked for.

mod case;
mod case_store;
mod deadline;
mod decision;
mod due_key;
mod policy;
mod processors;
mod run;
#[cfg(test)]
mod samples;
mod standing;
mod topology;

pub use policy::AggregatorPolicy;
pub use run::{AggregatorArgs, run};
pub use topology::topology;
