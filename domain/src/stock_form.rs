//! The body of a request to adjust a stock.

use crate::form::{self, BodyError};
use crate::ids::AdjustmentId;

/// What a client wants changed; the product stands in the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjustmentForm {
    /// The adjustment's name, if the client gave one. Only with a name can the
    /// request be repeated safely.
    pub id: Option<AdjustmentId>,
    /// Pieces that come in; negative for pieces that go. May be zero.
    pub quantity: i64,
}

/// Reads `{"quantity": 10, "id": "…"}`, of which `id` may be left out.
///
/// # Errors
///
/// [`BodyError::Syntax`] if this is not JSON; [`BodyError::Invalid`] with all
/// that is wrong if its form is.
pub fn parse_adjustment(body: &[u8]) -> Result<AdjustmentForm, BodyError> {
    form::parse(body, |root, errors| {
        let [id, quantity] = root.object(["id", "quantity"], errors)?;
        let id = id.if_present().map(|id| id.parsed(errors)).transpose();
        let quantity = quantity.integer(errors);
        Ok(AdjustmentForm { id: id?, quantity: quantity? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::parsed;

    /// What is read from the body, or the pointers of what is wrong.
    #[track_caller]
    fn check(body: &str, expected: Result<(Option<&str>, i64), &[&str]>) {
        let found = parse_adjustment(body.as_bytes());
        let expected = expected.map(|(id, quantity)| AdjustmentForm { id: id.map(parsed), quantity });
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{body}"),
            (Err(BodyError::Invalid(errors)), Err(expected)) => {
                let pointers: Vec<_> = errors.iter().map(|error| &error.pointer).collect();
                assert_eq!(pointers, expected, "{body}");
            }
            (found, _) => panic!("{body}: {found:?}"),
        }
    }

    #[test]
    fn an_adjustment_has_a_quantity_and_perhaps_a_name() {
        check(r#"{"quantity":10,"id":"delivery-1"}"#, Ok((Some("delivery-1"), 10)));
        check(r#"{"quantity":-10}"#, Ok((None, -10)));
        check(r#"{"quantity":0}"#, Ok((None, 0)));
        check("{}", Err(&["/quantity"]));
        check("[10]", Err(&[""]));
        check(r#"{"quantity":"10","id":null}"#, Err(&["/id", "/quantity"]));
        check(r#"{"quantity":1.5}"#, Err(&["/quantity"]));
        check(r#"{"quantity":1e30,"productId":"p-1"}"#, Err(&["/productId", "/quantity"]));
    }

    #[test]
    fn what_is_not_json_is_told_apart() {
        assert!(matches!(parse_adjustment(b"{\"quantity\":"), Err(BodyError::Syntax { .. })));
    }
}
