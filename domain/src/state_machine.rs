//! The life of an order.
//!
//! ```text
//!              create                 VALIDATED
//! (absent) ───────────▶ CREATED ─────────────────▶ VALIDATED
//!                          │          FAILED
//!                          └─────────────────────▶ FAILED
//! ```
//!
//! Every change raises the version by one. Nothing leaves VALIDATED or FAILED.

use std::fmt;

use jiff::Timestamp;

use crate::new_order::NewOrder;
use crate::order::{HistoryEntry, Order, OrderState, Origin};
use crate::outcome::Outcome;

/// What happens to the order `current`, or to none, when `event` comes.
///
/// Total: every event has an answer in every state. What is not
/// [`Changed`](Transition::Changed) leaves the order as it is.
pub fn apply(current: Option<&Order>, event: OrderEvent<'_>) -> Transition {
    match (current, event) {
        (None, OrderEvent::Create { new_order, at, origin }) => {
            Transition::Changed(create(new_order, at, origin))
        }
        (Some(order), OrderEvent::Create { new_order, .. }) if order.has_content(&new_order) => {
            Transition::Replayed
        }
        (Some(_), OrderEvent::Create { .. }) => Transition::Conflict,
        (None, OrderEvent::Outcome { .. }) => Transition::Refused(Refusal::NoSuchOrder),
        (Some(order), OrderEvent::Outcome { outcome, at }) => match decide(order, outcome, at) {
            Ok(order) => Transition::Changed(order),
            Err(refusal) => Transition::Refused(refusal),
        },
    }
}

/// Is `incoming` newer than what is known of the order? Newer is a higher
/// attempt, or a higher version of the same attempt.
///
/// For whoever folds the `orders` topic into a table: compaction and
/// redelivery may show old states again, or leave states out.
pub fn supersedes(current: Option<&Order>, incoming: &Order) -> bool {
    current.is_none_or(|current| (incoming.attempt, incoming.version) > (current.attempt, current.version))
}

/// What can happen to an order.
#[derive(Debug, Clone)]
pub enum OrderEvent<'a> {
    /// A client wants it created.
    Create {
        /// What the client gave.
        new_order: NewOrder,
        /// When; becomes the time of creation.
        at: Timestamp,
        /// Where the request stands.
        origin: Origin,
    },
    /// Its validation has ended.
    Outcome {
        /// How.
        outcome: &'a Outcome,
        /// When; becomes the time of the change.
        at: Timestamp,
    },
}

/// What an event does to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and most often it is the largest")]
pub enum Transition {
    /// The order is now this.
    Changed(Order),
    /// A creation of what is there already, with the same content.
    Replayed,
    /// A creation of what is there already, with other content.
    Conflict,
    /// The event does not fit the order: to be ignored and counted.
    Refused(Refusal),
}

/// Why an event does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// An outcome for an order that is not there.
    NoSuchOrder,
    /// An outcome that belongs to an order with another id.
    OtherOrder,
    /// An outcome for an attempt that is not the present one.
    OtherAttempt,
    /// An outcome for an order that is decided.
    AlreadyDecided,
    /// The version cannot grow any more.
    VersionExhausted,
}

impl fmt::Display for Refusal {
    /// The name as a label of a metric, such as `other_attempt`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NoSuchOrder => "no_such_order",
            Self::OtherOrder => "other_order",
            Self::OtherAttempt => "other_attempt",
            Self::AlreadyDecided => "already_decided",
            Self::VersionExhausted => "version_exhausted",
        })
    }
}

fn create(new_order: NewOrder, at: Timestamp, origin: Origin) -> Order {
    let NewOrder { id, customer_id, currency, lines } = new_order;
    let (state, version) = (OrderState::Created, 1);
    Order {
        id,
        customer_id,
        currency,
        lines,
        state,
        attempt: 1,
        version,
        reasons: Vec::new(),
        validations: Vec::new(),
        history: vec![HistoryEntry { state, version, at }],
        created_at: at,
        updated_at: at,
        origin,
    }
}

fn decide(order: &Order, outcome: &Outcome, at: Timestamp) -> Result<Order, Refusal> {
    if outcome.order_id != order.id {
        return Err(Refusal::OtherOrder);
    }
    if outcome.attempt != order.attempt {
        return Err(Refusal::OtherAttempt);
    }
    if order.state != OrderState::Created {
        return Err(Refusal::AlreadyDecided);
    }
    let version = order.version.checked_add(1).ok_or(Refusal::VersionExhausted)?;
    let state = OrderState::from(outcome.decision);
    // Two machines' clocks may disagree; an order's history does not run backwards.
    let at = at.max(order.updated_at);

    let mut order = order.clone();
    order.state = state;
    order.version = version;
    order.reasons = outcome.reasons.clone();
    order.validations = outcome.validations.clone();
    order.history.push(HistoryEntry { state, version, at });
    order.updated_at = at;
    Ok(order)
}

#[cfg(test)]
mod tests;
