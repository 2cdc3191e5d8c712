//! Judges orders by themselves: are there lines, are quantities and prices possible, is there a total?
//!
//! Stateless: an order that comes twice is judged alike twice. What HTTP lets through and what anybody
//! else writes to `orders` is judged by the same rule.

mod draft;
mod rule;
mod run;
mod topology;

pub use self::run::run;
pub use self::topology::topology;
