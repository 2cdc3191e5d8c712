//! What becomes of records that fail.
//!
//! | failure | what is done |
//! |---|---|
//! | the same batch for the first time | once more, as it is |
//! | for the second time | record by record, each in a transaction of its own |
//! | a record alone, for the third time | it goes to the dead letter topic |
//! | transport | tried again for ever; never counts |

use std::collections::BTreeMap;

use crate::record::TopicPartition;

const BATCH_FAILURES: u32 = 2;
const ALONE_FAILURES: u32 = 3;

/// Counts the failures since the last success.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    batch_failures: u32,
    /// Up to where each input is to be read record by record.
    alone_until: BTreeMap<TopicPartition, i64>,
    alone_failures: u32,
    condemned: Option<Condemned>,
}

/// A record that has failed alone too often, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condemned {
    pub(crate) input: TopicPartition,
    pub(crate) offset: i64,
    pub(crate) reason: String,
}

impl Retry {
    /// Whether each record gets a transaction of its own.
    pub(crate) fn is_record_by_record(&self) -> bool {
        !self.alone_until.is_empty()
    }

    /// The batch failed whose inputs reached up to `ends`, while the record at `culprit` was in work (none when it
    /// was at the commit), because of `reason`.
    pub(crate) fn failed(
        &mut self,
        ends: BTreeMap<TopicPartition, i64>,
        culprit: Option<(TopicPartition, i64)>,
        reason: String,
    ) {
        if self.is_record_by_record() {
            self.alone_failures += 1;
            if self.alone_failures >= ALONE_FAILURES {
                self.condemned = culprit.map(|(input, offset)| Condemned { input, offset, reason });
                self.alone_failures = 0;
            }
        } else {
            self.batch_failures += 1;
            if self.batch_failures >= BATCH_FAILURES {
                self.alone_until = ends;
            }
        }
    }

    /// A batch was committed that read `input` up to before `position`.
    pub(crate) fn committed(&mut self, positions: impl IntoIterator<Item = (TopicPartition, i64)>) {
        self.batch_failures = 0;
        self.alone_failures = 0;
        self.condemned = None;
        for (input, position) in positions {
            if self.alone_until.get(&input).is_some_and(|until| position >= *until) {
                self.alone_until.remove(&input);
            }
        }
    }

    /// Why this record is to go to the dead letter topic, if it is.
    pub(crate) fn condemned(&self, input: &TopicPartition, offset: i64) -> Option<&Condemned> {
        self.condemned.as_ref().filter(|condemned| condemned.input == *input && condemned.offset == offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_condemned_after_two_failures_in_a_batch_and_three_alone() {
        let input = TopicPartition::new("topic", 0);
        let ends = || BTreeMap::from([(input.clone(), 7)]);
        let fail = |retry: &mut Retry| retry.failed(ends(), Some((input.clone(), 5)), "broken".into());
        let mut retry = Retry::default();
        fail(&mut retry);
        assert!(!retry.is_record_by_record());
        fail(&mut retry);
        assert!(retry.is_record_by_record());
        fail(&mut retry);
        retry.committed([(input.clone(), 4)]);
        for _ in 0..2 {
            fail(&mut retry);
            assert_eq!(retry.condemned(&input, 5), None);
        }
        fail(&mut retry);
        assert_eq!(retry.condemned(&input, 5).unwrap().reason, "broken");
        assert_eq!(retry.condemned(&input, 6), None);
        retry.committed([(input.clone(), 6)]);
        assert!(retry.is_record_by_record(), "until the end of the batch that failed");
        assert_eq!(retry.condemned(&input, 5), None);
        retry.committed([(input.clone(), 7)]);
        assert!(!retry.is_record_by_record());
    }
}
