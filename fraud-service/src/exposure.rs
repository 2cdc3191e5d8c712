//! What customers ordered for, as sums by minute and by millisecond.

use std::ops::{Bound, Range};

use domain::{Currency, CustomerId, OrderId, Verdict};
use streams::{Context, Store, StoreError, TopologyBuilder};

use crate::keys::SumKey;
use crate::row::Row;
use crate::window::{Window, by_hour, minute_of};

/// The stores of the sums, in minor units, of what counts. A sum of nothing is not there.
///
/// They are `i128` because orders that come late are judged by their own hour: what others see of the same
/// minute may exceed any limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exposure {
    pub(crate) minutes: Store<SumKey, i128>,
    pub(crate) moments: Store<SumKey, i128>,
}

impl Exposure {
    pub(crate) fn new(builder: &mut TopologyBuilder) -> Self {
        Self { minutes: builder.store("minutes"), moments: builder.store("moments") }
    }

    /// What counts within the window, in minor units of `currency`.
    pub(crate) fn within(
        &self,
        window: Window,
        customer: &CustomerId,
        currency: Currency,
        context: &Context<'_, OrderId, Verdict>,
    ) -> Result<i128, StoreError> {
        let Window { minutes, edges } = window;
        let pieces = edges.map(|edge| (&self.moments, edge)).into_iter().chain([(&self.minutes, minutes)]);
        pieces.flat_map(|(store, piece)| by_hour(piece).map(move |part| (store, part))).try_fold(
            0,
            |sum: i128, (store, part)| {
                Ok(sum.saturating_add(sum_of(store, part, customer, currency, context)?))
            },
        )
    }

    /// Adds what the row adds.
    pub(crate) fn add(
        &self,
        customer: &CustomerId,
        row: &Row,
        context: &mut Context<'_, OrderId, Verdict>,
    ) -> Result<(), StoreError> {
        self.change(customer, row, row.value().into(), context)
    }

    /// Takes out what the row added.
    pub(crate) fn take_out(
        &self,
        customer: &CustomerId,
        row: &Row,
        context: &mut Context<'_, OrderId, Verdict>,
    ) -> Result<(), StoreError> {
        self.change(customer, row, -i128::from(row.value()), context)
    }

    /// Changes both sums, or neither when one of them cannot be read.
    fn change(
        &self,
        customer: &CustomerId,
        row: &Row,
        difference: i128,
        context: &mut Context<'_, OrderId, Verdict>,
    ) -> Result<(), StoreError> {
        if difference == 0 {
            return Ok(());
        }
        let minute = SumKey::new(customer, row.currency, minute_of(row.created_at));
        let moment = SumKey::new(customer, row.currency, row.created_at);
        let minute_sum = context.get(&self.minutes, &minute)?.unwrap_or(0).saturating_add(difference);
        let moment_sum = context.get(&self.moments, &moment)?.unwrap_or(0).saturating_add(difference);
        set(&self.minutes, &minute, minute_sum, context)?;
        set(&self.moments, &moment, moment_sum, context)
    }
}

/// The sum of the sums that begin in `part`, which lies within one hour.
fn sum_of(
    store: &Store<SumKey, i128>,
    part: Range<u64>,
    customer: &CustomerId,
    currency: Currency,
    context: &Context<'_, OrderId, Verdict>,
) -> Result<i128, StoreError> {
    let from = SumKey::new(customer, currency, part.start).to_string();
    let last = SumKey::new(customer, currency, part.end.saturating_sub(1)).to_string();
    let sums = context.range(store, Bound::Included(&from), Bound::Included(&last), usize::MAX)?;
    Ok(sums.into_iter().fold(0, |sum, (_, value)| sum.saturating_add(value)))
}

fn set(
    store: &Store<SumKey, i128>,
    key: &SumKey,
    sum: i128,
    context: &mut Context<'_, OrderId, Verdict>,
) -> Result<(), StoreError> {
    if sum > 0 {
        return context.put(store, key, &sum);
    }
    context.delete(store, key);
    Ok(())
}
