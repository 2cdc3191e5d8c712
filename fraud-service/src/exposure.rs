//! What a customer ordered for, as the stores have it.

use domain::{Currency, CustomerId, OrderId, Verdict};
use streams::{Context, Store, StoreError};

use crate::keys::SumsKey;
use crate::span::{Span, Unit};
use crate::sums::Sums;
use crate::window::Window;

/// The sums of one customer in one currency of what counts.
pub(crate) struct Exposure<'a> {
    pub(crate) sums: Store<SumsKey, Sums>,
    pub(crate) customer: &'a CustomerId,
    pub(crate) currency: Currency,
}

/// An hour of the clock as it was read. It goes from judging to changing so that it is read once.
pub(crate) struct Hour {
    span: Span,
    sums: Sums,
}

impl Exposure<'_> {
    /// The hour of the clock that `moment` lies in.
    pub(crate) fn hour_around(
        &self,
        moment: u64,
        context: &Context<'_, OrderId, Verdict>,
    ) -> Result<Hour, StoreError> {
        let span = Span::around(moment, Unit::Hour);
        Ok(Hour { span, sums: self.read(span, context)? })
    }

    /// What counts in the hour that ends with `last`, a moment of `hour`, in minor units.
    pub(crate) fn until(
        &self,
        last: u64,
        hour: &Hour,
        context: &Context<'_, OrderId, Verdict>,
    ) -> Result<i128, StoreError> {
        let window = Window::ending_with(last);
        let within = |hour: &Hour| hour.sums.within(hour.span, &window, &|span| self.read(span, context));
        let counted = within(hour)?;
        if window.start() >= hour.span.start() {
            return Ok(counted);
        }
        let before = self.hour_around(window.start(), context)?;
        Ok(counted.saturating_add(within(&before)?))
    }

    /// Changes the sums at `moment`, which lies in `hour`: all, or none when one of them cannot be read.
    pub(crate) fn change(
        &self,
        hour: Hour,
        moment: u64,
        difference: i128,
        context: &mut Context<'_, OrderId, Verdict>,
    ) -> Result<(), StoreError> {
        let changes = hour.sums.changed(hour.span, moment, difference, &|span| self.read(span, context))?;
        changes.into_iter().try_for_each(|(span, sums)| self.write(span, &sums, context))
    }

    fn read(&self, span: Span, context: &Context<'_, OrderId, Verdict>) -> Result<Sums, StoreError> {
        Ok(context.get(&self.sums, &self.key(span))?.unwrap_or_default())
    }

    fn write(
        &self,
        span: Span,
        sums: &Sums,
        context: &mut Context<'_, OrderId, Verdict>,
    ) -> Result<(), StoreError> {
        let key = self.key(span);
        if sums.is_empty() {
            context.delete(&self.sums, &key);
            return Ok(());
        }
        context.put(&self.sums, &key, sums)
    }

    fn key(&self, span: Span) -> SumsKey {
        SumsKey::new(self.customer, self.currency, span)
    }
}
