//! The topology in the test driver: orders and adjustments in, verdicts and stocks out.

mod adjustments;
mod damage;
mod in_flight;
mod json;
mod model;
mod orders;
mod replays;
mod warehouse;
