//! Commands to the orders topology.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::OrderId;
use crate::new_order::NewOrder;

/// What is asked of an order: the value on `order-requests`, told apart by its
/// `type`. It is judged where the order lives, not where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderRequest {
    /// Create this order, unless it is there.
    Create {
        /// What the client gave.
        order: NewOrder,
        /// When HTTP took it.
        requested_at: Timestamp,
    },
}

impl OrderRequest {
    /// The order that it is about.
    pub fn order_id(&self) -> &OrderId {
        let Self::Create { order, .. } = self;
        &order.id
    }
}

impl Serialize for OrderRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self::Create { order, requested_at } = self;
        Json { kind: Kind::Create, order, requested_at: *requested_at }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OrderRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Json { kind: Kind::Create, order, requested_at } = Json::deserialize(deserializer)?;
        Ok(Self::Create { order, requested_at })
    }
}

/// Written out, because serde reads a tagged enum through a buffer of the whole
/// value.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json<T> {
    #[serde(rename = "type")]
    kind: Kind,
    order: T,
    #[serde(deserialize_with = "crate::read_time")]
    requested_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Create,
}
