use proptest::prelude::*;

use super::*;
use crate::samples::failed;
use crate::strategies::{any_new_order, any_order};

#[test]
fn http_shows_the_order_without_its_origin() {
    let view = serde_json::to_string(&OrderView(&failed())).unwrap();
    let value = serde_json::to_string(&failed()).unwrap();
    let origin = r#","origin":{"partition":2,"offset":42}}"#;
    assert_eq!(value.strip_suffix(origin), view.strip_suffix('}'));
}

/// What becomes of the JSON of an order in which `from` is replaced by `to`.
#[track_caller]
fn check(from: &str, to: &str, expected: Result<(), &str>) {
    let text = serde_json::to_string(&failed()).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    match (serde_json::from_str::<Order>(&text.replacen(from, to, 1)), expected) {
        (Ok(_), Ok(())) => {}
        (Err(error), Err(expected)) if error.to_string().contains(expected) => {}
        (found, expected) => panic!("{from} → {to}: {found:?}, not {expected:?}"),
    }
}

#[test]
fn the_order_of_fields_and_unknown_ones_do_not_matter() {
    check(r#""currency":"EUR","#, "", Err("missing field `currency`"));
    check(r#""total":"37.50""#, r#""total":null"#, Ok(()));
    check(r#""total":"37.50""#, r#""weight":[1,{}]"#, Ok(()));
    check(r#""unitPrice":"12.50""#, r#""unitPrice":"\u0031"}"#, Err("expected `,` or `]`"));
    check(r#""unitPrice":"12.50""#, r#""unitPrice":"\u0031""#, Ok(()));
    let late = r#""origin":{"partition":2,"offset":42},"currency":"EUR"}"#;
    let text = serde_json::to_string(&failed()).unwrap();
    let moved = text.replacen(r#""currency":"EUR","#, "", 1).replacen(
        r#""origin":{"partition":2,"offset":42}}"#,
        late,
        1,
    );
    assert_eq!(serde_json::from_str::<Order>(&moved).unwrap(), failed());
}

#[test]
fn what_is_malformed_is_refused_with_a_clear_message() {
    check(r#""id":"01J9Z""#, r#""id":"""#, Err("an id must not be empty at line 1 column 8"));
    check(r#""id":"01J9Z""#, r#""id":7"#, Err("invalid type: integer `7`, expected a string"));
    check("EUR", "EURO", Err("a currency must be a code of ISO 4217"));
    check("12.50", "12.505", Err("lines[0].unitPrice: an amount in EUR must have at most 2 decimals"));
    check("12.50", "1e3", Err("lines[0].unitPrice: an amount must be a decimal number"));
    check(r#""12.50""#, "12.50", Err("invalid type: floating point `12.5`"));
    check(r#""quantity":3"#, r#""quantity":3.0"#, Err("invalid type: floating point"));
    check(r#""quantity":3"#, r#""quantity":9223372036854775808"#, Err("invalid value"));
    check(r#""attempt":1"#, r#""attempt":-1"#, Err("invalid value: integer `-1`, expected u32"));
    check(r#""state":"FAILED""#, r#""state":"LOST""#, Ok(()));
    check(r#""state":"FAILED""#, r#""state":7"#, Err("invalid type: integer `7`, expected a string"));
    check("2026-03-01T10", "yesterday", Err("failed to parse"));
    check(r#","origin":{"partition":2,"offset":42}"#, "", Err("missing field `origin`"));
    check("}}", "}", Err("EOF while parsing an object"));
}

proptest! {
    #[test]
    fn any_order_is_read_back(order in any_order()) {
        let bytes = serde_json::to_vec(&order).unwrap();
        prop_assert_eq!(serde_json::from_slice::<Order>(&bytes).unwrap(), order);
    }

    #[test]
    fn any_new_order_is_read_back(new_order in any_new_order()) {
        let bytes = serde_json::to_vec(&new_order).unwrap();
        prop_assert_eq!(serde_json::from_slice::<crate::NewOrder>(&bytes).unwrap(), new_order);
    }
}
