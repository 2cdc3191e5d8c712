//! How the orders fared, counted.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::OrderId;

use super::journey::{Journey, Trouble};

/// The journeys that have ended.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) validated: usize,
    /// By reason.
    pub(crate) failed: BTreeMap<String, usize>,
    /// By what went wrong.
    pub(crate) troubled: BTreeMap<String, Troubled>,
    /// Of each decided order, the time until it was accepted.
    pub(crate) accepted: Vec<Duration>,
    /// Of each decided order, the time until it was decided.
    pub(crate) decided: Vec<Duration>,
}

/// Orders that came to no end, for one and the same reason.
#[derive(Debug)]
pub(crate) struct Troubled {
    pub(crate) count: usize,
    /// One of them, to look into.
    pub(crate) example: OrderId,
}

impl Tally {
    pub(crate) fn add(&mut self, order: &OrderId, journey: Result<Journey, Trouble>) {
        match journey {
            Ok(Journey { accepted, decided, failed }) => {
                self.accepted.push(accepted);
                self.decided.push(decided);
                match failed {
                    None => self.validated += 1,
                    Some(code) => *self.failed.entry(code).or_default() += 1,
                }
            }
            Err(trouble) => {
                let new = || Troubled { count: 0, example: order.clone() };
                self.troubled.entry(trouble.to_string()).or_insert_with(new).count += 1;
            }
        }
    }

    /// How many orders failed.
    pub(crate) fn failed(&self) -> usize {
        self.failed.values().sum()
    }

    /// How many orders came to no end.
    pub(crate) fn errors(&self) -> usize {
        self.troubled.values().map(|troubled| troubled.count).sum()
    }

    /// How many orders came to an end, of whatever kind.
    pub(crate) fn ended(&self) -> usize {
        self.validated + self.failed() + self.errors()
    }
}
