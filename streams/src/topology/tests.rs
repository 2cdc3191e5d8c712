use crate::{TestDriver, Topic};

use super::*;

const AMOUNTS: Topic<String, i64> = Topic::new("amounts");
const SPENT: Topic<String, i64> = Topic::new("spent");

/// Passes over what begins with a minus.
fn is_spent(value: &[u8]) -> bool {
    !value.starts_with(b"-")
}

/// What comes out, and how many dead letters, when `value` comes in.
#[track_caller]
fn check(value: Option<&'static str>, expected: &[i64], dead: usize) {
    let mut builder = Topology::builder("spending");
    builder.source_if(&AMOUNTS, is_spent).sink(&SPENT);
    let mut driver = TestDriver::new(builder.build());
    driver.pipe_bytes(AMOUNTS.name(), Some("a-1".into()), value.map(Bytes::from));
    let found: Vec<_> = driver.read(&SPENT).into_iter().map(|(_, amount)| amount).collect();
    assert_eq!(found, expected, "{value:?}");
    assert_eq!(driver.read_records("spending-dlq").len(), dead, "{value:?}");
}

#[test]
fn a_source_passes_over_what_is_not_wanted() {
    check(Some("70"), &[70], 0);
    check(Some("-70"), &[], 0);
    check(Some("-oh"), &[], 0);
    check(Some("oh"), &[], 1);
    check(Some(""), &[], 1);
    check(None, &[], 1);
}

#[test]
#[should_panic(expected = "\"amounts\" is a source already")]
fn a_topic_is_not_chosen_from_twice() {
    let mut builder = Topology::builder("spending");
    builder.source(&AMOUNTS);
    builder.source_if(&AMOUNTS, is_spent);
}

#[test]
#[should_panic(expected = "\"amounts\" is a source already")]
fn a_topic_that_is_chosen_from_is_not_read_whole() {
    let mut builder = Topology::builder("spending");
    builder.source_if(&AMOUNTS, is_spent);
    builder.source(&AMOUNTS);
}

#[test]
fn values_can_be_read_as_another_type() {
    let mut builder = Topology::builder("spending");
    let amounts = builder.source(&AMOUNTS.values_as::<u8>());
    amounts.filter_map_values(|_, amount| Some(i64::from(amount))).sink(&SPENT);
    let mut driver = TestDriver::new(builder.build());
    for amount in [70, 700] {
        driver.pipe(&AMOUNTS, &"a-1".to_owned(), &amount);
    }
    assert_eq!(driver.read(&SPENT), [("a-1".to_owned(), 70)]);
    assert_eq!(driver.read_records("spending-dlq").len(), 1);
}
