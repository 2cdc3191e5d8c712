//! An order of the view, and how it is shown.

use std::ops::Deref;
use std::sync::OnceLock;

use actix_web::web::Bytes;
use domain::{Order, OrderView};
use service::{Kind, Problem};

/// An order as it was read, shared by all who ask for it: written as JSON once, however many wait for it.
#[derive(Debug)]
pub(crate) struct ShownOrder {
    order: Order,
    json: OnceLock<Bytes>,
}

impl ShownOrder {
    pub(crate) fn new(order: Order) -> Self {
        Self { order, json: OnceLock::new() }
    }

    /// The order as JSON.
    pub(crate) fn json(&self) -> Result<Bytes, Problem> {
        if let Some(json) = self.json.get() {
            return Ok(json.clone());
        }
        let json = serde_json::to_vec(&OrderView(&self.order))
            .map_err(|error| Problem::new(Kind::Internal, format!("the order cannot be written: {error}")))?;
        Ok(self.json.get_or_init(|| json.into()).clone())
    }
}

impl Deref for ShownOrder {
    type Target = Order;

    fn deref(&self) -> &Order {
        &self.order
    }
}
