//! Owns the life of every order: takes commands to orders and the outcomes of their validation, and shows
//! each order in its present state.
//!
//! HTTP judges nothing. What a client asks for is written as a command to `order-requests`, carried out by
//! the [`topology`], and answered from its view once that is committed. So when an answer has gone out, every
//! later read shows what it says.

pub mod api;
mod http;
mod kafka_orders;
mod orders;
mod run;
mod shown_order;
mod topology;

pub use run::run;
pub use topology::{OrdersTopology, topology};
