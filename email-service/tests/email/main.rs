//! email-service from outside: its topology, its mails, and how they are delivered.

#![expect(clippy::unwrap_used, reason = "all of this is test code, its helpers too")]

mod fake_kafka;
mod folder;
mod mail;
mod mailer;
mod samples;
mod smtp;
mod smtp_server;
mod topology;
