//! Tells customers by email what has become of their orders.
//!
//! Two parts, with the tier topics (platinum, gold, silver, bronze) as the outbox between them:
//!
//! - The [`topology`] reads `orders`, finds the customer of each decided order and writes both to the topic
//!   of the customer's level: exactly once, as everything that stays within Kafka.
//! - The [`Mailer`] reads the tier topics and sends a mail for each record. Exactly once ends at SMTP's
//!   door. What it promises: **no mail is left out, and there is no second mail without a crash in between.**
//!   So a partition's mails are sent one after the other, and an offset is committed when all mails below it
//!   were accepted or are dead letters.
//!
//! Between them stand two pieces that know nothing of Kafka: [`compose`] writes a mail, a [`Transport`]
//! delivers it, by SMTP ([`Smtp`]) or into a folder ([`MailFolder`]).

pub mod api;
mod decided_order;
mod deduplicate;
mod delivery;
mod find_customer;
mod http;
mod mail;
mod mailer;
mod order_key;
mod run;
mod topic_end;
mod topology;

pub use decided_order::DecidedOrder;
pub use delivery::{DeliveryError, InvalidSmtpUrl, MailFolder, Smtp, Transport};
pub use mail::{ComposeError, InvalidSender, Mail, compose, parse_sender};
pub use mailer::{
    MAILER_GROUP, Mailer, MailerConfig, MailerError, MailerMetrics, RetryPolicy, StopRequest, WAITING,
    WaitingCount, WaitingMail,
};
pub use order_key::{InvalidOrderKey, OrderKey};
pub use run::{MailArgs, StartEmailError, run};
pub use topology::{APPLICATION, EmailTopology, topology};

/// A name and an address, as in `Orders <orders@example.org>`: the form of the sender's setting.
pub use lettre::message::Mailbox;
