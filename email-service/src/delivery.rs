//! Delivery: what stands between a mail and the world.

mod folder;
mod smtp;
mod symptom;

use futures::future::BoxFuture;

pub use folder::MailFolder;
pub use smtp::{InvalidSmtpUrl, Smtp};

use crate::mail::Mail;

/// Delivers mails.
pub trait Transport: Send + Sync {
    /// Delivers a mail. It is delivered for sure only when this says so.
    fn deliver<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), DeliveryError>>;
}

/// Why a mail was not delivered, sorted by what is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// No mail now: the server is away or takes none. To be tried again before any other mail.
    #[error("not delivered yet: {0}")]
    Temporary(String),
    /// This mail not now, though the server takes mails: most likely its recipient is refused temporarily. To be
    /// tried again later, and no other mail has to wait for it.
    #[error("not taken yet: {0}")]
    Deferred(String),
    /// No mail can be delivered before somebody mends settings or server; no fault of the mail, so it is to
    /// be tried again, and somebody has to be told.
    #[error("not delivered, check the SMTP settings: {0}")]
    Misconfigured(String),
    /// Never: this mail will be refused each time.
    #[error("refused for good: {0}")]
    Refused(String),
}
