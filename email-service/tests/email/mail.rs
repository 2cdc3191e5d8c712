//! What a mail looks like.

use domain::{Check, Customer, EmailAddress, Level, Order, ReasonCode};
use email_service::{ComposeError, compose, parse_sender};
use proptest::prelude::*;

use crate::samples::{ada, created, customer, failed, line, parsed, reason, sender, validated};

/// A mail taken apart.
struct Composed {
    headers: String,
    text: String,
    html: String,
}

#[track_caller]
fn composed(customer: &Customer, order: &Order) -> Composed {
    let mail = compose(&sender(), customer, order).unwrap();
    let mail = String::from_utf8(mail.message().formatted()).unwrap().replace("\r\n", "\n");
    let parts: Vec<&str> = mail.split("--=_order").collect();
    let &[headers, text, html, "--\n"] = &parts[..] else { panic!("{mail}") };
    let (text, html) = (content("text/plain", text), content("text/html", html));
    Composed { headers: headers.to_owned(), text, html }
}

/// What stands in a part, in quoted-printable or as it is.
#[track_caller]
fn content(expected: &str, part: &str) -> String {
    let (headers, content) = part.split_once("\n\n").unwrap();
    assert!(headers.contains(&format!("Content-Type: {expected}; charset=utf-8")), "{headers}");
    let content = content.strip_suffix('\n').unwrap();
    if headers.contains("7bit") {
        return content.to_owned();
    }
    assert!(headers.contains("quoted-printable"), "{headers}");
    let joined = content.replace("=\n", "");
    let mut bytes = joined.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'=' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).unwrap().replace("\r\n", "\n")
}

fn without_styles(html: &str) -> String {
    let mut parts = html.split(" style=\"");
    let first = parts.next().unwrap().to_owned();
    first + &parts.map(|part| part.split_once('"').unwrap().1).collect::<String>()
}

#[test]
fn a_validated_order() {
    let order = Order { lines: vec![line("p-1", 3, 1250), line("p-2", 1, 5)], ..validated("01J9Z") };
    let Composed { headers, text, html } = composed(&ada(), &order);
    insta::assert_snapshot!(headers, @r#"
    From: Orders <orders@shop.example>
    To: Ada <ada@example.org>
    Subject: We have accepted your order 01J9Z
    Date: Sun, 01 Mar 2026 10:00:00 +0000
    Message-ID: <01J9Z.1.VALIDATED@shop.example>
    Auto-Submitted: auto-generated
    MIME-Version: 1.0
    Content-Type: multipart/alternative; boundary="=_order"
    "#);
    insta::assert_snapshot!(text, @r"
    Hello Ada,

    Thank you for your order 01J9Z. We have checked it and accepted it.

    YOUR ORDER

      3 x p-1 at 12.50 EUR  37.50 EUR
      1 x p-2 at 0.05 EUR    0.05 EUR
      Total                 37.55 EUR

    WHAT HAPPENS NEXT

    Your items are set aside for you, and we are getting them ready. You do not need to do anything.

    Kind regards,
      Orders
    ");
    insta::assert_snapshot!(without_styles(&html), @r#"
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>We have accepted your order 01J9Z</title>
    </head>
    <body>
    <div>
    <p>Hello Ada,</p>
    <p>Thank you for your order 01J9Z. We have checked it and accepted it.</p>
    <h2>Your order</h2>
    <table>
    <tr><th>Item</th><th>Quantity</th><th>Price</th><th>Amount</th></tr>
    <tr><td>p-1</td><td>3</td><td>12.50 EUR</td><td>37.50 EUR</td></tr>
    <tr><td>p-2</td><td>1</td><td>0.05 EUR</td><td>0.05 EUR</td></tr>
    <tr><th colspan="3">Total</th><th>37.55 EUR</th></tr>
    </table>
    <h2>What happens next</h2>
    <p>Your items are set aside for you, and we are getting them ready. You do not need to do anything.</p>
    <p>Kind regards,<br>Orders</p>
    </div>
    </body>
    </html>
    "#);
}

#[test]
fn a_failed_order() {
    let Composed { headers, text, html } = composed(&ada(), &failed("01J9Z"));
    assert!(headers.contains("\nSubject: We could not accept your order 01J9Z\n"), "{headers}");
    assert!(html.contains(
        "<li>We do not have everything that you ordered in stock (p-1: 3 asked, 2 available).</li>"
    ));
    insta::assert_snapshot!(text, @r"
    Hello Ada,

    Thank you for your order 01J9Z. We are sorry that we could not accept it.

    WHY

      - We do not have everything that you ordered in stock (p-1: 3 asked, 2 available).

    YOUR ORDER

      3 x p-1 at 12.50 EUR  37.50 EUR
      Total                 37.50 EUR

    WHAT HAPPENS NEXT

    Please order fewer pieces, or order again when we have more. Nothing is set aside, and you have nothing to pay.

    Kind regards,
      Orders
    ");
}

#[test]
fn an_order_that_is_wrong_in_many_ways() {
    use ReasonCode::*;
    let details = Some(Check::OrderDetailsCheck);
    let order = Order {
        lines: vec![line("p-1", -1, i64::MAX), line("p-2", i64::MAX, 2)],
        reasons: vec![
            reason(QuantityNotPositive, details, "p-1:\r\n.\r\n-1"),
            reason(TotalOverflow, details, "p-2"),
            reason(InvalidOrder, Some(Check::FraudCheck), ""),
            reason(TimedOut, Some(Check::InventoryCheck), "no verdict within 30 s"),
        ],
        ..failed("01J9Z")
    };
    insta::assert_snapshot!(composed(&ada(), &order).text, @r"
    Hello Ada,

    Thank you for your order 01J9Z. We are sorry that we could not accept it.

    WHY

      - Each quantity must be at least 1 (p-1: . -1).
      - Its total is too large for us.
      - It did not pass our checks.
      - Checking it took us too long, which is our fault.

    YOUR ORDER

      -1 x p-1 at 92233720368547758.07 EUR   -92233720368547758.07 EUR
      9223372036854775807 x p-2 at 0.02 EUR                  too large
      Total                                                  too large

    WHAT HAPPENS NEXT

    Please change the order and place it again. Nothing is set aside, and you have nothing to pay.

    Kind regards,
      Orders
    ");
}

#[test]
fn an_order_without_lines() {
    let reasons = vec![reason(ReasonCode::NoLines, Some(Check::OrderDetailsCheck), "no lines")];
    let order = Order { lines: Vec::new(), reasons, ..failed("01J9Z") };
    let Composed { text, html, .. } = composed(&ada(), &order);
    assert!(!html.contains("<table"), "{html}");
    insta::assert_snapshot!(text, @r"
    Hello Ada,

    Thank you for your order 01J9Z. We are sorry that we could not accept it.

    WHY

      - There are no items in it.

    WHAT HAPPENS NEXT

    Please change the order and place it again. Nothing is set aside, and you have nothing to pay.

    Kind regards,
      Orders
    ");
}

/// Each sentence of a failed order's mail, and what helps.
#[test]
fn reasons_in_plain_words() {
    use ReasonCode::*;
    for (code, words, advice) in [
        (LimitExceeded, "would reach the limit that we have for each customer.", "place it again later"),
        (
            OutOfStock,
            "We do not have everything that you ordered in stock (the detail).",
            "order fewer pieces",
        ),
        (NoLines, "There are no items in it.", "change the order"),
        (QuantityNotPositive, "Each quantity must be at least 1 (the detail).", "change the order"),
        (NegativePrice, "No price may be below zero (the detail).", "change the order"),
        (TotalOverflow, "Its total is too large for us.", "change the order"),
        (InvalidOrder, "It did not pass our checks.", "change the order"),
        (StateUnreadable, "We could not check it, which is our fault.", "Please place it again."),
        (TimedOut, "Checking it took us too long, which is our fault.", "Please place it again."),
    ] {
        let order = Order { reasons: vec![reason(code, None, "the detail")], ..failed("01J9Z") };
        let Composed { text, html, .. } = composed(&ada(), &order);
        for part in [text, html] {
            assert!(part.contains(words) && part.contains(advice), "{code}: {part}");
            assert_eq!(part.contains("the detail"), words.contains("the detail"), "{code}: {part}");
        }
    }
}

#[test]
fn the_text_of_a_mail_is_escaped_in_html() {
    let eve = customer("c-1", "<b onclick='x'>&amp; \"", "eve@example.org", Level::Bronze);
    let reasons = vec![reason(ReasonCode::OutOfStock, None, "</li><script>")];
    let Composed { text, html, .. } = composed(&eve, &Order { reasons, ..failed("01J9Z") });
    assert!(html.contains("Hello &lt;b onclick=&#39;x&#39;&gt;&amp;amp; &quot;,"), "{html}");
    assert!(html.contains("(&lt;/li&gt;&lt;script&gt;)"), "{html}");
    assert!(text.contains("Hello <b onclick='x'>&amp; \",\n") && text.contains("(</li><script>)"), "{text}");
}

#[test]
fn any_name_and_any_address() {
    let zoe = customer("c-1", "Zoë \"😀\" <script>", "zoe@bücher.example", Level::Bronze);
    let Composed { headers, text, .. } = composed(&zoe, &validated("01J9Z"));
    let to = "To: =?utf-8?b?Wm/DqyAi8J+YgCIgPHNjcmlwdD4=?= <zoe@xn--bcher-kva.example>";
    assert!(headers.contains(&format!("\n{to}\n")), "{headers}");
    assert!(text.starts_with("Hello Zoë \"😀\" <script>,\n"), "{text}");
}

/// A name of an older record that would not be taken today, or that is blank.
#[test]
fn a_name_that_is_none_is_left_out() {
    for name in ["", "  ", "A\u{202e}da", "Ada\r\nBcc: eve@example.org"] {
        let Composed { headers, text, .. } =
            composed(&Customer { name: name.into(), ..ada() }, &validated("o"));
        assert!(headers.contains("\nTo: ada@example.org\n"), "{headers}");
        assert!(text.starts_with("Hello,\n"), "{text}");
    }
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
        let headers = composed(&ada(), &validated(id)).headers;
        assert!(headers.contains(&format!("\nMessage-ID: <{name}@shop.example>\n")), "{headers}");
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
fn the_same_order_gives_the_same_mail() {
    let mails = [(); 2].map(|()| compose(&sender(), &ada(), &failed("o")).unwrap().message().formatted());
    assert_eq!(mails[0], mails[1]);
}

#[test]
fn a_date_before_mail() {
    let order = Order { updated_at: parsed("0000-01-01T00:00:00Z"), ..validated("o") };
    assert!(composed(&ada(), &order).headers.contains("\nDate: Thu, 01 Jan 1970 00:00:00 +0000\n"));
}

#[test]
fn what_cannot_be_a_mail() {
    let error = compose(&sender(), &ada(), &created("o")).unwrap_err();
    assert!(matches!(error, ComposeError::Undecided), "{error}");
    for email in
        ["a..b@example.org", "ada@-", "ada@[127.0.0.1]", "a<b@example.org", "ada@example.org\r\nBcc: eve"]
    {
        let ada = Customer { email: email.to_owned(), ..ada() };
        let error = compose(&sender(), &ada, &validated("o")).unwrap_err();
        assert!(matches!(error, ComposeError::Address { .. }), "{email}: {error}");
        assert!(error.to_string().contains(&format!("{email:?}")), "{error}");
    }
}

#[test]
fn a_sender_is_a_name_and_an_address() {
    for (text, expected) in [
        ("Orders <orders@localhost>", Ok("Orders <orders@localhost>")),
        ("orders@shop.example", Ok("orders@shop.example")),
        ("Übrig <info@exämple.de>", Ok("Übrig <info@xn--exmple-cua.de>")),
        ("nobody", Err("must be an address")),
        ("Orders <orders@[127.0.0.1]>", Err("must be an address")),
        ("Orders <orders@127.0.0.1>", Err("must name a domain, not an IP address")),
        ("Orders <zoë@example.org>", Err("must be ASCII before the @")),
    ] {
        let found = parse_sender(text);
        match (&found, expected) {
            (Ok(sender), Ok(expected)) => assert_eq!(sender.to_string().replace('"', ""), expected),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{text}: {error}"),
            _ => panic!("{text}: {found:?}"),
        }
    }
}

const HEADERS: [&str; 8] =
    ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"];

/// Texts that look like addresses, or nearly so.
fn any_address() -> impl Strategy<Value = String> {
    "([a-z.+é用]{1,12}|\\PC{1,20})@([a-zA-Z0-9.ä-]{1,20}|\\PC{1,20}|例え。テスト)"
}

proptest! {
    /// Whatever a customer is called and an order says: there are these headers and no others, and no line
    /// is longer than SMTP allows.
    #[test]
    fn nothing_gets_into_the_headers(name in "\\PC{1,200}|.{1,20}", detail in ".{0,300}", email in any_address()) {
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
        prop_assert_eq!(&names[..], &HEADERS, "{}", headers);
        prop_assert!(!headers.replace("\r\n", "").contains(['\r', '\n']), "{}", headers);
        prop_assert!(text.split("\r\n").all(|line| line.len() <= 998), "{}", text);
        prop_assert_eq!(text.matches("\r\n--=_order").count(), 3, "{}", text);
    }

    /// What `PUT /v1/customers` takes and what can be sent to are the same, and with ASCII before the `@` no server
    /// needs to know more than ASCII.
    #[test]
    fn an_address_that_is_taken_can_be_sent_to(email in any_address()) {
        let taken = email.parse::<EmailAddress>();
        let mail = compose(&sender(), &Customer { email, ..ada() }, &validated("o"));
        match (taken, mail) {
            (Ok(address), Ok(mail)) => {
                let to = mail.message().envelope().to();
                prop_assert_eq!(to.len(), 1);
                let to: &str = to[0].as_ref();
                prop_assert_eq!(to, format!("{}@{}", address.local_part(), address.domain()));
                let formatted = mail.message().formatted();
                prop_assert!(!address.local_part().is_ascii() || to.is_ascii() && formatted.is_ascii());
            }
            (Err(_), Err(ComposeError::Address { .. })) => {}
            (taken, mail) => prop_assert!(false, "{taken:?}, but {mail:?}"),
        }
    }
}
