//! The open transaction.

use super::partition::Slots;
use crate::client::ClientError;

#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// Whether the coordinator may know of it.
    pub(super) is_known: bool,
    /// Why it can only be aborted.
    pub(super) failure: Option<ClientError>,
    /// The last offset of each slot.
    last: Vec<Option<i64>>,
}

impl Transaction {
    /// A batch was written from the offset `base` on, with these slots.
    pub(super) fn note(&mut self, base: i64, slots: &Slots) {
        for (slot, delta) in slots {
            if self.last.len() <= *slot {
                self.last.resize(slot + 1, None);
            }
            self.last[*slot] = self.last[*slot].max(Some(base + i64::from(*delta)));
        }
    }

    /// The last offset of each slot, by its number.
    pub(super) fn last_offsets(&self) -> Vec<(usize, i64)> {
        self.last.iter().enumerate().filter_map(|(slot, offset)| Some((slot, (*offset)?))).collect()
    }
}
