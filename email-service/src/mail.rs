//! The mail about a decided order.
//!
//! Composing is pure: the same order gives the same mail, byte for byte, with the same Message-ID, so that a
//! mail which is sent again after a crash can be recognised.

mod html;
mod letter;
mod sender;
mod text;

use std::time::{Duration, SystemTime};

use domain::{
    Customer, CustomerName, Decision, EmailAddress, InvalidEmailAddress, Order, OrderState, UnknownName,
};
use jiff::Timestamp;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, MultiPartKind, SinglePart};
use lettre::{Address, Message};

pub use sender::{InvalidSender, parse_sender};

use letter::Letter;

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

/// Writes the mail that tells `customer` what has become of `order`: as text, and the same as HTML.
///
/// A customer whose address is an [`EmailAddress`] can always be written to. A name that is no [`CustomerName`]
/// is left out.
///
/// # Errors
///
/// The order is not decided, or the customer's address is no [`EmailAddress`].
pub fn compose(from: &Mailbox, customer: &Customer, order: &Order) -> Result<Mail, ComposeError> {
    let decision = match order.state {
        OrderState::Created => return Err(ComposeError::Undecided),
        OrderState::Validated => Decision::Validated,
        OrderState::Failed => Decision::Failed,
        OrderState::Unknown(state) => return Err(ComposeError::UnknownState(state)),
    };
    let name = name(order);
    let to = recipient(customer)?;
    let letter = Letter::new(to.name.as_deref(), from.name.as_deref(), order, decision);
    let message = Message::builder()
        .envelope(Envelope::new(Some(from.email.clone()), vec![to.email.clone()])?)
        .from(from.clone())
        .to(to)
        .subject(letter.subject.clone())
        .date(date(order.updated_at))
        .message_id(Some(format!("<{name}@{}>", from.email.domain())))
        .raw_header(auto_submitted())
        .multipart(as_text_and_html(&letter))?;
    Ok(Mail { name, message })
}

/// Why there can be no mail about an order. Trying again cannot help.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// There is nothing to tell yet.
    #[error("the order is not decided")]
    Undecided,
    /// A newer program would know what to tell.
    #[error("the order is in state {:?}, which is not known here", .0.as_str())]
    UnknownState(UnknownName),
    /// The address was written before today's rules.
    #[error("the customer's address {email:?} cannot be used: {source}")]
    Address {
        /// The address.
        email: String,
        /// What is wrong with it.
        source: InvalidEmailAddress,
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
    let email: EmailAddress = customer
        .email
        .parse()
        .map_err(|source| ComposeError::Address { email: customer.email.clone(), source })?;
    let name = customer.name.parse().ok().map(|name: CustomerName| name.as_str().trim().to_owned());
    Ok(Mailbox::new(name.filter(|name| !name.is_empty()), address(&email)))
}

/// The address as SMTP is given it. What is an address stands in [`EmailAddress`] alone; lettre's own check
/// would refuse some of them.
fn address(email: &EmailAddress) -> Address {
    Address::new_dangerous(email.local_part(), email.domain())
}

/// A mail has no date before 1970, and none of less than a second.
fn date(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(at.as_second().try_into().unwrap_or(0))
}

/// RFC 3834: so that no vacation responder answers.
fn auto_submitted() -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned())
}

/// Always the same, and nowhere else in a mail: no line of a part begins with what others have written, and
/// where a part is encoded, it has no `=_`.
const BOUNDARY: &str = "=_order";

fn as_text_and_html(letter: &Letter) -> MultiPart {
    MultiPart::builder()
        .kind(MultiPartKind::Alternative)
        .boundary(BOUNDARY)
        .singlepart(SinglePart::plain(text::text(letter)))
        .singlepart(SinglePart::html(html::html(letter)))
}
