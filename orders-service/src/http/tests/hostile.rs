//! Bodies that nobody means well with: each is told what is wrong with it, and leaves nothing behind.

use service::MAX_BODY_SIZE;

use super::test_app::TestApp;

const LINE: &str = r#"{"productId":"p-1","quantity":3,"unitPrice":"12.50"}"#;

/// A good order with `from` replaced by `to`.
fn order(from: &str, to: &str) -> Vec<u8> {
    let text = format!(r#"{{"id":"o-1","customerId":"c-1","currency":"EUR","lines":[{LINE}]}}"#);
    assert!(text.contains(from), "{from} is not in {text}");
    text.replacen(from, to, 1).into()
}

fn nested(open: &str, close: &str) -> Vec<u8> {
    format!("{}{}", open.repeat(50_000), close.repeat(50_000)).into()
}

/// The problem's status, what its detail has, and its pointers, all of them.
type Expected = (u16, &'static str, &'static [&'static str]);

async fn check(cases: Vec<(&str, Vec<u8>, Expected)>) {
    let app = TestApp::start();
    for (what, body, (status, detail, pointers)) in cases {
        let answer = app.post(&body, &[]).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
        let problem = &answer.body;
        assert_eq!(
            (&problem["status"], &problem["instance"]),
            (&status.into(), &"/v1/orders".into()),
            "{what}"
        );
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{what}: {problem}");
        let errors = problem["errors"].as_array().map_or(&[][..], Vec::as_slice);
        let found: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(found, pointers, "{what}: {problem}");
    }
    assert_eq!(app.orders.requests(), 0, "something was written");
}

#[tokio::test]
async fn a_body_that_is_not_json() {
    let not_json = |detail| (400, detail, &[][..]);
    check(vec![
        ("nothing", vec![], not_json("EOF while parsing")),
        ("open brackets", "[".repeat(50_000).into(), not_json("EOF while parsing a list")),
        ("open braces", r#"{"a":"#.repeat(50_000).into(), not_json("EOF while parsing")),
        ("NaN", order("3", "NaN"), not_json("expected value")),
        ("Infinity", order("3", "-Infinity"), not_json("invalid number")),
        ("a hexadecimal number", order("3", "0x10"), not_json("expected `,` or `}`")),
        (
            "bad UTF-8",
            order("o-1", "?").iter().map(|b| if *b == b'?' { 0xff } else { *b }).collect(),
            not_json("utf-8"),
        ),
        ("a surrogate in UTF-8", b"\xed\xa0\x80".to_vec(), not_json("utf-8")),
        ("NUL in a string", order("c-1", "c\0"), not_json("control character")),
        ("NUL between", order(":3", ":\x003"), not_json("expected value")),
        ("two byte order marks", order("{\"id\"", "\u{feff}\u{feff}{\"id\""), not_json("expected value")),
        ("a script", b"<script>alert(1)</script>".to_vec(), not_json("expected value at line 1 column 1")),
        ("two orders", order("}]}", "}]}{}"), not_json("trailing characters")),
        ("a form", b"id=o-1&customerId=c-1".to_vec(), not_json("expected value")),
    ])
    .await;
}

#[tokio::test]
async fn a_body_that_is_not_an_order() {
    let invalid = |pointers| (422, "the body has", pointers);
    let root: &[&str] = &[""];
    check(vec![
        ("null", b"null".to_vec(), invalid(root)),
        ("an array", b"[]".to_vec(), invalid(root)),
        ("a string", b"\"order\"".to_vec(), invalid(root)),
        ("a huge number", b"1e400".to_vec(), invalid(root)),
        ("deep arrays", nested("[", "]"), invalid(root)),
        ("an empty object", b"{}".to_vec(), invalid(&["/customerId", "/currency", "/lines"])),
        (
            "null everywhere",
            br#"{"id":null,"customerId":null,"currency":null,"lines":null}"#.to_vec(),
            invalid(&["/id", "/customerId", "/currency", "/lines"]),
        ),
        (
            "arrays everywhere",
            br#"{"id":[],"customerId":[],"currency":[],"lines":[[]]}"#.to_vec(),
            invalid(&["/id", "/customerId", "/currency", "/lines/0"]),
        ),
        ("an id of emoji", order("o-1", "😀"), invalid(&["/id"])),
        ("an id of a script", order("o-1", "<script>"), invalid(&["/id"])),
        ("an id that is a path", order("o-1", "../o-1"), invalid(&["/id"])),
        ("an id of one dot", order("o-1", "."), invalid(&["/id"])),
        ("an id of two dots", order("o-1", ".."), invalid(&["/id"])),
        ("an empty id", order("o-1", ""), invalid(&["/id"])),
        ("an id with an escaped NUL", order("o-1", r"o\u0000"), invalid(&["/id"])),
        ("half of a character", order("o-1", r"\ud800"), invalid(&["/id"])),
        ("a long id", order("o-1", &"x".repeat(65)), invalid(&["/id"])),
        ("a currency that is none", order("EUR", "EURO"), invalid(&["/currency"])),
        ("10^30 pieces", order(":3", ":1000000000000000000000000000000"), invalid(&["/lines/0/quantity"])),
        ("1e3 pieces", order(":3", ":1e3"), invalid(&["/lines/0/quantity"])),
        ("half a piece", order(":3", ":0.5"), invalid(&["/lines/0/quantity"])),
        (
            "a price of 10^30",
            order("\"12.50\"", "1000000000000000000000000000000"),
            invalid(&["/lines/0/unitPrice"]),
        ),
        ("a price of NaN", order("12.50", "NaN"), invalid(&["/lines/0/unitPrice"])),
        ("a price of 3 decimals", order("12.50", "12.505"), invalid(&["/lines/0/unitPrice"])),
        ("1,000 lines", order(LINE, &vec![LINE; 1000].join(",")), invalid(&["/lines"])),
        (
            "deep lines",
            order(LINE, &"[".repeat(50_000)).into_iter().chain("]".repeat(50_000).bytes()).collect(),
            (400, "", &[]),
        ),
        ("a field twice", order("\"id\"", "\"id\":\"o-2\",\"id\""), invalid(&["/id"])),
    ])
    .await;
}

#[tokio::test]
async fn no_client_chooses_what_is_not_for_clients() {
    let fields = [
        ("state", "\"VALIDATED\""),
        ("attempt", "7"),
        ("version", "7"),
        ("total", "\"0.00\""),
        ("reasons", "[]"),
        ("validations", "[]"),
        ("history", "[]"),
        ("createdAt", "\"1970-01-01T00:00:00Z\""),
        ("updatedAt", "\"1970-01-01T00:00:00Z\""),
        ("requestedAt", "\"1970-01-01T00:00:00Z\""),
        ("origin", r#"{"partition":0,"offset":0}"#),
        ("__proto__", "{}"),
    ];
    for (name, value) in fields {
        let pointer: &'static str = format!("/{name}").leak();
        let pointers: &'static [&'static str] = vec![pointer].leak();
        let body = order("\"id\"", &format!("\"{name}\":{value},\"id\""));
        check(vec![(name, body, (422, "1 invalid", pointers))]).await;
    }
}

#[tokio::test]
async fn a_body_that_is_too_large() {
    let large = |size| order("o-1", &" ".repeat(size));
    check(vec![
        ("300 KiB", large(300 * 1024), (413, "262144 bytes", &[])),
        ("10 MiB", large(10 << 20), (413, "262144 bytes", &[])),
        ("one byte too many", vec![b' '; MAX_BODY_SIZE + 1], (413, "262144 bytes", &[])),
        ("just not too many", vec![b' '; MAX_BODY_SIZE], (400, "EOF", &[])),
    ])
    .await;
}
