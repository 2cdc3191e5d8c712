//! Whether each order went through exactly once, told from the topics alone.

use std::collections::BTreeMap;

use domain::{Check, OrderState};
use service::topics::{ORDER_OUTCOMES, ORDER_VALIDATIONS, ORDERS, TIERS};

use crate::log::TopicLog;

/// How many orders ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// VALIDATED.
    pub validated: usize,
    /// FAILED.
    pub failed: usize,
}

/// Fails unless each of these orders was created once, judged once by each check, decided once, and written once
/// for the mailer; and unless there is nothing else.
#[track_caller]
pub fn check_exactly_once(log: &TopicLog, ids: &[String]) -> Outcomes {
    let mut outcomes = Outcomes::default();
    let mut states: BTreeMap<String, Vec<(u32, OrderState)>> = BTreeMap::new();
    for (id, order) in log.entries(&ORDERS) {
        states.entry(id.to_string()).or_default().push((order.version, order.state));
    }
    let decided = count(log.entries(&ORDER_OUTCOMES).into_iter().map(|(id, _)| id.to_string()));
    let judged = count(log.entries(&ORDER_VALIDATIONS).into_iter().map(|(id, v)| (id.to_string(), v.check)));
    let for_mail = count(TIERS.iter().flat_map(|tier| log.entries(tier)).map(|(id, _)| id.to_string()));

    for id in ids {
        match states.remove(id).as_deref() {
            Some([(1, OrderState::Created), (2, OrderState::Validated)]) => outcomes.validated += 1,
            Some([(1, OrderState::Created), (2, OrderState::Failed)]) => outcomes.failed += 1,
            other => panic!("{id} went through {other:?}"),
        }
        assert_eq!(decided.get(id), Some(&1), "outcomes of {id}");
        assert_eq!(for_mail.get(id), Some(&1), "tier records of {id}");
        for check in Check::ALL {
            assert_eq!(judged.get(&(id.clone(), check)), Some(&1), "verdicts on {id} by {check:?}");
        }
    }
    assert!(states.is_empty(), "orders that nobody made: {states:?}");
    assert_eq!((decided.len(), for_mail.len()), (ids.len(), ids.len()));
    assert_eq!(judged.len(), ids.len() * Check::ALL.len());
    outcomes
}

fn count<T: Ord>(keys: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    keys.for_each(|key| *counts.entry(key).or_default() += 1);
    counts
}
