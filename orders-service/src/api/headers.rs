//! Headers of answers.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Which version of an order it is: attempt and version.
pub struct EntityTag;

/// Where an order is.
pub struct Location;

/// The preference that was followed (RFC 7240).
pub struct PreferenceApplied;

fn text(pattern: &str, example: &str) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).examples([example]).into()
}

impl PartialSchema for EntityTag {
    fn schema() -> RefOr<Schema> {
        text(r#"^"[0-9]+\.[0-9]+"$"#, r#""1.2""#)
    }
}

impl PartialSchema for Location {
    fn schema() -> RefOr<Schema> {
        text("^/v1/orders/[A-Za-z0-9._-]{1,64}$", "/v1/orders/01J9Z")
    }
}

impl PartialSchema for PreferenceApplied {
    fn schema() -> RefOr<Schema> {
        text("^(respond-async|wait=[0-9]+)$", "wait=5")
    }
}

impl ToSchema for EntityTag {}
impl ToSchema for Location {}
impl ToSchema for PreferenceApplied {}
