//! By what a leader tells a partition's batches from each other: producer, epoch, and the number of the first record.

use super::super::batch::Identity;

/// Of the next batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbering {
    pub(super) identity: Identity,
    pub(super) sequence: i32,
}

impl Numbering {
    /// Of the first batch that `producer` writes.
    pub(super) fn of(producer: i64) -> Self {
        Self { identity: Identity { producer, epoch: 0 }, sequence: 0 }
    }

    /// After so many more records.
    pub(super) fn after(self, records: usize) -> Self {
        // After the largest number comes 0.
        let sequence = (i64::from(self.sequence) + records as i64) & i64::from(i32::MAX);
        Self { sequence: sequence as i32, ..self }
    }

    /// In the next epoch, in which the numbers begin anew; none if it was the last one.
    pub(super) fn in_next_epoch(self) -> Option<Self> {
        let Identity { producer, epoch } = self.identity;
        let epoch = epoch.checked_add(1)?;
        Some(Self { identity: Identity { producer, epoch }, sequence: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_begin_anew_after_the_largest() {
        let last = i32::MAX;
        for (sequence, records, next) in [(0, 1, 1), (last - 1, 1, last), (last, 1, 0), (last - 1, 5, 3)] {
            let numbering = Numbering { sequence, ..Numbering::of(7) };
            let expected = Numbering { sequence: next, ..Numbering::of(7) };
            assert_eq!(numbering.after(records), expected, "{sequence} + {records}");
        }
    }

    #[test]
    fn a_producer_has_so_many_epochs() {
        for (epoch, next) in [(0, Some(1)), (i16::MAX - 1, Some(i16::MAX)), (i16::MAX, None)] {
            let of = |epoch| Numbering { identity: Identity { producer: 7, epoch }, sequence: 0 };
            assert_eq!(of(epoch).after(3).in_next_epoch(), next.map(of), "{epoch}");
        }
    }
}
