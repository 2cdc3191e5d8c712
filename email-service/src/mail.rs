//! The mail about a decided order.
//!
//! Composing is pure: the same order gives the same mail, byte for byte, with the same Message-ID, so that a
//! mail which is sent again after a crash can be recognised.

mod text;

use std::time::{Duration, SystemTime};

use domain::{Customer, Decision, Order, OrderState};
use jiff::Timestamp;
use lettre::address::AddressError;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use lettre::{Address, Message};

/// A mail, ready to be delivered.
#[derive(Debug, Clone)]
pub struct Mail {
    name: String,
    message: Message,
}

impl Mail {
    /// What tells the mail from all others: order, attempt and state. It is the left side of the Message-ID,
    /// and good as a file's name: at most 210 characters of `A-Z a-z 0-9 _ - = .`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Headers, body and envelope.
    pub fn message(&self) -> &Message {
        &self.message
    }
}

/// Writes the mail that tells `customer` what has become of `order`.
///
/// # Errors
///
/// The order is not decided, or the customer's address is none that SMTP could be given.
pub fn compose(from: &Mailbox, customer: &Customer, order: &Order) -> Result<Mail, ComposeError> {
    let (decision, outcome) = match order.state {
        OrderState::Created => return Err(ComposeError::Undecided),
        OrderState::Validated => (Decision::Validated, "validated"),
        OrderState::Failed => (Decision::Failed, "failed"),
    };
    let name = name(order);
    let message = Message::builder()
        .from(from.clone())
        .to(recipient(customer)?)
        .subject(format!("Order {}: {outcome}", order.id))
        .date(date(order.updated_at))
        .message_id(Some(format!("<{name}@{}>", from.email.domain())))
        .raw_header(auto_submitted())
        .singlepart(SinglePart::plain(text::text(customer, order, decision)))?;
    Ok(Mail { name, message })
}

/// Why there can be no mail about an order. Trying again cannot help.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// There is nothing to tell yet.
    #[error("the order is not decided")]
    Undecided,
    /// An address that looked plausible, but is none by RFC 5321.
    #[error("the customer's address {email:?} cannot be used: {source}")]
    Address {
        /// The address.
        email: String,
        /// What is wrong with it.
        source: AddressError,
    },
    /// The parts do not make a message.
    #[error("the mail cannot be built: {0}")]
    Message(#[from] lettre::error::Error),
}

/// Ids may have dots where a Message-ID may not (RFC 5322: dot-atom), hence `=2E`.
fn name(order: &Order) -> String {
    format!("{}.{}.{}", order.id.as_str().replace('.', "=2E"), order.attempt, order.state)
}

fn recipient(customer: &Customer) -> Result<Mailbox, ComposeError> {
    let email: Address = customer
        .email
        .as_str()
        .parse()
        .map_err(|source| ComposeError::Address { email: customer.email.to_string(), source })?;
    Ok(Mailbox::new(Some(customer.name.to_string()), email))
}

/// A mail has no date before 1970, and none of less than a second.
fn date(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(at.as_second().try_into().unwrap_or(0))
}

/// RFC 3834: so that no vacation responder answers.
fn auto_submitted() -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned())
}
