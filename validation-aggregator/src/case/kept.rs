//! How the verdicts of a case are kept: a list for each attempt, in which times are numbers. A case is read and written
//! with each of its verdicts, and times as texts would be most of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use domain::{Check, CheckResult, ReasonCode, Timestamp, Validation};
use jiff::fmt::serde::timestamp::nanosecond::required as nanos;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::decision::Verdicts;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept<'a> {
    check: Check,
    result: CheckResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ReasonCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'a, str>>,
    #[serde(with = "nanos")]
    started: Timestamp,
    #[serde(with = "nanos")]
    finished: Timestamp,
}

pub(super) fn serialize<S: Serializer>(
    verdicts: &BTreeMap<u32, Verdicts>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(verdicts.iter().map(|(attempt, verdicts)| {
        let kept: Vec<Kept<'_>> = verdicts.values().map(Kept::from).collect();
        (attempt, kept)
    }))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<u32, Verdicts>, D::Error> {
    let kept = BTreeMap::<u32, Vec<Kept<'_>>>::deserialize(deserializer)?;
    let verdicts = |kept: Vec<Kept<'_>>| kept.into_iter().map(|kept| (kept.check, kept.into())).collect();
    Ok(kept.into_iter().map(|(attempt, kept)| (attempt, verdicts(kept))).collect())
}

impl<'a> From<&'a Validation> for Kept<'a> {
    fn from(verdict: &'a Validation) -> Self {
        Self {
            check: verdict.check,
            result: verdict.result,
            code: verdict.code,
            detail: verdict.detail.as_deref().map(Cow::Borrowed),
            started: verdict.started_at,
            finished: verdict.finished_at,
        }
    }
}

impl From<Kept<'_>> for Validation {
    fn from(kept: Kept<'_>) -> Self {
        Self {
            check: kept.check,
            result: kept.result,
            code: kept.code,
            detail: kept.detail.map(Cow::into_owned),
            started_at: kept.started,
            finished_at: kept.finished,
        }
    }
}
