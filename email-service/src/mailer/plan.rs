//! What is to be done with a tier record.

use domain::{Customer, Order, OrderId, TierRecord};
use lettre::message::Mailbox;
use serde_json::value::RawValue;
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
    let (order, customer) = match decode(record) {
        Ok(Some(known)) => known,
        Ok(None) => return Plan::Nothing,
        Err(error) => return Plan::DeadLetter(Cause::new("DecodeError", error)),
    };
    match compose(from, &customer, &order) {
        Ok(mail) => Plan::Send(Box::new(mail)),
        Err(error) => Plan::DeadLetter(Cause::new("ComposeError", error)),
    }
}

/// The order and whom to tell of it; nothing, not even the order, if that is nobody.
fn decode(record: &ConsumerRecord) -> Result<Option<(Order, Customer)>, DecodeError> {
    let key = record.key.as_deref().ok_or(DecodeError::Missing("key"))?;
    decode_key::<OrderId>(key)?;
    let value = record.value.as_deref().ok_or(DecodeError::Missing("value"))?;
    let TierRecord { order, customer } = decode_value::<TierRecord<Box<RawValue>>>(value)?;
    let Some(customer) = customer else { return Ok(None) };
    Ok(Some((decode_value(order.get().as_bytes())?, customer)))
}
