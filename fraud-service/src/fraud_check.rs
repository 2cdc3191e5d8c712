//! The step that judges purchases and remembers what counts.

use std::cmp::Ordering;
use std::time::Duration;

use domain::{Check, Currency, CustomerId, Judgement, OrderId, ReasonCode, Verdict, timestamp_from_millis};
use streams::{Context, ProcessError, Processor, Store, StoreError};

use crate::exposure::Exposure;
use crate::keys::{RowKey, SumsKey};
use crate::policy::FraudPolicy;
use crate::pruning;
use crate::purchase::{Event, Purchase};
use crate::row::{Row, Standing};
use crate::rule::judge;
use crate::sums::Sums;

pub(crate) struct FraudCheck {
    pub(crate) policy: FraudPolicy,
    pub(crate) rows: Store<RowKey, Row>,
    pub(crate) sums: Store<SumsKey, Sums>,
}

impl Processor for FraudCheck {
    type KeyIn = CustomerId;
    type ValueIn = Purchase;
    type KeyOut = OrderId;
    type ValueOut = Verdict;

    fn process(
        &self,
        customer: CustomerId,
        purchase: Purchase,
        context: &mut Context<'_, OrderId, Verdict>,
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

    fn punctuate(&self, context: &mut Context<'_, OrderId, Verdict>) -> Result<(), ProcessError> {
        let Self { rows, sums, .. } = self;
        for pruned in [
            pruning::prune(sums, SumsKey::hour, rows, context),
            pruning::prune(rows, RowKey::hour, rows, context),
        ] {
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
        context: &mut Context<'_, OrderId, Verdict>,
    ) -> Result<Option<Judgement>, StoreError> {
        let key = RowKey::new(customer, purchase);
        let Some(row) = context.get(&self.rows, &key)? else {
            return self.begin(customer, purchase, &key, context);
        };
        match purchase.attempt.cmp(&row.attempt) {
            Ordering::Less => {
                context.count(STALE_ATTEMPTS);
                Ok(None)
            }
            Ordering::Equal => self.go_on(customer, purchase, &key, row, context),
            Ordering::Greater => {
                self.take_out(customer, purchase, &row, context)?;
                // The row goes with what it added, even if the new attempt cannot be judged.
                context.delete(&self.rows, &key);
                self.begin(customer, purchase, &key, context)
            }
        }
    }

    /// The first that is seen of an attempt.
    fn begin(
        &self,
        customer: &CustomerId,
        purchase: &Purchase,
        key: &RowKey,
        context: &mut Context<'_, OrderId, Verdict>,
    ) -> Result<Option<Judgement>, StoreError> {
        let Purchase { attempt, currency, created_at, event, .. } = *purchase;
        let standing = match event {
            Event::Created { total } => {
                let exposure = self.exposure(customer, currency);
                let hour = exposure.hour_around(created_at, context)?;
                let spent = exposure.until(created_at, &hour, context)?;
                let standing = judge(&self.policy, spent, currency, total);
                if standing.value() != 0 {
                    exposure.change(hour, created_at, standing.value().into(), context)?;
                }
                standing
            }
            Event::Failed => Standing::FailedBefore,
        };
        let row = Row { attempt, standing };
        context.put(&self.rows, key, &row)?;
        Ok(row.standing.judgement())
    }

    /// More of an attempt that is known: it is judged once, and taken out once.
    fn go_on(
        &self,
        customer: &CustomerId,
        purchase: &Purchase,
        key: &RowKey,
        row: Row,
        context: &mut Context<'_, OrderId, Verdict>,
    ) -> Result<Option<Judgement>, StoreError> {
        if let Event::Created { .. } = purchase.event {
            return Ok(row.standing.judgement());
        }
        if let Standing::Counted(_) = row.standing {
            self.take_out(customer, purchase, &row, context)?;
            context.put(&self.rows, key, &Row { standing: Standing::TakenOut, ..row })?;
        }
        Ok(None)
    }

    /// Takes out what the row of this order added.
    fn take_out(
        &self,
        customer: &CustomerId,
        purchase: &Purchase,
        row: &Row,
        context: &mut Context<'_, OrderId, Verdict>,
    ) -> Result<(), StoreError> {
        let value = row.standing.value();
        if value == 0 {
            return Ok(());
        }
        let exposure = self.exposure(customer, purchase.currency);
        let hour = exposure.hour_around(purchase.created_at, context)?;
        exposure.change(hour, purchase.created_at, -i128::from(value), context)
    }

    fn exposure<'a>(&self, customer: &'a CustomerId, currency: Currency) -> Exposure<'a> {
        Exposure { sums: self.sums, customer, currency }
    }
}

/// Nobody waits for a verdict on what has failed.
fn unreadable(purchase: &Purchase, error: &StoreError) -> Option<Judgement> {
    let code = ReasonCode::StateUnreadable;
    match purchase.event {
        Event::Created { .. } => Some(Judgement::Error { code, detail: error.to_string() }),
        Event::Failed => None,
    }
}
