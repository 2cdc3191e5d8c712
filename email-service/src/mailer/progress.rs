//! How far a partition has got: what was read, what is done, what is committed, and whether to read on.

/// The account of one partition. Its records are settled in the order in which they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    /// The first offset that was not read.
    next: i64,
    /// Everything below is settled: sent, or a dead letter, or nothing to send.
    settled: i64,
    committed: i64,
    /// Read, but not settled.
    pending: usize,
    paused: bool,
}

impl Progress {
    /// Everything below `settled` is settled already, but not all of that is committed, perhaps.
    pub(super) fn new(committed: i64, settled: i64) -> Self {
        Self { next: settled, settled, committed, pending: 0, paused: false }
    }

    /// Takes a record in, unless it was read before.
    pub(super) fn read(&mut self, offset: i64) -> bool {
        let new = offset >= self.next;
        if new {
            self.next = offset + 1;
            self.pending += 1;
        }
        new
    }

    /// A record is settled.
    pub(super) fn settle(&mut self, offset: i64) {
        self.settled = offset + 1;
        self.pending = self.pending.saturating_sub(1);
    }

    /// Everything below is settled.
    pub(super) fn settled(&self) -> i64 {
        self.settled
    }

    /// What is to be committed, if anything.
    pub(super) fn uncommitted(&self) -> Option<i64> {
        (self.settled > self.committed).then_some(self.settled)
    }

    /// Kafka has committed this offset.
    pub(super) fn commit(&mut self, offset: i64) {
        self.committed = self.committed.max(offset);
    }

    /// Whether records wait to be settled.
    pub(super) fn is_busy(&self) -> bool {
        self.pending > 0
    }

    /// Whether as much was read ahead as may be.
    pub(super) fn is_full(&self, read_ahead: usize) -> bool {
        self.pending >= read_ahead
    }

    /// Pauses what is full, resumes what is down to a quarter: each change makes the consumer fetch anew,
    /// so they should be rare. Whether there was a change.
    pub(super) fn adjust(&mut self, read_ahead: usize) -> bool {
        let pause = match self.paused {
            false => self.is_full(read_ahead),
            true => self.pending > read_ahead / 4,
        };
        std::mem::replace(&mut self.paused, pause) != pause
    }

    /// From where on to read, unless it is paused.
    pub(super) fn position(&self) -> Option<i64> {
        (!self.paused).then_some(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Step {
        Read(i64, bool),
        Settle(i64),
        Commit(i64),
        Uncommitted(Option<i64>),
        Adjust(bool),
        Position(Option<i64>),
    }
    use Step::*;

    #[track_caller]
    fn check(start: i64, steps: &[Step]) {
        let mut progress = Progress::new(start, start);
        for (index, step) in steps.iter().enumerate() {
            let before = progress.clone();
            let fits = match *step {
                Read(offset, new) => progress.read(offset) == new,
                Adjust(changed) => progress.adjust(4) == changed,
                Uncommitted(expected) => progress.uncommitted() == expected,
                Position(expected) => progress.position() == expected,
                Settle(offset) => {
                    progress.settle(offset);
                    true
                }
                Commit(offset) => {
                    progress.commit(offset);
                    true
                }
            };
            assert!(fits, "step {index} of {before:?} gives {progress:?}");
        }
    }

    #[test]
    fn what_is_settled_is_to_be_committed_once() {
        check(
            7,
            &[
                Uncommitted(None),
                Read(7, true),
                Read(9, true),
                Uncommitted(None),
                Settle(7),
                Uncommitted(Some(8)),
                Settle(9),
                Uncommitted(Some(10)),
                Commit(8),
                Uncommitted(Some(10)),
                Commit(10),
                Uncommitted(None),
            ],
        );
    }

    #[test]
    fn what_was_settled_before_is_to_be_committed() {
        let progress = Progress::new(3, 7);
        assert_eq!((progress.position(), progress.uncommitted()), (Some(7), Some(7)));
    }

    #[test]
    fn what_comes_again_is_not_taken_again() {
        check(7, &[Read(6, false), Read(7, true), Read(7, false), Position(Some(8)), Read(8, true)]);
    }

    #[test]
    fn a_full_partition_pauses_until_it_is_nearly_empty() {
        check(
            0,
            &[
                Read(0, true),
                Read(1, true),
                Read(2, true),
                Adjust(false),
                Position(Some(3)),
                Read(3, true),
                Adjust(true),
                Position(None),
                Adjust(false),
                Settle(0),
                Settle(1),
                Adjust(false),
                Position(None),
                Settle(2),
                Adjust(true),
                Position(Some(4)),
                Adjust(false),
            ],
        );
    }
}
