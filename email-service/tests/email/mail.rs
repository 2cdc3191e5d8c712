//! What a mail looks like.

use domain::{Check, Customer, Level, Order, ReasonCode};
use email_service::{ComposeError, compose};
use proptest::prelude::*;

use crate::samples::{ada, created, customer, failed, line, parsed, reason, sender, validated};

#[track_caller]
fn composed(customer: &Customer, order: &Order) -> String {
    let mail = compose(&sender(), customer, order).unwrap();
    String::from_utf8(mail.message().formatted()).unwrap().replace("\r\n", "\n")
}

#[test]
fn a_validated_order() {
    let order = Order { lines: vec![line("p-1", 3, 1250), line("p-2", 1, 5)], ..validated("01J9Z") };
    insta::assert_snapshot!(composed(&ada(), &order), @r"
    From: Orders <orders@shop.example>
    To: Ada <ada@example.org>
    Subject: Order 01J9Z: validated
    Date: Sun, 01 Mar 2026 10:00:00 +0000
    Message-ID: <01J9Z.1.VALIDATED@shop.example>
    Auto-Submitted: auto-generated
    MIME-Version: 1.0
    Content-Type: text/plain; charset=utf-8
    Content-Transfer-Encoding: 7bit

    Hello Ada,

    thank you. We have accepted your order 01J9Z:

      3 x p-1 at 12.50 EUR: 37.50 EUR
      1 x p-2 at 0.05 EUR: 0.05 EUR

      Total: 37.55 EUR
    ");
}

#[test]
fn a_failed_order() {
    insta::assert_snapshot!(composed(&ada(), &failed("01J9Z")), @r"
    From: Orders <orders@shop.example>
    To: Ada <ada@example.org>
    Subject: Order 01J9Z: failed
    Date: Sun, 01 Mar 2026 10:00:00 +0000
    Message-ID: <01J9Z.1.FAILED@shop.example>
    Auto-Submitted: auto-generated
    MIME-Version: 1.0
    Content-Type: text/plain; charset=utf-8
    Content-Transfer-Encoding: quoted-printable

    Hello Ada,

    we are sorry: we could not accept your order 01J9Z:

      3 x p-1 at 12.50 EUR: 37.50 EUR

      Total: 37.50 EUR

    Why not:

      - not everything that you ordered is in stock (p-1: 3 asked, 2 available)
    ");
}

#[test]
fn an_order_that_is_wrong_in_many_ways() {
    use ReasonCode::*;
    let details = Some(Check::OrderDetailsCheck);
    let order = Order {
        lines: vec![line("p-1", -1, i64::MAX), line("p-2", i64::MAX, 2)],
        reasons: vec![
            reason(QuantityNotPositive, details, "p-1: -1"),
            reason(TotalOverflow, details, "two\nlines\r\n.\r\nand a dot"),
            reason(InvalidOrder, Some(Check::FraudCheck), ""),
            reason(TimedOut, Some(Check::InventoryCheck), "no verdict within 30 s"),
        ],
        ..failed("01J9Z")
    };
    insta::assert_snapshot!(composed(&ada(), &order), @r"
    From: Orders <orders@shop.example>
    To: Ada <ada@example.org>
    Subject: Order 01J9Z: failed
    Date: Sun, 01 Mar 2026 10:00:00 +0000
    Message-ID: <01J9Z.1.FAILED@shop.example>
    Auto-Submitted: auto-generated
    MIME-Version: 1.0
    Content-Type: text/plain; charset=utf-8
    Content-Transfer-Encoding: 7bit

    Hello Ada,

    we are sorry: we could not accept your order 01J9Z:

      -1 x p-1 at 92233720368547758.07 EUR: -92233720368547758.07 EUR
      9223372036854775807 x p-2 at 0.02 EUR: beyond what can be counted

      Total: beyond what can be counted

    Why not:

      - a quantity is not positive (p-1: -1)
      - the total is too large (two lines . and a dot)
      - the order could not be checked as it is
      - the check of our stock took too long (no verdict within 30 s)
    ");
}

#[test]
fn an_order_without_lines() {
    let reasons = vec![reason(ReasonCode::NoLines, Some(Check::OrderDetailsCheck), "no lines")];
    let order = Order { lines: Vec::new(), reasons, ..failed("01J9Z") };
    insta::assert_snapshot!(composed(&ada(), &order), @r"
    From: Orders <orders@shop.example>
    To: Ada <ada@example.org>
    Subject: Order 01J9Z: failed
    Date: Sun, 01 Mar 2026 10:00:00 +0000
    Message-ID: <01J9Z.1.FAILED@shop.example>
    Auto-Submitted: auto-generated
    MIME-Version: 1.0
    Content-Type: text/plain; charset=utf-8
    Content-Transfer-Encoding: 7bit

    Hello Ada,

    we are sorry: we could not accept your order 01J9Z.

    Why not:

      - the order has no lines (no lines)
    ");
}

#[test]
fn any_name_and_any_address() {
    let zoe = customer("c-1", "Zoë \"😀\" <script>", "zoë@bücher.example", Level::Bronze);
    insta::assert_snapshot!(composed(&zoe, &validated("01J9Z")), @r#"
    From: Orders <orders@shop.example>
    To: =?utf-8?b?Wm/DqyAi8J+YgCIgPHNjcmlwdD4=?= <zoë@bücher.example>
    Subject: Order 01J9Z: validated
    Date: Sun, 01 Mar 2026 10:00:00 +0000
    Message-ID: <01J9Z.1.VALIDATED@shop.example>
    Auto-Submitted: auto-generated
    MIME-Version: 1.0
    Content-Type: text/plain; charset=utf-8
    Content-Transfer-Encoding: quoted-printable

    Hello Zo=C3=AB "=F0=9F=98=80" <script>,

    thank you. We have accepted your order 01J9Z:

      3 x p-1 at 12.50 EUR: 37.50 EUR

      Total: 37.50 EUR
    "#);
}

/// The longest id, and one whose dots would be no Message-ID.
#[test]
fn any_id() {
    for (id, name) in [
        ("...", "=2E=2E=2E.1.VALIDATED".to_owned()),
        ("a.b", "a=2Eb.1.VALIDATED".to_owned()),
        (&"x".repeat(64), format!("{}.1.VALIDATED", "x".repeat(64))),
        (&".".repeat(64), format!("{}.1.VALIDATED", "=2E".repeat(64))),
    ] {
        let mail = composed(&ada(), &validated(id));
        assert!(mail.contains(&format!("\nMessage-ID: <{name}@shop.example>\n")), "{mail}");
        assert_eq!(compose(&sender(), &ada(), &validated(id)).unwrap().name(), name);
    }
}

#[test]
fn attempts_and_states_have_mails_of_their_own() {
    let names = [validated("o"), failed("o"), Order { attempt: 2, ..failed("o") }]
        .map(|order| compose(&sender(), &ada(), &order).unwrap().name().to_owned());
    assert_eq!(names, ["o.1.VALIDATED", "o.1.FAILED", "o.2.FAILED"]);
}

#[test]
fn a_date_before_mail() {
    let order = Order { updated_at: parsed("0000-01-01T00:00:00Z"), ..validated("o") };
    assert!(composed(&ada(), &order).contains("\nDate: Thu, 01 Jan 1970 00:00:00 +0000\n"));
}

#[test]
fn what_cannot_be_a_mail() {
    let error = compose(&sender(), &ada(), &created("o")).unwrap_err();
    assert!(matches!(error, ComposeError::Undecided), "{error}");
    for email in ["a..b@example.org", "ada@-", "ada@example..org", "a<b@example.org"] {
        let ada = Customer { email: parsed(email), ..ada() };
        let error = compose(&sender(), &ada, &validated("o")).unwrap_err();
        assert!(matches!(error, ComposeError::Address { .. }), "{email}: {error}");
        assert!(error.to_string().contains(email), "{error}");
    }
}

const HEADERS: [&str; 8] =
    ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"];

proptest! {
    /// Whatever a customer is called and an order says: there are these headers and no others, and no line
    /// is longer than SMTP allows.
    #[test]
    fn nothing_gets_into_the_headers(name in "\\PC{1,200}", detail in ".{0,300}", local in "\\PC{1,30}") {
        let email = format!("{}@example.org", local.replace(['@', ' '], "-"));
        let (Ok(name), Ok(email)) = (name.parse(), email.parse()) else { return Ok(()) };
        let customer = Customer { name, email, ..ada() };
        let order = Order { reasons: vec![reason(ReasonCode::OutOfStock, None, &detail)], ..failed("01J9Z") };
        let Ok(mail) = compose(&sender(), &customer, &order) else { return Ok(()) };
        let text = String::from_utf8(mail.message().formatted()).unwrap();
        let (headers, _) = text.split_once("\r\n\r\n").unwrap();
        let names: Vec<&str> = headers
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split(':').next().unwrap())
            .collect();
        prop_assert_eq!(&names[..8], &HEADERS, "{}", headers);
        prop_assert_eq!(&names[8..], ["Content-Transfer-Encoding"], "{}", headers);
        prop_assert!(!headers.replace("\r\n", "").contains(['\r', '\n']), "{}", headers);
        prop_assert!(text.split("\r\n").all(|line| line.len() <= 998), "{}", text);
    }
}
