//! Whom mails come from.

use domain::{EmailAddress, InvalidEmailAddress};
use lettre::message::Mailbox;

/// Reads a sender such as `Orders <orders@example.org>`. Its domain is sent in ASCII, as a customer's is.
///
/// # Errors
///
/// This is not a name and an address, or the address is not ASCII before the `@`: then no server without SMTPUTF8
/// would take any mail.
pub fn parse_sender(text: &str) -> Result<Mailbox, InvalidSender> {
    let Mailbox { name, email } = text.parse().map_err(|_| InvalidSender::Form)?;
    let email: EmailAddress = AsRef::<str>::as_ref(&email).parse()?;
    if !email.local_part().is_ascii() {
        return Err(InvalidSender::NotAscii);
    }
    Ok(Mailbox::new(name, super::address(&email)))
}

/// Why a text names no sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSender {
    /// Neither an address nor a name with one.
    #[error("must be an address, or a name and an address as in Orders <orders@example.org>")]
    Form,
    /// There is an address, which is none.
    #[error(transparent)]
    Address(#[from] InvalidEmailAddress),
    /// Not every mail server could take it.
    #[error("the sender's address must be ASCII before the @")]
    NotAscii,
}
