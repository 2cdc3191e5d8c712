//! Where the rules meet stores, time and topics.

use std::time::Duration;

use domain::{OrderId, Outcome, Verdict};
use service::topics::{ORDER_VALIDATIONS, ORDERS};
use streams::{Context, ProcessError, Processor, StoreError, Timestamp};

use crate::case::{Case, Step, on_order, on_verdict};
use crate::case_store::CaseStore;
use crate::deadline::{Due, Progress, on_due};
use crate::due_key::DueKey;
use crate::policy::AggregatorPolicy;
use crate::standing::Standing;

/// Opens cases, and closes those that have come to their ends.
pub(crate) struct TakeOrder {
    pub(crate) policy: AggregatorPolicy,
    pub(crate) store: CaseStore,
}

/// Adds verdicts to their cases, and looks after what is due.
pub(crate) struct TakeVerdict {
    pub(crate) policy: AggregatorPolicy,
    pub(crate) store: CaseStore,
}

/// How often to look for what is due: one read, as long as nothing is.
const INTERVAL: Duration = Duration::from_millis(500);

/// So much is done at a time, to keep the transaction short; twice as much as records came since, if these are more:
/// each makes one case due at most.
const DUE_AT_A_TIME: usize = 2_000;

impl Processor for TakeOrder {
    type KeyIn = OrderId;
    type ValueIn = Standing;
    type KeyOut = OrderId;
    type ValueOut = Outcome;

    fn process(
        &self,
        key: OrderId,
        order: Standing,
        context: &mut Context<'_, OrderId, Outcome>,
    ) -> Result<(), ProcessError> {
        take(&self.store, &key, context, |known, now| on_order(known, &order, now, &self.policy))
    }
}

impl Processor for TakeVerdict {
    type KeyIn = OrderId;
    type ValueIn = Verdict;
    type KeyOut = OrderId;
    type ValueOut = Outcome;

    fn process(
        &self,
        key: OrderId,
        verdict: Verdict,
        context: &mut Context<'_, OrderId, Outcome>,
    ) -> Result<(), ProcessError> {
        take(&self.store, &key, context, |known, now| on_verdict(known, &verdict, now, &self.policy))
    }

    fn punctuation_interval(&self) -> Option<Duration> {
        Some(INTERVAL)
    }

    fn punctuate(&self, context: &mut Context<'_, OrderId, Outcome>) -> Result<(), ProcessError> {
        let progress = Progress {
            now: context.now(),
            started_at: context.task_started_at(),
            orders_read: context.read_to_end_as_of(&ORDERS),
            verdicts_read: context.read_to_end_as_of(&ORDER_VALIDATIONS),
        };
        for due in self.store.due(context, DUE_AT_A_TIME.max(2 * context.records_since()))? {
            self.look_after(&due, &progress, context)?;
        }
        Ok(())
    }
}

impl TakeVerdict {
    fn look_after(
        &self,
        due: &DueKey,
        progress: &Progress,
        context: &mut Context<'_, OrderId, Outcome>,
    ) -> Result<(), ProcessError> {
        let case = match self.store.get(context, &due.order_id) {
            Ok(Some(case)) => case,
            // A later look would find the same, and one damaged case must not hold up all others.
            Ok(None) | Err(StoreError::Undecodable { .. }) => {
                self.store.delete(context, due);
                context.count("cases_unreadable");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        match on_due(case, &due.order_id, progress, &self.policy) {
            Due::NotYet => {}
            Due::AwaitVerdicts => context.request_end(&ORDER_VALIDATIONS),
            Due::AwaitOrders => context.request_end(&ORDERS),
            Due::TimedOut(case, outcome) => {
                self.store.put(context, &due.order_id, Some(due), &case)?;
                context.forward(due.order_id.clone(), outcome);
                context.count("orders_timed_out");
            }
            Due::Forget(unclaimed) => {
                self.store.delete(context, due);
                (0..unclaimed).for_each(|_| context.count("verdicts_unclaimed"));
            }
        }
        Ok(())
    }
}

/// Takes a record into its case: what `step` says is done here.
fn take(
    store: &CaseStore,
    order_id: &OrderId,
    context: &mut Context<'_, OrderId, Outcome>,
    step: impl FnOnce(Option<Case>, Timestamp) -> Step,
) -> Result<(), ProcessError> {
    let known = store.get(context, order_id)?;
    let due = known.as_ref().map(|case| DueKey::new(case.due(), order_id));
    match step(known, context.now()) {
        Step::Unchanged => {}
        Step::Ignored(counter) => context.count(counter),
        Step::Changed(case, outcome) => {
            store.put(context, order_id, due.as_ref(), &case)?;
            outcome.into_iter().for_each(|outcome| context.forward(order_id.clone(), outcome));
        }
        Step::Late(case) => {
            match case {
                Some(case) => store.put(context, order_id, due.as_ref(), &case)?,
                None => due.iter().for_each(|due| store.delete(context, due)),
            }
            context.count("verdicts_late");
        }
        Step::Over(outcome) => {
            due.iter().for_each(|due| store.delete(context, due));
            context.forward(order_id.clone(), outcome);
        }
    }
    Ok(())
}
