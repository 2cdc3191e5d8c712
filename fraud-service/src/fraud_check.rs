//! The step that judges purchases and remembers what counts.

use std::time::Duration;

use domain::{Check, CustomerId, Judgement, OrderId, ReasonCode, Verdict, timestamp_from_millis};
use streams::{Context, ProcessError, Processor, Store, StoreError};

use crate::hour::{HOUR, Hour, fullest};
use crate::keys::{HourKey, RowKey};
use crate::policy::FraudPolicy;
use crate::pruning;
use crate::purchase::{Event, Purchase};
use crate::row::{Row, Standing};
use crate::rule::judge;

pub(crate) struct FraudCheck {
    pub(crate) policy: FraudPolicy,
    pub(crate) rows: Store<RowKey, Row>,
    pub(crate) hours: Store<HourKey, Hour>,
}

type FraudContext<'a> = Context<'a, OrderId, Verdict>;

impl Processor for FraudCheck {
    type KeyIn = CustomerId;
    type ValueIn = Purchase;
    type KeyOut = OrderId;
    type ValueOut = Verdict;

    fn process(
        &self,
        customer: CustomerId,
        purchase: Purchase,
        context: &mut FraudContext<'_>,
    ) -> Result<(), ProcessError> {
        let judgement = match self.take(&customer, &purchase, context) {
            Err(error @ StoreError::Undecodable { .. }) => {
                context.count(STATE_UNREADABLE);
                unreadable(&purchase, &error)
            }
            judgement => judgement?,
        };
        if let Some(judgement) = judgement {
            let now = timestamp_from_millis(context.now().as_millis());
            let Purchase { order_id, attempt, .. } = purchase;
            let verdict = judgement.into_verdict(order_id.clone(), attempt, Check::FraudCheck, now, now);
            context.forward(order_id, verdict);
        }
        Ok(())
    }

    fn punctuation_interval(&self) -> Option<Duration> {
        Some(pruning::INTERVAL)
    }

    fn punctuate(&self, context: &mut FraudContext<'_>) -> Result<(), ProcessError> {
        let Self { rows, hours, .. } = self;
        for pruned in [pruning::prune(hours, rows, context), pruning::prune(rows, rows, context)] {
            match pruned {
                // A key that cannot be read stays, and what comes after it; no verdict depends on its removal.
                Err(StoreError::Undecodable { .. }) => context.count(PRUNING_STOPPED),
                pruned => pruned?,
            }
        }
        Ok(())
    }
}

/// Counts purchases for which a store held what it should not hold.
const STATE_UNREADABLE: &str = "state_unreadable";

/// Counts how often what is old could not be removed because a store holds what it should not hold.
const PRUNING_STOPPED: &str = "pruning_stopped";

/// Counts records of attempts that a newer one has replaced.
const STALE_ATTEMPTS: &str = "stale_attempts";

impl FraudCheck {
    /// Takes a purchase into account, and says what there is to say of it.
    fn take(
        &self,
        customer: &CustomerId,
        purchase: &Purchase,
        context: &mut FraudContext<'_>,
    ) -> Result<Option<Judgement>, StoreError> {
        let Purchase { attempt, created_at, .. } = *purchase;
        let key =
            RowKey { hour: created_at / HOUR, customer: customer.clone(), of: purchase.order_id.clone() };
        let row = match context.get(&self.rows, &key)? {
            Some(row) if attempt < row.attempt => {
                context.count(STALE_ATTEMPTS);
                return Ok(None);
            }
            Some(row) if attempt == row.attempt => return self.go_on(&key, purchase, row, context),
            row => row,
        };
        if let Some(older) = row {
            self.take_out(&key, purchase, &older, context)?;
            // The row goes with what it added, even if the new attempt cannot be judged.
            context.delete(&self.rows, &key);
        }
        self.begin(&key, purchase, context)
    }

    /// The first that is seen of an attempt.
    fn begin(
        &self,
        key: &RowKey,
        purchase: &Purchase,
        context: &mut FraudContext<'_>,
    ) -> Result<Option<Judgement>, StoreError> {
        if pruning::is_partly_gone(key.hour, &self.rows, context)? {
            return Ok(too_late(purchase));
        }
        let standing = match purchase.event {
            Event::Created { total } => self.judge(key, purchase, total, context)?,
            Event::Failed => Standing::FailedBefore,
        };
        let row = Row { attempt: purchase.attempt, standing };
        context.put(&self.rows, key, &row)?;
        Ok(row.standing.judgement())
    }

    /// Judges an order by all hours that it lies in, and counts it if it passes.
    fn judge(
        &self,
        key: &RowKey,
        purchase: &Purchase,
        total: Option<i64>,
        context: &mut FraudContext<'_>,
    ) -> Result<Standing, StoreError> {
        let Purchase { currency, created_at, .. } = *purchase;
        let hour_at = |hour| {
            let hour = context.get(&self.hours, &hour_key(key, purchase, hour))?;
            Ok::<_, StoreError>(hour.unwrap_or_default())
        };
        let before = key.hour.checked_sub(1).map_or_else(|| Ok(Hour::default()), hour_at)?;
        let mut hours = [before, hour_at(key.hour)?, hour_at(key.hour.saturating_add(1))?];
        let standing = judge(&self.policy, fullest(&hours, created_at), currency, total);
        if standing.value() != 0 {
            let [_, own, _] = &mut hours;
            own.add(created_at, standing.value());
            context.put(&self.hours, &hour_key(key, purchase, key.hour), own)?;
        }
        Ok(standing)
    }

    /// More of an attempt that is known: it is judged once, and taken out once.
    fn go_on(
        &self,
        key: &RowKey,
        purchase: &Purchase,
        row: Row,
        context: &mut FraudContext<'_>,
    ) -> Result<Option<Judgement>, StoreError> {
        if let Event::Created { .. } = purchase.event {
            return Ok(row.standing.judgement());
        }
        if let Standing::Counted(_) = row.standing {
            self.take_out(key, purchase, &row, context)?;
            context.put(&self.rows, key, &Row { standing: Standing::TakenOut, ..row })?;
        }
        Ok(None)
    }

    /// Takes out what the row of this order added.
    fn take_out(
        &self,
        key: &RowKey,
        purchase: &Purchase,
        row: &Row,
        context: &mut FraudContext<'_>,
    ) -> Result<(), StoreError> {
        let value = row.standing.value();
        if value == 0 {
            return Ok(());
        }
        let key = hour_key(key, purchase, key.hour);
        let mut hour = context.get(&self.hours, &key)?.unwrap_or_default();
        hour.take_out(purchase.created_at, value);
        if hour.is_empty() {
            context.delete(&self.hours, &key);
            return Ok(());
        }
        context.put(&self.hours, &key, &hour)
    }
}

/// Where an hour of the order's customer and currency stands.
fn hour_key(row: &RowKey, purchase: &Purchase, hour: u64) -> HourKey {
    HourKey { hour, customer: row.customer.clone(), of: purchase.currency }
}

/// Nobody waits for a verdict on what has failed.
fn unreadable(purchase: &Purchase, error: &StoreError) -> Option<Judgement> {
    unless_failed(purchase, ReasonCode::StateUnreadable, error.to_string())
}

/// What else its hour holds is partly forgotten, so it might exceed the limit.
fn too_late(purchase: &Purchase) -> Option<Judgement> {
    let detail = "the order comes so long after its creation that its hour cannot be judged any more";
    unless_failed(purchase, ReasonCode::TimedOut, detail.into())
}

fn unless_failed(purchase: &Purchase, code: ReasonCode, detail: String) -> Option<Judgement> {
    match purchase.event {
        Event::Created { .. } => Some(Judgement::Error { code, detail }),
        Event::Failed => None,
    }
}
