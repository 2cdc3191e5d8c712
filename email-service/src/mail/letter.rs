//! What the mail says, before it is text or HTML.

use domain::{Currency, Decision, Order, OrderLine, Reason, ReasonCode, format_amount};

/// Each text is one line. Names and details are as others have written them.
pub(super) struct Letter {
    pub(super) subject: String,
    pub(super) greeting: String,
    /// What has become of the order.
    pub(super) news: String,
    pub(super) items: Vec<Item>,
    pub(super) total: String,
    /// Why it was not accepted; empty if it was.
    pub(super) reasons: Vec<String>,
    /// What happens next, and what the customer can do.
    pub(super) next: String,
    /// Who writes.
    pub(super) signature: Option<String>,
}

/// A line of the order.
pub(super) struct Item {
    pub(super) quantity: i64,
    pub(super) product: String,
    pub(super) each: String,
    pub(super) amount: String,
}

impl Letter {
    pub(super) fn new(to: Option<&str>, from: Option<&str>, order: &Order, decision: Decision) -> Self {
        let Order { id, lines, currency, reasons, .. } = order;
        let (subject, news, next) = match decision {
            Decision::Validated => (
                format!("We have accepted your order {id}"),
                format!("Thank you for your order {id}. We have checked it and accepted it."),
                "Your items are set aside for you, and we are getting them ready. You do not need to do anything."
                    .to_owned(),
            ),
            Decision::Failed => (
                format!("We could not accept your order {id}"),
                format!("Thank you for your order {id}. We are sorry that we could not accept it."),
                format!("{} Nothing is set aside, and you have nothing to pay.", advice(reasons)),
            ),
        };
        Self {
            subject,
            greeting: to.map_or_else(|| "Hello,".to_owned(), |name| format!("Hello {name},")),
            news,
            items: lines.iter().map(|line| Item::new(line, *currency)).collect(),
            total: price(order.total(), *currency),
            reasons: reasons.iter().map(in_words).collect(),
            next,
            signature: from.map(one_line).filter(|name| !name.is_empty()),
        }
    }
}

impl Item {
    fn new(line: &OrderLine, currency: Currency) -> Self {
        Self {
            quantity: line.quantity,
            product: line.product_id.to_string(),
            each: price(Some(line.unit_price), currency),
            amount: price(line.amount(), currency),
        }
    }
}

fn price(minor: Option<i64>, currency: Currency) -> String {
    match minor {
        Some(minor) => format!("{} {currency}", format_amount(minor, currency)),
        None => "too large".to_owned(),
    }
}

/// A sentence for the customer. Only such details are in it as the order's own lines explain: others are about
/// how the shop works, and may name limits that are nobody's business.
fn in_words(reason: &Reason) -> String {
    let (words, has_detail) = match reason.code {
        ReasonCode::LimitExceeded => (
            "With it, your orders within an hour would reach the limit that we have for each customer",
            false,
        ),
        ReasonCode::OutOfStock => ("We do not have everything that you ordered in stock", true),
        ReasonCode::NoLines => ("There are no items in it", false),
        ReasonCode::QuantityNotPositive => ("Each quantity must be at least 1", true),
        ReasonCode::NegativePrice => ("No price may be below zero", true),
        ReasonCode::TotalOverflow => ("Its total is too large for us", false),
        ReasonCode::StateUnreadable => ("We could not check it, which is our fault", false),
        ReasonCode::TimedOut => ("Checking it took us too long, which is our fault", false),
        _ => ("It did not pass our checks", false),
    };
    match reason.detail.as_deref().map(one_line) {
        Some(detail) if has_detail && !detail.is_empty() => format!("{words} ({detail})."),
        _ => format!("{words}."),
    }
}

/// What helps against the first of the reasons.
fn advice(reasons: &[Reason]) -> &'static str {
    match reasons.first().map(|reason| &reason.code) {
        Some(ReasonCode::LimitExceeded) => {
            "Please place it again later: an order counts towards the limit for one hour."
        }
        Some(ReasonCode::OutOfStock) => "Please order fewer pieces, or order again when we have more.",
        Some(ReasonCode::StateUnreadable | ReasonCode::TimedOut) | None => "Please place it again.",
        Some(_) => "Please change the order and place it again.",
    }
}

/// Details come from other services; one stays one line of the mail.
fn one_line(text: &str) -> String {
    text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}
