//! email-service from outside: its topology, its mails, and how they are delivered.

mod fake_kafka;
mod folder;
mod mail;
mod mailer;
mod samples;
mod smtp;
mod smtp_server;
mod topology;
