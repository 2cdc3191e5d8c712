//! Commands to the orders topology.

use std::fmt;

use jiff::Timestamp;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::OrderId;
use crate::names::{UnknownName, names};
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
    /// Something that this program does not know. What is said besides is not read.
    Unknown(UnknownName),
}

names! {
    enum Kind {
        Create = "create",
    }
}

impl OrderRequest {
    /// The order that it is about, where it says so in a way that is known.
    pub fn order_id(&self) -> Option<&OrderId> {
        match self {
            Self::Create { order, .. } => Some(&order.id),
            Self::Unknown(_) => None,
        }
    }
}

impl Serialize for OrderRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = match self {
            Self::Create { order, requested_at } => {
                Json { kind: Kind::Create, order: Some(order), requested_at: Some(requested_at) }
            }
            Self::Unknown(name) => Json { kind: Kind::Unknown(*name), order: None, requested_at: None },
        };
        json.serialize(serializer)
    }
}

/// With the type in front, so that whoever reads it knows how to go on.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'a NewOrder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_at: Option<&'a Timestamp>,
}

impl<'de> Deserialize<'de> for OrderRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

/// Reads member by member, because serde reads a tagged enum through a buffer of
/// the whole value.
struct Members;

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Name {
    Type,
    Order,
    RequestedAt,
    #[serde(other)]
    Other,
}

/// A time as text, read as all others.
#[derive(Deserialize)]
#[serde(transparent)]
struct Time(#[serde(deserialize_with = "crate::read_time")] Timestamp);

impl<'de> Visitor<'de> for Members {
    type Value = OrderRequest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<OrderRequest, A::Error> {
        let (mut kind, mut order, mut requested_at) = (None, None, None);
        while let Some(name) = members.next_key()? {
            match (name, &kind) {
                (Name::Type, _) => kind = Some(members.next_value::<Kind>()?),
                // What stands in such a request may be anything.
                (_, Some(Kind::Unknown(_))) | (Name::Other, _) => _ = members.next_value::<IgnoredAny>()?,
                (Name::Order, _) => order = Some(members.next_value::<NewOrder>()?),
                (Name::RequestedAt, _) => requested_at = Some(members.next_value::<Time>()?.0),
            }
        }
        match kind.ok_or_else(|| A::Error::missing_field("type"))? {
            Kind::Unknown(name) => Ok(OrderRequest::Unknown(name)),
            Kind::Create => Ok(OrderRequest::Create {
                order: order.ok_or_else(|| A::Error::missing_field("order"))?,
                requested_at: requested_at.ok_or_else(|| A::Error::missing_field("requestedAt"))?,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{at, new_order};

    #[track_caller]
    fn check(json: &str, expected: Result<OrderRequest, &str>) {
        let found = serde_json::from_str::<OrderRequest>(json);
        match (found.map_err(|error| error.to_string()), expected) {
            (Ok(found), Ok(expected)) if found == expected => {}
            (Err(error), Err(expected)) if error.contains(expected) => {}
            (found, expected) => panic!("{json}: {found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn members_are_read_in_any_order_and_others_passed_over() {
        let request = OrderRequest::Create { order: new_order(), requested_at: at("10:00:00") };
        let order = serde_json::to_string(&new_order()).unwrap();
        let requested_at = r#""requestedAt":"2026-03-01T10:00:00Z""#;
        check(&format!(r#"{{"type":"create","order":{order},{requested_at}}}"#), Ok(request.clone()));
        check(&format!(r#"{{{requested_at},"by":{{}},"order":{order},"type":"create"}}"#), Ok(request));
        check(&format!(r#"{{"type":"create","order":{order}}}"#), Err("missing field `requestedAt`"));
        check(&format!(r#"{{"type":"create",{requested_at}}}"#), Err("missing field `order`"));
        check(&format!(r#"{{"order":{order},{requested_at}}}"#), Err("missing field `type`"));
        check(r#"{"type":"create","order":{"id":"o"}}"#, Err("missing field `customerId`"));
        check(r#"{"type":7}"#, Err("invalid type: integer `7`"));
        check(r#"["create"]"#, Err("expected a request"));
    }

    #[test]
    fn a_command_of_tomorrow_is_known_by_its_name() {
        let unknown = |name: &str| Ok(OrderRequest::Unknown(name.parse().unwrap()));
        check(r#"{"type":"cancel"}"#, unknown("cancel"));
        check(r#"{"type":"cancel","order":"o","requestedAt":{"by":[1]}}"#, unknown("cancel"));
        let request = unknown("cancel").unwrap();
        assert_eq!(serde_json::to_string(&request).unwrap(), r#"{"type":"cancel"}"#);
    }
}
