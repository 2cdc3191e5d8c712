//! What becomes of records that fail.
//!
//! | failure | what is done |
//! |---|---|
//! | the same batch for the first time | once more, as it is |
//! | for the second time | record by record, each in a transaction of its own |
//! | a record alone, for the third time | it goes to the dead letter topic |
//! | its dead letter, for the third time | the same without key and value: the headers tell where they are |
//! | transport | tried again for ever; never counts |

use std::collections::BTreeMap;

use crate::record::TopicPartition;

const BATCH_FAILURES: u32 = 2;
const ALONE_FAILURES: u32 = 3;

/// Counts the failures of batches, and of the record at which each input stands.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    batch_failures: u32,
    /// Up to where the batches had read their inputs that failed. What is committed short of that does not tell whether
    /// the record that failed goes through now.
    failed_until: BTreeMap<TopicPartition, i64>,
    /// Up to where each input is to be read record by record.
    alone_until: BTreeMap<TopicPartition, i64>,
    alone: BTreeMap<TopicPartition, Alone>,
}

/// A record that has failed alone.
#[derive(Debug)]
struct Alone {
    offset: i64,
    failures: u32,
    reason: String,
}

/// What is to be done with a record that has failed alone too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Condemned<'a> {
    /// Why it has failed.
    pub(crate) reason: &'a str,
    /// Whether not even its dead letter is taken, so that key and value have to be left out.
    pub(crate) stripped: bool,
}

impl Retry {
    /// Whether each record gets a transaction of its own.
    pub(crate) fn is_record_by_record(&self) -> bool {
        !self.alone_until.is_empty()
    }

    /// The batch failed whose inputs reached up to `ends`, because of `reason`. `culprit` is the record that was
    /// in work, or the only one of the batch.
    pub(crate) fn failed(
        &mut self,
        ends: BTreeMap<TopicPartition, i64>,
        culprit: Option<(TopicPartition, i64)>,
        reason: String,
    ) {
        if !self.is_record_by_record() {
            self.batch_failures += 1;
            for (input, end) in ends {
                let until = self.failed_until.entry(input).or_insert(end);
                *until = end.max(*until);
            }
            if self.batch_failures >= BATCH_FAILURES {
                self.alone_until = std::mem::take(&mut self.failed_until);
                self.batch_failures = 0;
            }
            return;
        }
        let Some((input, offset)) = culprit else { return };
        match self.alone.get_mut(&input).filter(|alone| alone.offset == offset) {
            Some(alone) => {
                alone.failures += 1;
                if alone.failures <= ALONE_FAILURES {
                    alone.reason = reason;
                }
            }
            None => drop(self.alone.insert(input, Alone { offset, failures: 1, reason })),
        }
    }

    /// A batch was committed that read the inputs up to before these positions.
    pub(crate) fn committed(&mut self, positions: impl IntoIterator<Item = (TopicPartition, i64)>) {
        for (input, position) in positions {
            if self.failed_until.get(&input).is_some_and(|until| position >= *until) {
                self.failed_until.remove(&input);
            }
            if self.alone_until.get(&input).is_some_and(|until| position >= *until) {
                self.alone_until.remove(&input);
            }
            if self.alone.get(&input).is_some_and(|alone| position > alone.offset) {
                self.alone.remove(&input);
            }
        }
        if self.failed_until.is_empty() {
            self.batch_failures = 0;
        }
    }

    /// Why this record is to go to the dead letter topic, if it is.
    pub(crate) fn condemned(&self, input: &TopicPartition, offset: i64) -> Option<Condemned<'_>> {
        let alone = self.alone.get(input).filter(|alone| alone.offset == offset)?;
        (alone.failures >= ALONE_FAILURES)
            .then(|| Condemned { reason: &alone.reason, stripped: alone.failures >= 2 * ALONE_FAILURES })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(partition: i32) -> TopicPartition {
        TopicPartition::new("topic", partition)
    }

    fn fail(retry: &mut Retry) {
        let ends = BTreeMap::from([(input(0), 7), (input(1), 9)]);
        retry.failed(ends, Some((input(0), 5)), "broken".into());
    }

    fn verdict(retry: &Retry) -> Option<bool> {
        retry.condemned(&input(0), 5).map(|condemned| condemned.stripped)
    }

    #[test]
    fn a_record_is_condemned_after_two_failures_in_a_batch_and_three_alone() {
        let mut retry = Retry::default();
        fail(&mut retry);
        assert!(!retry.is_record_by_record());
        fail(&mut retry);
        assert!(retry.is_record_by_record());
        for _ in 0..3 {
            assert_eq!(verdict(&retry), None);
            fail(&mut retry);
            // Records of other inputs go through in between, and those before it.
            retry.committed([(input(1), 3), (input(0), 5)]);
        }
        assert_eq!(verdict(&retry), Some(false));
        assert_eq!(retry.condemned(&input(0), 6), None);
        assert_eq!(retry.condemned(&input(1), 5), None);
        for _ in 0..3 {
            assert_eq!(verdict(&retry), Some(false));
            fail(&mut retry);
        }
        assert_eq!(verdict(&retry), Some(true), "not even the dead letter is taken");
        assert_eq!(retry.condemned(&input(0), 5).unwrap().reason, "broken");
        retry.committed([(input(0), 6)]);
        assert_eq!(verdict(&retry), None);
        retry.committed([(input(0), 7)]);
        assert!(retry.is_record_by_record(), "until all of the failed batch is read");
        retry.committed([(input(1), 9)]);
        assert!(!retry.is_record_by_record());
    }

    #[test]
    fn a_success_of_all_that_failed_begins_the_count_of_batches_anew() {
        let mut retry = Retry::default();
        for _ in 0..3 {
            fail(&mut retry);
            retry.committed([(input(0), 7)]);
            retry.committed([(input(1), 9)]);
        }
        assert!(!retry.is_record_by_record());
    }

    #[test]
    fn a_success_short_of_what_failed_does_not() {
        for committed in [vec![], vec![(input(0), 7), (input(1), 8)], vec![(input(2), 100)]] {
            let mut retry = Retry::default();
            fail(&mut retry);
            retry.committed(committed.clone());
            fail(&mut retry);
            assert!(retry.is_record_by_record(), "{committed:?}");
        }
    }
}
