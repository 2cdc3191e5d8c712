//! What the real Kafka cannot be made to do at will: processes that stand still, the moment between a decision and
//! its markers. What both do is in the conformance tests.

use std::time::Duration;

use bytes::Bytes;

use super::{SimulatedKafka, SimulationConfig};
use crate::client::{ClientSupplier, ErrorKind, GroupConsumer, GroupEvent, Membership, Reader};
use crate::record::{ProducerRecord, TopicPartition};
use crate::topic::{Cleanup, TopicSpec};

const SECOND: Duration = Duration::from_secs(1);

fn cluster(cleanup: Cleanup) -> SimulatedKafka {
    let kafka = SimulatedKafka::new(SimulationConfig::default());
    kafka.admin().unwrap().create(&[TopicSpec { name: "in".into(), cleanup }], 2, 1).unwrap();
    kafka
}

fn in_0() -> TopicPartition {
    TopicPartition::new("in", 0)
}

fn record(partition: i32, key: &str, value: Option<&str>) -> ProducerRecord {
    ProducerRecord {
        topic: "in".into(),
        partition,
        key: Some(Bytes::from(key.to_string())),
        value: value.map(|value| Bytes::from(value.to_string())),
        headers: Vec::new(),
    }
}

fn write(kafka: &SimulatedKafka, key: &str, value: Option<&str>) {
    kafka.writer().unwrap().send(record(0, key, value), Box::new(|delivered| assert!(delivered.is_ok())));
}

fn member(kafka: &SimulatedKafka) -> Box<dyn GroupConsumer> {
    let membership = Membership { group: "app".to_string(), client_id: "member".to_string() };
    let mut member = kafka.consumer(&membership).unwrap();
    member.subscribe(&["in".into()]).unwrap();
    member
}

/// What a member is told; it answers at once.
fn told(member: &mut dyn GroupConsumer) -> Option<String> {
    match member.poll(Duration::ZERO).unwrap()? {
        GroupEvent::Assigned(partitions, _) => {
            member.assign(&[]).unwrap();
            Some(format!("{} assigned", partitions.len()))
        }
        GroupEvent::Revoked { lost } => {
            member.unassign().unwrap();
            Some(if lost { "lost" } else { "revoked" }.to_string())
        }
        GroupEvent::Record(record) => Some(format!("{record:?}")),
    }
}

#[track_caller]
fn check(member: &mut dyn GroupConsumer, expected: Option<&str>) {
    assert_eq!(told(member).as_deref(), expected);
}

fn keys(kafka: &SimulatedKafka, partition: i32) -> Vec<String> {
    let mut reader = kafka.reader("app").unwrap();
    let place = TopicPartition::new("in", partition);
    let low = reader.watermarks(std::slice::from_ref(&place)).unwrap()[0].low;
    reader.assign(&[(place, low)]).unwrap();
    let key = |record: crate::ConsumerRecord| {
        format!("{}@{}", String::from_utf8_lossy(&record.key.unwrap_or_default()), record.offset)
    };
    std::iter::from_fn(|| reader.poll(Duration::ZERO).unwrap()).map(key).collect()
}

#[test]
fn a_process_that_stands_still_is_out_after_its_session() {
    let kafka = cluster(Cleanup::Delete);
    let (still, other) = (kafka.process("still"), kafka.process("other"));
    let (mut zombie, mut heir) = (member(&still), member(&other));
    check(&mut *zombie, Some("2 assigned"));
    kafka.advance(SECOND);
    check(&mut *zombie, Some("revoked"));
    check(&mut *zombie, Some("1 assigned"));
    check(&mut *heir, Some("1 assigned"));

    still.pause();
    kafka.advance(SECOND * 5);
    check(&mut *heir, None);
    kafka.advance(SECOND * 2);
    check(&mut *heir, Some("revoked"));
    check(&mut *heir, Some("2 assigned"));

    still.resume();
    check(&mut *zombie, None);
    assert_eq!(zombie.commit(&[(in_0(), 1)]).unwrap_err().kind, ErrorKind::Fenced);
    kafka.advance(Duration::ZERO);
    check(&mut *zombie, Some("lost"));
    check(&mut *zombie, None);
    kafka.advance(SECOND);
    check(&mut *heir, Some("revoked"));
    check(&mut *zombie, Some("1 assigned"));
    check(&mut *heir, Some("1 assigned"));
}

#[test]
fn a_leader_that_stands_still_is_replaced() {
    let kafka = cluster(Cleanup::Delete);
    let (still, other) = (kafka.process("still"), kafka.process("other"));
    let mut leader = member(&still);
    check(&mut *leader, Some("2 assigned"));
    let mut follower = member(&other);
    kafka.advance(SECOND);
    assert!(matches!(leader.poll(Duration::ZERO).unwrap(), Some(GroupEvent::Revoked { lost: false })));
    still.pause();
    leader.unassign().unwrap();
    kafka.advance(SECOND * 5);
    check(&mut *follower, None);
    kafka.advance(SECOND * 2);
    check(&mut *follower, Some("2 assigned"));
}

#[test]
fn a_rebalance_does_not_wait_for_ever() {
    let kafka = cluster(Cleanup::Delete);
    let mut busy = member(&kafka);
    check(&mut *busy, Some("2 assigned"));
    let mut other = member(&kafka);
    let mut waited = Duration::ZERO;
    while told(&mut *other).is_none() {
        kafka.advance(SECOND);
        waited += SECOND;
    }
    assert_eq!(waited, Duration::from_secs(30));
    assert_eq!(busy.commit(&[(in_0(), 1)]).unwrap_err().kind, ErrorKind::Fenced);
}

#[test]
fn a_crashed_process_leaves_its_group_only_by_its_session() {
    let kafka = cluster(Cleanup::Delete);
    let crashing = kafka.process("crashing");
    let mut crashed = member(&crashing);
    check(&mut *crashed, Some("2 assigned"));
    crashing.pause();
    drop(crashed);
    let mut heir = member(&kafka);
    kafka.advance(SECOND * 5);
    check(&mut *heir, None);
    kafka.advance(SECOND);
    check(&mut *heir, Some("2 assigned"));
}

#[test]
fn a_decided_transaction_shows_with_its_markers_one_by_one() {
    let kafka = cluster(Cleanup::Delete);
    let mut member = member(&kafka);
    let Some(GroupEvent::Assigned(_, metadata)) = member.poll(Duration::ZERO).unwrap() else { panic!() };
    let mut reader = kafka.reader("app").unwrap();
    let high = |reader: &mut dyn Reader| reader.watermarks(&[in_0()]).unwrap()[0].high;
    kafka.defer(true);
    let mut producer = kafka.producer("p").unwrap();
    producer.init_transactions().unwrap();
    producer.begin().unwrap();
    producer.send(record(0, "a", Some("v")), None).unwrap();
    producer.send(record(1, "b", Some("v")), None).unwrap();
    producer.send_offsets(&[(in_0(), 7)], &metadata).unwrap();
    producer.commit().unwrap();

    assert_eq!((keys(&kafka, 0), keys(&kafka, 1), high(&mut *reader)), (vec![], vec![], 1));
    assert!(kafka.step());
    assert_eq!((keys(&kafka, 0), keys(&kafka, 1)), (vec!["a@0".to_string()], vec![]));
    assert_eq!(high(&mut *reader), 2);
    assert!(kafka.step());
    assert_eq!(keys(&kafka, 1), ["b@0"]);
    assert_eq!(reader.committed(&[in_0()]).unwrap_err().kind, ErrorKind::Retriable);
    assert!(kafka.step());
    assert_eq!(reader.committed(&[in_0()]).unwrap(), [Some(7)]);
    assert!(!kafka.step());
}

#[test]
fn what_is_decided_no_later_producer_undoes() {
    let kafka = cluster(Cleanup::Delete);
    kafka.defer(true);
    let mut producer = kafka.producer("p").unwrap();
    producer.init_transactions().unwrap();
    producer.begin().unwrap();
    producer.send(record(0, "a", Some("v")), None).unwrap();
    producer.commit().unwrap();
    kafka.advance(SECOND * 10);
    assert_eq!(keys(&kafka, 0), Vec::<String>::new());
    kafka.producer("p").unwrap().init_transactions().unwrap();
    assert_eq!(keys(&kafka, 0), ["a@0"]);
}

#[test]
fn delivery_reports_can_wait() {
    let kafka = cluster(Cleanup::Delete);
    kafka.defer(true);
    let (tell, told) = std::sync::mpsc::channel();
    let on_delivery = Box::new(move |delivered| tell.send(delivered).unwrap());
    kafka.writer().unwrap().send(record(0, "a", Some("v")), on_delivery);
    assert_eq!(keys(&kafka, 0), ["a@0"], "written, and not yet told");
    assert!(told.try_recv().is_err());
    assert!(kafka.step());
    assert_eq!(told.try_recv().unwrap(), Ok(0));
}

#[test]
fn the_cleaner_keeps_what_is_young_open_or_new() {
    let min_lag = SECOND * 10;
    let kafka = cluster(Cleanup::Compact { min_lag });
    let clean = |expected: &[&str]| {
        kafka.compact("in");
        assert_eq!(keys(&kafka, 0), expected);
    };
    write(&kafka, "a", Some("1"));
    write(&kafka, "a", Some("2"));
    kafka.advance(SECOND * 6);
    write(&kafka, "a", Some("3"));
    clean(&["a@0", "a@1", "a@2"]);
    kafka.advance(SECOND * 5);
    clean(&["a@1", "a@2"]);
    kafka.advance(SECOND * 5);
    clean(&["a@1", "a@2"]);
    write(&kafka, "b", None);
    clean(&["a@2", "b@3"]);
}

#[test]
fn the_cleaner_stops_at_the_last_stable_offset() {
    let kafka = cluster(Cleanup::Compact { min_lag: Duration::ZERO });
    write(&kafka, "a", Some("1"));
    let mut producer = kafka.producer("p").unwrap();
    producer.init_transactions().unwrap();
    producer.begin().unwrap();
    producer.send(record(0, "b", Some("v")), None).unwrap();
    write(&kafka, "a", Some("2"));
    write(&kafka, "c", Some("1"));
    kafka.compact("in");
    producer.commit().unwrap();
    assert_eq!(keys(&kafka, 0), ["a@0", "b@1", "a@2", "c@3"]);
    kafka.compact("in");
    assert_eq!(keys(&kafka, 0), ["b@1", "a@2", "c@3"]);
}

#[test]
fn a_tombstone_stays_for_its_time() {
    let kafka = cluster(Cleanup::Compact { min_lag: Duration::ZERO });
    kafka.set_delete_retention("in", SECOND * 10);
    write(&kafka, "a", None);
    write(&kafka, "b", Some("1"));
    kafka.advance(SECOND * 20);
    kafka.compact("in");
    kafka.advance(SECOND * 9);
    kafka.compact("in");
    assert_eq!(keys(&kafka, 0), ["a@0", "b@1"], "its time begins when the cleaner sees it");
    kafka.advance(SECOND);
    kafka.compact("in");
    assert_eq!(keys(&kafka, 0), ["b@1"]);
}

#[test]
fn the_same_calls_lead_to_the_same_history() {
    let history = || {
        let kafka = cluster(Cleanup::Delete);
        let mut members: Vec<_> = (0..3).map(|_| member(&kafka)).collect();
        let mut history = Vec::new();
        for second in 0..20_usize {
            kafka.advance(SECOND);
            history.extend(members.iter_mut().map(|member| told(&mut **member)));
            if second == 10 {
                drop(members.remove(0));
            }
        }
        history
    };
    let once = history();
    let assigned: Vec<_> = once.iter().flatten().filter(|told| told.ends_with("assigned")).collect();
    assert!(assigned.len() >= 4, "{once:?}");
    assert_eq!(once, history());
}
