//! Values that occur in more than one place.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::timeout::MAX_TIMEOUT;

/// The name of an order, a customer, a product or an adjustment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Id(pub String);

/// A number of pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantity(pub i64);

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeout(pub u32);

/// Neither `.` nor `..`, without looking ahead, which not every tool can.
const ID: &str = r"^(\.{0,2}[A-Za-z0-9_-]|\.{3})[A-Za-z0-9._-]*$";

impl PartialSchema for Id {
    fn schema() -> RefOr<Schema> {
        let id = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("1–64 of A-Z a-z 0-9 . _ -, but neither . nor .."))
            .min_length(Some(1))
            .max_length(Some(64))
            .pattern(Some(ID));
        id.into()
    }
}

impl PartialSchema for Quantity {
    fn schema() -> RefOr<Schema> {
        let quantity = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .description(Some("An integer of 64 bits, written without point and exponent"))
            .minimum(Some(i64::MIN as isize))
            .maximum(Some(i64::MAX as isize));
        quantity.into()
    }
}

impl PartialSchema for Timeout {
    fn schema() -> RefOr<Schema> {
        let timeout = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .description(Some("Milliseconds"))
            .minimum(Some(0_isize))
            .maximum(Some(MAX_TIMEOUT.as_millis() as isize));
        timeout.into()
    }
}

macro_rules! named {
    ($($name:ident)*) => {$(
        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )*};
}

named! { Id Quantity Timeout }
