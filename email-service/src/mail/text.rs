//! What the mail says.

use std::fmt::Write;

use domain::{Check, Currency, Customer, Decision, Order, OrderLine, Reason, ReasonCode, format_amount};

pub(super) fn text(customer: &Customer, order: &Order, decision: Decision) -> String {
    let mut text = format!("{}\n\n{}\n", greeting(customer), news(order, decision));
    for line in &order.lines {
        // Writing to a string cannot fail.
        _ = writeln!(text, "  {}", item(line, order.currency));
    }
    if !order.lines.is_empty() {
        _ = writeln!(text, "\n  Total: {}", price(order.total(), order.currency));
    }
    if !order.reasons.is_empty() {
        text.push_str("\nWhy not:\n\n");
    }
    for reason in &order.reasons {
        _ = writeln!(text, "  - {}", in_words(reason));
    }
    text
}

fn greeting(customer: &Customer) -> String {
    match customer.name.as_str().trim() {
        "" => "Hello,".to_owned(),
        name => format!("Hello {name},"),
    }
}

fn news(order: &Order, decision: Decision) -> String {
    let news = match decision {
        Decision::Validated => "thank you. We have accepted your order",
        Decision::Failed => "we are sorry: we could not accept your order",
    };
    let end = if order.lines.is_empty() { "." } else { ":\n" };
    format!("{news} {}{end}", order.id)
}

fn item(line: &OrderLine, currency: Currency) -> String {
    let OrderLine { product_id, quantity, unit_price } = line;
    let (each, all) = (price(Some(*unit_price), currency), price(line.amount(), currency));
    format!("{quantity} x {product_id} at {each}: {all}")
}

fn price(minor: Option<i64>, currency: Currency) -> String {
    match minor {
        Some(minor) => format!("{} {currency}", format_amount(minor, currency)),
        None => "beyond what can be counted".to_owned(),
    }
}

fn in_words(reason: &Reason) -> String {
    let words = match (reason.code, reason.check) {
        (ReasonCode::LimitExceeded, _) => "your orders of the last hour reach the limit for a customer",
        (ReasonCode::OutOfStock, _) => "not everything that you ordered is in stock",
        (ReasonCode::NoLines, _) => "the order has no lines",
        (ReasonCode::QuantityNotPositive, _) => "a quantity is not positive",
        (ReasonCode::NegativePrice, _) => "a price is negative",
        (ReasonCode::TotalOverflow, _) => "the total is too large",
        (ReasonCode::InvalidOrder, _) => "the order could not be checked as it is",
        (ReasonCode::StateUnreadable, _) => "we could not check the order, which is our fault",
        (ReasonCode::TimedOut, Some(Check::FraudCheck)) => "the check of your limit took too long",
        (ReasonCode::TimedOut, Some(Check::InventoryCheck)) => "the check of our stock took too long",
        (ReasonCode::TimedOut, Some(Check::OrderDetailsCheck)) => {
            "the check of the order itself took too long"
        }
        (ReasonCode::TimedOut, None) => "the checks took too long",
    };
    match reason.detail.as_deref().map(one_line) {
        Some(detail) if !detail.is_empty() => format!("{words} ({detail})"),
        _ => words.to_owned(),
    }
}

/// Details come from other services; one stays one line of the mail.
fn one_line(detail: &str) -> String {
    detail
        .split(char::is_control)
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}
