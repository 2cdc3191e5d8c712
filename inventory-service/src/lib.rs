//! Is everything that an order asks for in stock? And: how much is there?
//!
//! Stocks are kept by product, orders come by order. So an order is taken apart
//! into one request for each product (`ReceiveOrder`), each product answers
//! for itself where its stock lives (`ReserveStock`), and the answers are put
//! together again by order (`Gather`). An order of one product has nothing to
//! put together: its verdict comes straight from the product.
//!
//! ```text
//! orders ──▶ ReceiveOrder ──orders-by-product──▶ ReserveStock ──answers-by-order──▶ Gather
//!                 │                                   │                               │
//!                 └───────────────────────────────────┴──▶ order-validations ◀────────┘
//! warehouse-inventory ──▶ AdjustStock
//! ```
//!
//! What holds at all times:
//!
//! - 0 ≤ reserved ≤ on hand, and reserved is the sum of the open reservations.
//! - A reservation is a row (product, order, attempt). It is made once, and goes
//!   when the order's final state, or a later attempt, comes by.
//! - Only that final state, read from `orders`, confirms or releases. Judging an
//!   order changes nothing but the rows of the products that had enough.
//! - An attempt that is over stays over: a replay of its states finds no product
//!   any more. That is remembered for [`RETENTION`].
//! - Each attempt gets a verdict, whatever its lines say.

mod adjust_stock;
mod adjustment;
pub mod api;
mod attempt;
mod basket;
mod clock;
mod demand;
mod gather;
mod http;
mod key;
mod line_answer;
mod receive_order;
mod reservation;
mod reserve_stock;
mod rules;
mod run;
mod stock_request;
mod sweep;
#[cfg(test)]
mod tests;
mod topology;
mod unreadable;
mod verdict;

pub use adjustment::{AdjustmentKey, AdjustmentOutcome, AdjustmentResult};
pub use key::InvalidKey;
pub use reserve_stock::RELEASE_FORGOTTEN;
pub use rules::AdjustmentRefusal;
pub use run::run;
pub use sweep::RETENTION;
pub use topology::{Stores, topology};
