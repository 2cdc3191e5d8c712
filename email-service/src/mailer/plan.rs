//! What is to be done with a tier record.

use domain::{OrderId, TierRecord};
use lettre::message::Mailbox;
use streams::{ConsumerRecord, DecodeError, decode_key, decode_value};

use crate::mail::{Mail, compose};

/// What is to be done with a tier record.
#[derive(Debug)]
pub(super) enum Plan {
    /// Its mail.
    Send(Box<Mail>),
    /// Nothing: there is nobody to write to.
    Nothing,
    /// It cannot be made a mail.
    DeadLetter(Cause),
}

/// Why a record becomes a dead letter: for the headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) exception: &'static str,
    pub(super) message: String,
}

impl Cause {
    pub(super) fn new(exception: &'static str, message: impl ToString) -> Self {
        Self { exception, message: message.to_string() }
    }
}

pub(super) fn plan(record: &ConsumerRecord, from: &Mailbox) -> Plan {
    let TierRecord { order, customer } = match decode(record) {
        Ok(tier_record) => tier_record,
        Err(error) => return Plan::DeadLetter(Cause::new("DecodeError", error)),
    };
    let Some(customer) = customer else { return Plan::Nothing };
    match compose(from, &customer, &order) {
        Ok(mail) => Plan::Send(Box::new(mail)),
        Err(error) => Plan::DeadLetter(Cause::new("ComposeError", error)),
    }
}

fn decode(record: &ConsumerRecord) -> Result<TierRecord, DecodeError> {
    let key = record.key.as_deref().ok_or(DecodeError::Missing("key"))?;
    decode_key::<OrderId>(key)?;
    decode_value(record.value.as_deref().ok_or(DecodeError::Missing("value"))?)
}
