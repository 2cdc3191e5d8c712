//! What is remembered of an order, by its id.

use std::cmp::Ordering;

use domain::{Judgement, ProductId, Timestamp, Verdict};
use jiff::fmt::serde::timestamp::millisecond::required as millis;
use serde::{Deserialize, Serialize};

use crate::basket::Basket;
use crate::line_answer::LineJudgement;

/// Where the latest attempt of an order stands, as far as it has to be known:
/// an order of one product leaves nothing here before it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Attempt {
    /// Its products were asked.
    Gathering(Gathering),
    /// It has its verdict; further answers change nothing.
    Judged(Verdict),
    /// It and all before it have ended.
    Over {
        attempt: u32,
        #[serde(with = "millis")]
        at: Timestamp,
    },
}

/// An attempt that waits for answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Gathering {
    pub(crate) attempt: u32,
    #[serde(with = "millis")]
    pub(crate) started_at: Timestamp,
    /// The products that have not answered: a set, since an answer may come twice.
    pub(crate) waiting: Vec<ProductId>,
}

impl Attempt {
    /// Is this state of the order newer than what is known, the same, or older?
    pub(crate) fn compare(order: &Basket, known: Option<&Self>) -> Ordering {
        known
            .map_or(Ordering::Greater, |known| (order.attempt, order.state.is_final()).cmp(&known.position()))
    }

    /// Since when nothing is to be expected of the order; none while it is under way.
    pub(crate) fn over_since(&self) -> Option<Timestamp> {
        match self {
            Self::Over { at, .. } => Some(*at),
            Self::Gathering(_) | Self::Judged(_) => None,
        }
    }

    fn position(&self) -> (u32, bool) {
        match self {
            Self::Gathering(Gathering { attempt, .. }) | Self::Judged(Verdict { attempt, .. }) => {
                (*attempt, false)
            }
            Self::Over { attempt, .. } => (*attempt, true),
        }
    }
}

impl Gathering {
    /// Takes a product's answer. All have to pass; the first that does not decides.
    pub(crate) fn take(mut self, product: &ProductId, judgement: LineJudgement) -> Gathered {
        if judgement != LineJudgement::Pass {
            return Gathered::Judged(judgement.of(product));
        }
        self.waiting.retain(|waiting| waiting != product);
        if self.waiting.is_empty() { Gathered::Judged(Judgement::Pass) } else { Gathered::Waiting(self) }
    }
}

/// Where an answer leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gathered {
    /// Others have to come.
    Waiting(Gathering),
    /// None has to.
    Judged(Judgement),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Shortage;

    const PASS: LineJudgement = LineJudgement::Pass;
    const SHORT: LineJudgement = LineJudgement::Short(Shortage { asked: 3, available: 2 });

    /// The verdict and after how many answers it is there.
    #[track_caller]
    fn check(answers: &[(&str, LineJudgement)], expected: Option<(usize, &str)>) {
        let waiting = ["p-1", "p-2", "p-3"].map(|id| id.parse().unwrap()).to_vec();
        let mut gathering = Gathering { attempt: 1, started_at: Timestamp::UNIX_EPOCH, waiting };
        for (count, (product, judgement)) in (1..).zip(answers) {
            match gathering.take(&product.parse().unwrap(), *judgement) {
                Gathered::Waiting(waiting) => gathering = waiting,
                Gathered::Judged(judgement) => {
                    let found = match judgement {
                        Judgement::Pass => "PASS".to_owned(),
                        Judgement::Fail { code, detail } => format!("FAIL {code} {detail}"),
                        Judgement::Error { code, detail } => format!("ERROR {code} {detail}"),
                    };
                    return assert_eq!(Some((count, found.as_str())), expected, "{answers:?}");
                }
            }
        }
        assert_eq!(None, expected, "{answers:?}");
    }

    #[test]
    fn all_have_to_pass_and_the_first_that_does_not_decides() {
        check(&[("p-1", PASS), ("p-2", PASS)], None);
        check(&[("p-1", PASS), ("p-2", PASS), ("p-3", PASS)], Some((3, "PASS")));
        check(&[("p-3", PASS), ("p-1", PASS), ("p-3", PASS), ("p-1", PASS)], None);
        check(&[("p-3", PASS), ("p-3", PASS), ("p-1", PASS), ("p-2", PASS)], Some((4, "PASS")));
        let fail = "FAIL OUT_OF_STOCK p-2: 3 asked, 2 available";
        check(&[("p-1", PASS), ("p-2", SHORT), ("p-3", SHORT)], Some((2, fail)));
        let error = "ERROR STATE_UNREADABLE p-1: the stock cannot be read";
        check(&[("p-1", LineJudgement::Unreadable), ("p-2", SHORT)], Some((1, error)));
    }
}
