use serde::{Deserialize, Serialize};

use crate::{TestDriver, Topic, partition_of};

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

/// What came in, with the account that it belongs to.
#[derive(Clone, Serialize, Deserialize)]
struct Payment {
    account: String,
    amount: i64,
}

/// A payment of which only a small amount can be read.
#[derive(Clone, Deserialize)]
struct SmallPayment {
    account: String,
    amount: u8,
}

const PAYMENTS: Topic<String, Payment> = Topic::new("payments").keyed_by(|payment| Some(&payment.account));

fn payment(account: &str, amount: i64) -> Payment {
    Payment { account: account.to_owned(), amount }
}

/// The exceptions and messages of the dead letters since the last call.
fn dead_letters(driver: &mut TestDriver) -> Vec<(String, String)> {
    let header = |record: &crate::ConsumerRecord, name: &str| {
        let name = format!("__streams.errors.{name}");
        let header = record.headers.iter().find(|header| header.name == name).unwrap();
        String::from_utf8(header.value.clone().unwrap().to_vec()).unwrap()
    };
    let dead = driver.read_records("spending-dlq");
    dead.iter().map(|record| (header(record, "exception"), header(record, "message"))).collect()
}

#[test]
fn values_can_be_read_as_another_type() {
    let mut builder = Topology::builder("spending");
    let payments = builder.source(&PAYMENTS.values_as(|payment: &SmallPayment| Some(&payment.account)));
    payments.filter_map_values(|_, payment| Some(i64::from(payment.amount))).sink(&SPENT);
    let mut driver = TestDriver::new(builder.build());
    for (account, amount) in [("a-1", 70), ("a-1", 700), ("a-2", 7)] {
        driver.pipe(&PAYMENTS, &"a-1".to_owned(), &payment(account, amount));
    }
    assert_eq!(driver.read(&SPENT), [("a-1".to_owned(), 70)]);
    let exceptions: Vec<_> = dead_letters(&mut driver).into_iter().map(|(exception, _)| exception).collect();
    assert_eq!(exceptions, ["DecodeError", "MismatchedKey"]);
}

#[test]
fn a_value_that_names_another_key_is_a_dead_letter() {
    let mut builder = Topology::builder("spending");
    builder.source(&PAYMENTS).filter_map_values(|_, payment| Some(payment.amount)).sink(&SPENT);
    let mut driver = TestDriver::new(builder.build());
    driver.pipe(&PAYMENTS, &"a-1".to_owned(), &payment("a-2", 70));
    driver.pipe(&PAYMENTS, &"a-1".to_owned(), &payment("a-1", 7));
    assert_eq!(driver.read(&SPENT), [("a-1".to_owned(), 7)]);
    let message = r#"the value names "a-2", but the record's key is "a-1""#;
    assert_eq!(dead_letters(&mut driver), [("MismatchedKey".to_owned(), message.to_owned())]);
    assert_eq!((driver.counted("mismatched_records"), driver.counted("dead_letters")), (1, 1));
}

/// In every partition but its own a record is a dead letter, behind a source and behind a repartition topic, whether
/// it is wanted or not.
#[test]
fn a_record_in_the_wrong_partition_is_a_dead_letter() {
    let mut builder = Topology::builder("spending");
    let spent = builder.source_if(&AMOUNTS, is_spent);
    spent.rekey("by-amount", |_, amount| amount.to_string()).sink(&SPENT);
    let mut driver = TestDriver::with_partitions(builder.build(), 4);
    for (topic, key, value) in [
        ("amounts", "a-1", "70"),
        ("amounts", "a-1", "-70"),
        ("amounts", "a-1", "oh"),
        ("spending-by-amount-repartition", "70", "70"),
    ] {
        let home = partition_of(key.as_bytes(), 4);
        for partition in (0..4).filter(|partition| *partition != home) {
            driver.pipe_at(topic, partition, Some(key.into()), Some(value.into()));
            let message = format!(
                "the record stands in partition {partition}, but its key belongs to partition {home} of 4 \
                 (murmur2, as Java clients place keys)"
            );
            assert_eq!(dead_letters(&mut driver), [("MisplacedRecord".to_owned(), message)]);
        }
    }
    assert_eq!(driver.read(&SPENT), [], "nothing gets through");
    assert_eq!((driver.counted("misplaced_records"), driver.counted("dead_letters")), (12, 12));
    driver.pipe(&AMOUNTS, &"a-1".to_owned(), &70);
    assert_eq!(driver.read(&SPENT), [("70".to_owned(), 70)]);
}

#[test]
fn a_record_without_a_key_belongs_nowhere() {
    let mut builder = Topology::builder("spending");
    builder.source_if(&AMOUNTS, is_spent).sink(&SPENT);
    let mut driver = TestDriver::with_partitions(builder.build(), 4);
    for partition in 0..4 {
        driver.pipe_at(AMOUNTS.name(), partition, None, Some("-70".into()));
    }
    let message = "the record has no key, so it belongs to no partition";
    assert_eq!(dead_letters(&mut driver), vec![("MisplacedRecord".to_owned(), message.to_owned()); 4]);
}

#[test]
fn a_global_table_takes_what_belongs_where_it_stands() {
    let mut builder = Topology::builder("spending");
    let table = builder.global_table(&PAYMENTS);
    let topology = builder.build();
    let spec = &topology.global_tables[table.index];
    let change = |account: &str, partition: i32, value: Option<&Payment>| {
        let value = value.map(|value| crate::encode_value(value).unwrap());
        let mut record = crate::ConsumerRecord {
            topic: PAYMENTS.name().into(),
            partition,
            offset: 0,
            timestamp: crate::Timestamp::default(),
            key: Some(Bytes::copy_from_slice(account.as_bytes())),
            value,
            headers: Vec::new(),
        };
        let counter =
            |record: &crate::ConsumerRecord| spec.change(record, 4).map_err(|error| error.counter());
        let taken = counter(&record).map(drop);
        record.key = None;
        assert_eq!(counter(&record).map(drop), Err("misplaced_records"));
        taken
    };
    let home = partition_of(b"a-1", 4);
    let (own, other) = (payment("a-1", 7), payment("a-2", 7));
    assert_eq!(change("a-1", home, Some(&own)), Ok(()));
    assert_eq!(change("a-1", home, None), Ok(()));
    assert_eq!(change("a-1", home, Some(&other)), Err("mismatched_records"));
    for value in [None, Some(&own)] {
        assert_eq!(change("a-1", (home + 1) % 4, value), Err("misplaced_records"));
    }
}
