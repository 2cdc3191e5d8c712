//! What the JSON of an order says before it is read.

use std::fmt;

use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use crate::order::OrderState;

/// The state of the order that stands in `json`, as it stands on `orders`, known here or not; none if none is found.
///
/// For who needs orders in some states only. An order is written with its state in front, so that the others cost
/// next to nothing: what comes behind the state is not looked at, not even whether it is JSON. A state that stands
/// elsewhere is found as well.
pub fn state_of(json: &[u8]) -> Option<OrderState> {
    let mut state = None;
    // An error either way: of what stands there, or because not all of it was read.
    _ = serde_json::Deserializer::from_slice(json).deserialize_map(UntilState(&mut state));
    state
}

struct UntilState<'a>(&'a mut Option<OrderState>);

impl<'de> Visitor<'de> for UntilState<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an order")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key()? {
            match name {
                Name::State => {
                    *self.0 = Some(members.next_value()?);
                    return Ok(());
                }
                Name::Other => _ = members.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Name {
    State,
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::strategies::any_order;

    #[track_caller]
    fn check(cases: &[(&str, Option<OrderState>)]) {
        for (json, expected) in cases {
            assert_eq!(state_of(json.as_bytes()), *expected, "{json}");
        }
    }

    #[test]
    fn a_state_is_found_wherever_it_stands() {
        check(&[
            (r#"{"state":"FAILED"}"#, Some(OrderState::Failed)),
            (r#"{"lines":[{"state":"CREATED"}],"state":"FAILED","id":7}"#, Some(OrderState::Failed)),
            (r#"{"id":"o","state":"CREATED","lines":oh"#, Some(OrderState::Created)),
            (r#"{"id":oh,"state":"CREATED"}"#, None),
            (r#"{"state":"LOST"}"#, Some("LOST".parse().unwrap())),
            (r#"{"state":7}"#, None),
            (r#"{"order":{"state":"CREATED"}}"#, None),
            (r#"[{"state":"CREATED"}]"#, None),
            (r#""CREATED""#, None),
            ("{}", None),
            ("\0", None),
            ("", None),
        ]);
    }

    proptest! {
        #[test]
        fn the_state_is_that_of_the_order(order in any_order()) {
            let json = serde_json::to_vec(&order).unwrap();
            prop_assert_eq!(state_of(&json), Some(order.state));
            // What comes behind it is not looked at.
            let front = json.len().min(400);
            prop_assert_eq!(state_of(&json[..front]), Some(order.state));
        }

        #[test]
        fn anything_can_be_looked_at(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            _ = state_of(&bytes);
        }
    }
}
