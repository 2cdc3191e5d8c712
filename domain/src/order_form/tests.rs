use proptest::prelude::*;

use super::*;
use crate::form::MAX_FIELD_ERRORS;
use crate::samples::{line, new_order, parsed};
use crate::strategies::any_new_order;

const LINE: &str = r#"{"productId":"p-1","quantity":3,"unitPrice":"12.50"}"#;

fn parse(body: &[u8]) -> Result<NewOrder, BodyError> {
    parse_new_order(body, |customer| parsed(&format!("made-for-{customer}")))
}

/// The body of [`new_order`] with `from` replaced by `to`.
fn body(from: &str, to: &str) -> String {
    let lines = format!("[{LINE}]");
    let text = format!(r#"{{"id":"01J9Z","customerId":"c-15","currency":"EUR","lines":{lines}}}"#);
    assert!(text.contains(from), "{from} is not in {text}");
    text.replacen(from, to, 1)
}

#[track_caller]
fn accepted(body: &str, expected: NewOrder) {
    assert_eq!(parse(body.as_bytes()), Ok(expected), "{body}");
}

#[track_caller]
fn not_json(body: impl AsRef<[u8]>, expected: &str) {
    let body = body.as_ref();
    match parse(body) {
        Err(BodyError::Syntax { detail }) if detail.contains(expected) => {}
        other => panic!("{}: {other:?}", String::from_utf8_lossy(body)),
    }
}

/// Refused with exactly these errors; of the details the beginning is enough.
#[track_caller]
fn refused(body: &str, expected: &[(&str, &str)]) {
    let Err(BodyError::Invalid(errors)) = parse(body.as_bytes()) else {
        panic!("{body}: {:?}", parse(body.as_bytes()));
    };
    let same = errors.len() == expected.len()
        && errors
            .iter()
            .zip(expected)
            .all(|(error, (pointer, detail))| error.pointer == *pointer && error.detail.starts_with(detail));
    assert!(same, "{body}: {errors:?}");
}

#[test]
fn an_order_as_a_client_gives_it() {
    accepted(&body("", ""), new_order());
    accepted(&body(r#""id":"01J9Z","#, ""), NewOrder { id: parsed("made-for-c-15"), ..new_order() });
    accepted(&body(&format!("[{LINE}]"), " [ ] "), NewOrder { lines: vec![], ..new_order() });
    accepted(&body("c-15", r"\u0063-15"), new_order());
    accepted(&body("currency", r"curr\u0065ncy"), new_order());
    accepted(&format!(" \n{}\t", body("", "")), new_order());
}

#[test]
fn quantities_and_prices_are_read_from_their_text() {
    let priced = |quantity, price| NewOrder { lines: vec![line("p-1", quantity, price)], ..new_order() };
    let price = |price: &str| body(r#""12.50""#, price);
    let quantity = |quantity: &str| body(r#""quantity":3"#, &format!(r#""quantity":{quantity}"#));
    accepted(&price("12.50"), priced(3, 1250));
    accepted(&price("12.5"), priced(3, 1250));
    accepted(&price("0.07"), priced(3, 7));
    accepted(&price("-0"), priced(3, 0));
    accepted(&price(r#""-0.00""#), priced(3, 0));
    accepted(&price("-1"), priced(3, -100));
    accepted(&price("92233720368547758.07"), priced(3, i64::MAX));
    accepted(&price(r#""-92233720368547758.08""#), priced(3, i64::MIN));
    accepted(&quantity("0"), priced(0, 1250));
    accepted(&quantity("-0"), priced(0, 1250));
    accepted(&quantity("-1"), priced(-1, 1250));
    accepted(&quantity("9223372036854775807"), priced(i64::MAX, 1250));
    accepted(&quantity("-9223372036854775808"), priced(i64::MIN, 1250));
}

#[test]
fn what_is_not_json() {
    not_json("", "EOF while parsing a value");
    not_json("   ", "EOF while parsing a value");
    not_json("hello", "expected value at line 1 column 1");
    not_json("<order/>", "expected value");
    not_json("{", "EOF while parsing an object");
    not_json(r#"{"id":}"#, "expected value");
    not_json(r#"{"id" 1}"#, "expected `:`");
    not_json(r#"{"id":1,}"#, "key must be a string");
    not_json(r#"{id:1}"#, "key must be a string");
    not_json("{'id':1}", "key must be a string");
    not_json("{} {}", "trailing characters");
    not_json(body("\"12.50\"", "NaN"), "expected value");
    not_json(body("\"12.50\"", "Infinity"), "expected value");
    not_json(body("\"12.50\"", "+1"), "expected value");
    not_json(body("\"12.50\"", ".5"), "expected value");
    not_json(body("\"12.50\"", "5."), "invalid number");
    not_json(body("\"12.50\"", "012"), "invalid number");
    not_json(body("\"12.50\"", "0x10"), "expected `,` or `}`");
    not_json(body("c-15", "c\0"), "control character");
    not_json(body("c-15", "c\n"), "control character");
    not_json(body("c-15", r"c\x"), "invalid escape");
    not_json(body("c-15", r"c\u12"), "invalid escape");
    not_json("\u{feff}{}", "expected value");
    not_json(b"{\"id\":\"\xff\"}", "invalid utf-8");
    not_json(b"\xed\xa0\x80", "invalid utf-8");
    not_json(b"{\0}", "key must be a string");
}

#[test]
fn what_is_not_an_order() {
    for (body, found) in [
        ("null", "null"),
        ("true", "a boolean"),
        ("17", "a number"),
        ("-1e400", "a number"),
        (r#""order""#, "a string"),
        ("[]", "an array"),
    ] {
        refused(body, &[("", &format!("must be an object, not {found}"))]);
    }
    refused("{}", &[("/customerId", "is required"), ("/currency", "is required"), ("/lines", "is required")]);
}

#[test]
fn depth_costs_no_stack() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(50_000), close.repeat(50_000));
    let brackets = deep("[", "]");
    not_json("[".repeat(50_000), "EOF while parsing a list");
    not_json(r#"{"a":"#.repeat(50_000), "EOF while parsing a value");
    refused(&brackets, &[("", "must be an object, not an array")]);
    refused(
        &deep(r#"{"lines":"#, "}").replace(":}", ":0}"),
        &[
            ("/customerId", "is required"),
            ("/currency", "is required"),
            ("/lines", "must be an array, not an object"),
        ],
    );
    refused(&body(LINE, &brackets), &[("/lines/0", "must be an object, not an array")]);
    refused(&body(r#""12.50""#, &brackets), &[("/lines/0/unitPrice", "must be a decimal number")]);
    refused(&body(r#""id":"01J9Z""#, &format!(r#""x":{brackets}"#)), &[("/x", "is not a known field")]);
}

#[test]
fn fields_are_known_and_there_once() {
    for name in
        ["state", "attempt", "version", "total", "createdAt", "origin", "Id", "customer_id", "<script>", "😀"]
    {
        let with = body(r#""id""#, &format!(r#""{name}":null,"id""#));
        refused(&with, &[(&format!("/{name}"), "is not a known field")]);
    }
    refused(
        &body(r#""id""#, r#""":1,"a/b~c":2,"id""#),
        &[("/", "is not a known field"), ("/a~1b~0c", "is not a known field")],
    );
    refused(&body(r#""id""#, r#""id":"x","id""#), &[("/id", "is there more than once")]);
    refused(&body(r#""id""#, r#""\u0069d":"x","id""#), &[("/id", "is there more than once")]);
    refused(
        &body(r#""quantity":3"#, r#""quantity":3,"quantity":3"#),
        &[("/lines/0/quantity", "is there more than once")],
    );
    refused(
        &body(r#""quantity""#, r#""discount":1,"quantity""#),
        &[("/lines/0/discount", "is not a known field")],
    );
    refused(&body(r#""id""#, r#""\ud800":1,"id""#), &[("", "has a field name that is not valid Unicode")]);
}

#[test]
fn ids_are_ids() {
    let id = |id: &str| body(r#""01J9Z""#, id);
    refused(&id("null"), &[("/id", "must be a string, not null")]);
    refused(&id("7"), &[("/id", "must be a string, not a number")]);
    refused(&id(r#""""#), &[("/id", "an id must not be empty")]);
    refused(&id(r#""a b""#), &[("/id", "an id must consist of")]);
    refused(&id(r#""😀""#), &[("/id", "an id must consist of")]);
    refused(
        &id(r#""\u0000""#),
        &[("/id", r"an id must consist of A-Z a-z 0-9 . _ - only; character 1 is '\0'")],
    );
    refused(&id(r#""\ud800""#), &[("/id", "is not valid Unicode")]);
    refused(&id(r#""<script>""#), &[("/id", "an id must consist of")]);
    refused(&id(r#""../etc""#), &[("/id", "an id must consist of")]);
    refused(
        &id(&format!("{:?}", "x".repeat(65))),
        &[("/id", "an id must have at most 64 characters, not 65")],
    );
    refused(&body(r#""c-15""#, r#"["c-15"]"#), &[("/customerId", "must be a string, not an array")]);
    refused(&body("p-1", ""), &[("/lines/0/productId", "an id must not be empty")]);
}

#[test]
fn quantities_are_integers_within_64_bits() {
    let quantity = |quantity: &str| body(r#""quantity":3"#, &format!(r#""quantity":{quantity}"#));
    for (text, detail) in [
        (r#""3""#, "must be an integer, not a string"),
        ("null", "must be an integer, not null"),
        ("true", "must be an integer, not a boolean"),
        ("{}", "must be an integer, not an object"),
        ("1.0", "must be an integer"),
        ("1e3", "must be an integer"),
        ("1E-0", "must be an integer"),
        ("9223372036854775808", "must fit into 64 bits"),
        ("-9223372036854775809", "must fit into 64 bits"),
        ("1000000000000000000000000000000", "must fit into 64 bits"),
    ] {
        refused(&quantity(text), &[("/lines/0/quantity", detail)]);
    }
    refused(&body(r#""quantity":3,"#, ""), &[("/lines/0/quantity", "is required")]);
}

#[test]
fn prices_are_decimals_of_the_currency() {
    let price = |price: &str| body(r#""12.50""#, price);
    for (text, detail) in [
        ("12.505", "an amount in EUR must have at most 2 decimals"),
        (r#""12.505""#, "an amount in EUR must have at most 2 decimals"),
        ("12.500", "an amount in EUR must have at most 2 decimals"),
        ("1e3", "an amount must be a decimal number"),
        (r#""1e3""#, "an amount must be a decimal number"),
        (r#""""#, "an amount must be a decimal number"),
        (r#"" 1""#, "an amount must be a decimal number"),
        (r#""+1""#, "an amount must be a decimal number"),
        (r#""NaN""#, "an amount must be a decimal number"),
        (r#""12,50""#, "an amount must be a decimal number"),
        (r#""1\u0000""#, "an amount must be a decimal number"),
        (r#""\udc00""#, "is not valid Unicode"),
        ("1000000000000000000000000000000", "an amount must fit into 64 bits"),
        ("92233720368547758.08", "an amount must fit into 64 bits"),
        ("null", "must be a decimal number or a string with one, not null"),
        ("false", "must be a decimal number or a string with one, not a boolean"),
        ("[12.50]", "must be a decimal number or a string with one, not an array"),
    ] {
        refused(&price(text), &[("/lines/0/unitPrice", detail)]);
    }
    let yen = body("EUR", "JPY");
    refused(&yen, &[("/lines/0/unitPrice", "an amount in JPY must have at most 0 decimals")]);
    refused(&yen.replace(r#""12.50""#, "12.5"), &[("/lines/0/unitPrice", "an amount in JPY")]);
}

#[test]
fn nothing_new_is_ordered_in_a_withdrawn_currency() {
    for code in ["HRK", "ZWL", "SLL", "CUC", "BGN"] {
        let detail = format!("{code} is withdrawn: ISO 4217 of 2026-09-17 does not list it");
        refused(&body("EUR", code), &[("/currency", &detail)]);
        // What was ordered before is read.
        let order = serde_json::to_string(&crate::samples::created()).unwrap().replace("EUR", code);
        let order: crate::Order = serde_json::from_str(&order).unwrap();
        assert_eq!(order.currency.code(), code);
    }
    for code in ["XCG", "ZWG", "SLE", "VES", "CUP"] {
        accepted(&body("EUR", code), NewOrder { currency: parsed(code), ..new_order() });
    }
    let unknown = "a currency must be a code of ISO 4217 with a minor unit, such as EUR";
    refused(&body("EUR", "ANG"), &[("/currency", unknown)]);
}

#[test]
fn lines_are_an_array_of_at_most_100() {
    let lines = |lines: &str| body(&format!("[{LINE}]"), lines);
    let many = |count: usize| lines(&format!("[{}]", vec![LINE; count].join(",")));
    accepted(&many(100), NewOrder { lines: vec![line("p-1", 3, 1250); 100], ..new_order() });
    refused(&many(101), &[("/lines", "must have at most 100 elements, not 101")]);
    refused(&many(1000), &[("/lines", "must have at most 100 elements, not 1000")]);
    refused(&lines("null"), &[("/lines", "must be an array, not null")]);
    refused(&lines("{}"), &[("/lines", "must be an array, not an object")]);
    refused(&lines(r#""[]""#), &[("/lines", "must be an array, not a string")]);
    refused(
        &lines("[null,[],1]"),
        &[
            ("/lines/0", "must be an object, not null"),
            ("/lines/1", "must be an object, not an array"),
            ("/lines/2", "must be an object, not a number"),
        ],
    );
}

#[test]
fn all_errors_at_once() {
    let bad_line = r#"{"quantity":"3","unitPrice":1e3,"colour":"red"}"#;
    let body = format!(
        r#"{{"id":"a b","customerId":null,"currency":"DOGE","state":"VALIDATED","lines":[{LINE},{bad_line}]}}"#
    );
    refused(
        &body,
        &[
            ("/state", "is not a known field"),
            ("/id", "an id must consist of"),
            ("/customerId", "must be a string, not null"),
            ("/currency", "a currency must be a code of ISO 4217"),
            ("/lines/1/colour", "is not a known field"),
            ("/lines/1/productId", "is required"),
            ("/lines/1/quantity", "must be an integer, not a string"),
            ("/lines/1/unitPrice", "an amount must be a decimal number"),
        ],
    );
}

#[test]
fn a_hostile_body_does_not_buy_an_endless_answer() {
    let fields: Vec<_> = (0..20_000).map(|n| format!(r#""{n}":0"#)).collect();
    let Err(BodyError::Invalid(errors)) = parse(format!("{{{}}}", fields.join(",")).as_bytes()) else {
        panic!("accepted");
    };
    assert_eq!(errors.len(), MAX_FIELD_ERRORS);
}

proptest! {
    #[test]
    fn what_is_written_is_read(expected in any_new_order()) {
        let body = serde_json::to_vec(&expected).unwrap();
        prop_assert_eq!(parse(&body), Ok(expected));
    }

    #[test]
    fn any_body_has_an_answer(bytes in any::<Vec<u8>>(), at in 0..80_usize) {
        let mut body = body("", "").into_bytes();
        body.splice(at..at, bytes);
        if let Err(BodyError::Invalid(errors)) = parse(&body) {
            prop_assert!(!errors.is_empty());
        }
    }
}
