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
        Err(error) => return Plan::DeadLetter(Cause::new(error.exception(), error)),
    };
    match compose(from, &customer, &order) {
        Ok(mail) => Plan::Send(Box::new(mail)),
        Err(error) => Plan::DeadLetter(Cause::new("ComposeError", error)),
    }
}

/// The order and whom to tell of it; nothing, not even the order, if that is nobody.
fn decode(record: &ConsumerRecord) -> Result<Option<(Order, Customer)>, DecodeError> {
    let key = record.key.as_deref().ok_or(DecodeError::Missing("key"))?;
    let key: OrderId = decode_key(key)?;
    let value = record.value.as_deref().ok_or(DecodeError::Missing("value"))?;
    let TierRecord { order, customer } = decode_value::<TierRecord<Box<RawValue>>>(value)?;
    let Some(customer) = customer else { return Ok(None) };
    let order: Order = decode_value(order.get().as_bytes())?;
    if order.id != key {
        return Err(DecodeError::OtherKey { key: key.to_string(), named: order.id.to_string() });
    }
    Ok(Some((order, customer)))
}

#[cfg(test)]
mod tests {
    use domain::strategies::any_order;
    use proptest::prelude::*;
    use streams::{Timestamp, encode_key, encode_value};

    use super::*;

    proptest! {
        #[test]
        fn an_order_under_another_key_is_no_mail(order in any_order()) {
            let customer = r#"{"id":"c-1","name":"Ada","email":"ada@example.org","level":"gold"}"#;
            let customer: Option<Customer> = serde_json::from_str(customer).unwrap();
            prop_assume!(order.id.as_str() != "another");
            let mut record = ConsumerRecord {
                topic: "gold".into(),
                partition: 0,
                offset: 0,
                timestamp: Timestamp::default(),
                key: Some(encode_key(&order.id)),
                value: Some(encode_value(&TierRecord { order: order.clone(), customer }).unwrap()),
                headers: Vec::new(),
            };
            prop_assert!(matches!(decode(&record), Ok(Some((read, _))) if read == order));
            record.key = Some("another".into());
            prop_assert_eq!(decode(&record).unwrap_err().exception(), "MismatchedKey");
        }
    }
}
