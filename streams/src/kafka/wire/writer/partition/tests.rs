use kafka_protocol::records::RecordBatchDecoder;

use super::*;
use crate::record::ProducerRecord;

/// A partition with records of this size, at this time.
fn partition(sizes: &[usize], now: Instant) -> Partition {
    let mut partition = Partition::new("t".into(), 0);
    partition.number_as(7);
    for size in sizes {
        let value = Some(vec![0; *size].into());
        let record =
            ProducerRecord { topic: "t".into(), partition: 0, key: None, value, headers: Vec::new() };
        partition.push(Waiting::new(record, Box::new(|_| {}), now));
    }
    partition
}

/// Epoch, first number and count of the batch that is on its way.
fn sent(partition: &mut Partition, now: Instant) -> (i16, i32, usize) {
    let (_, bytes) = partition.dispatch(now).unwrap();
    let batch = &RecordBatchDecoder::decode_batch_info(&mut bytes.clone()).unwrap()[0];
    (batch.producer_epoch, batch.base_sequence, batch.record_count as usize)
}

#[test]
fn a_batch_is_as_large_as_it_may_be_and_one_record_may_be_larger() {
    let now = Instant::now();
    let mut partition = partition(&[100_000, 20_000, 20_000, 500_000, 1], now);
    for (sequence, count) in [(0, 2), (2, 1), (3, 1), (4, 1)] {
        assert!(partition.is_ready(now));
        assert_eq!(sent(&mut partition, now), (0, sequence, count));
        assert!(!partition.is_ready(now), "one batch is on its way");
        assert_eq!(partition.written(0).unwrap().records.len(), count);
    }
    assert!(!partition.is_ready(now), "nothing is left");
    assert_eq!(partition.due(), None);
}

#[test]
fn what_has_not_gone_out_leaves_no_gap() {
    let start = Instant::now();
    let late = start + Duration::from_secs(20);
    for (why_not, epoch) in [(Partition::unsent as fn(&mut _, &_), 0), (Partition::unanswered, 1)] {
        let mut partition = partition(&[1, 1], start);
        assert_eq!(sent(&mut partition, start), (0, 0, 2));
        why_not(&mut partition, &"a test".into());
        assert!(partition.expire(start).is_none());
        let fate = partition.expire(late).unwrap();
        assert_eq!(fate.records.len(), 2);
        assert_eq!(fate.outcome.unwrap_err(), (ErrorKind::Retriable, "a test".into()));
        partition.push(fate.records.into_iter().next().unwrap());
        assert_eq!(sent(&mut partition, late), (epoch, 0, 1));
    }
}

#[test]
fn what_nobody_knows_is_never_told_to_be_refused() {
    let now = Instant::now();
    for (gone_out, kind) in [(true, ErrorKind::Retriable), (false, ErrorKind::Fatal)] {
        let mut partition = partition(&[1, 1], now);
        sent(&mut partition, now);
        if !gone_out {
            partition.unsent(&"a test".into());
        }
        let [batch, waiting] = partition.give_up(ErrorKind::Fatal, "not allowed");
        assert_eq!(batch.unwrap().outcome.unwrap_err().0, kind);
        assert!(waiting.is_none(), "all of it was in the batch");
    }
}

#[test]
fn what_is_made_in_the_last_moment_has_time_to_be_answered() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let mut partition = partition(&[1], start);
    assert!(partition.expire(at(9_999)).is_none());
    sent(&mut partition, at(9_999));
    assert_eq!(partition.due(), Some(at(10_999)));
    assert!(partition.expire(at(10_998)).is_none());
    assert!(partition.expire(at(10_999)).is_some());
}
