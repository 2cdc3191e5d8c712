//! A sender whose broker, and whose time, is the test.

use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiKey, BrokerId, InitProducerIdRequest, InitProducerIdResponse, MetadataRequest, MetadataResponse,
    ProduceRequest, ProduceResponse, ProducerId,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::RecordBatchDecoder;

use super::super::fake_broker::{Asked, FakeBroker};
use super::super::link::Alarm;
use super::queue::{DELIVERY_TIMEOUT, Found, MAX_HELD, Waiting};
use super::*;
use crate::kafka::KafkaConfig;

const PATIENCE: Duration = Duration::from_secs(60);
const FIRST_ID: i64 = 7;
/// Where the log of each partition ends.
const END: i64 = 100;

/// Of a record, its value; what its sender was told.
type Told = (i64, Result<i64, ErrorKind>);

struct World {
    broker: FakeBroker,
    sender: Sender,
    now: Instant,
    next_id: i64,
    tell: mpsc::Sender<Told>,
    told: mpsc::Receiver<Told>,
    _alarm: Alarm,
}

/// A batch as the broker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Batch {
    partition: i32,
    producer: i64,
    epoch: i16,
    sequence: i32,
    count: i32,
}

/// Of the first producer.
fn batch(partition: i32, epoch: i16, sequence: i32, count: i32) -> Batch {
    Batch { partition, producer: FIRST_ID, epoch, sequence, count }
}

fn settings(address: String) -> Settings {
    Settings::new(KafkaConfig { topic_prefix: "p.".to_string(), ..KafkaConfig::new(address) })
}

fn value(number: i64) -> ProducerRecord {
    ProducerRecord {
        topic: "t".into(),
        partition: 0,
        key: None,
        value: Some(Bytes::from(number.to_string())),
        headers: Vec::new(),
    }
}

/// It takes nothing until then, and tells everybody so.
#[test]
fn a_sender_that_panics_is_replaced() {
    let (waker, _alarm) = alarm().unwrap();
    let queue = Queue::new(waker);
    let told = |number| {
        let (tell, told) = mpsc::channel();
        queue.push(value(number), Box::new(move |result| tell.send(result.is_err()).unwrap()));
        told
    };
    let mut turns = 0;
    keep_sending(&queue, || {
        turns += 1;
        if turns == 1 {
            let left = told(1);
            queue.close().into_iter().for_each(|left| left.tell_failed(ErrorKind::Retriable, "it panics"));
            assert_eq!(left.try_recv(), Ok(true));
            assert_eq!(told(2).try_recv(), Ok(true), "nobody would take it up");
            panic!("a bug in the sender");
        }
        let waits = told(3);
        assert!(waits.try_recv().is_err(), "it waits for the sender");
        assert!(matches!(queue.take(false), Found::Records(records) if records.len() == 1));
    });
    assert_eq!(turns, 2);
}

impl World {
    /// Nothing was asked yet.
    fn new() -> Self {
        Self::reached_by(|broker| broker)
    }

    /// The same, with these servers instead of the broker's address.
    fn reached_by(servers: impl FnOnce(String) -> String) -> Self {
        let broker = FakeBroker::new();
        let (waker, alarm) = alarm().unwrap();
        let sender = Sender::new(&settings(servers(broker.address())), Arc::new(Queue::new(waker)));
        let (tell, told) = mpsc::channel();
        Self { broker, sender, now: Instant::now(), next_id: FIRST_ID, tell, told, _alarm: alarm }
    }

    fn send(&mut self, partition: i32, number: i64) {
        let tell = self.tell.clone();
        let on_delivery = move |outcome: Result<i64, ClientError>| {
            tell.send((number, outcome.map_err(|e| e.kind))).unwrap()
        };
        let record = ProducerRecord { partition, ..value(number) };
        self.sender.accept(vec![Waiting::new(record, Box::new(on_delivery), self.now)]);
    }

    /// The next request. Time passes meanwhile.
    #[track_caller]
    fn asked(&mut self) -> Asked {
        let (sender, now) = (&mut self.sender, &mut self.now);
        self.broker.next(|| {
            sender.advance(*now);
            *now += Duration::from_millis(1);
        })
    }

    /// The next request to write, with its batches. What else is asked for is answered.
    #[track_caller]
    fn produced(&mut self) -> (Asked, Vec<Batch>) {
        loop {
            let asked = self.asked();
            match asked.api {
                ApiKey::Metadata => self.broker.answer_metadata(asked, 3),
                ApiKey::InitProducerId => {
                    let answer = InitProducerIdResponse::default().with_producer_id(ProducerId(self.next_id));
                    self.next_id += 1;
                    asked.answer::<InitProducerIdRequest>(&answer);
                }
                _ => {
                    let batches = batches(&asked.request());
                    return (asked, batches);
                }
            }
        }
    }

    /// Has these batches come, and writes them.
    #[track_caller]
    fn write(&mut self, expected: &[Batch]) {
        self.answer(expected, 0, &Ok(END));
    }

    /// Has these batches come, and says this of that partition's: of the others that they are written.
    #[track_caller]
    fn answer(&mut self, expected: &[Batch], partition: i32, outcome: &Result<i64, ResponseError>) {
        let (asked, batches) = self.produced();
        assert_eq!(batches, expected);
        answer(asked, partition, outcome);
    }

    #[track_caller]
    fn hang_up(&mut self, expected: &[Batch]) {
        let (asked, batches) = self.produced();
        assert_eq!(batches, expected);
        asked.hang_up();
    }

    /// What the next ones are told, in the order of their numbers.
    #[track_caller]
    fn told(&mut self, expected: &[Told]) {
        let start = Instant::now();
        let mut told = Vec::new();
        while told.len() < expected.len() {
            self.sender.advance(self.now);
            told.extend(self.told.try_iter());
            assert!(start.elapsed() < PATIENCE, "only {told:?}");
        }
        told.sort_by_key(|(number, _)| *number);
        assert_eq!(told, expected);
    }

    #[track_caller]
    fn nothing_is_told(&mut self) {
        self.sender.advance(self.now);
        assert_eq!(self.told.try_recv().ok(), None);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }
}

fn batches(request: &ProduceRequest) -> Vec<Batch> {
    assert_eq!((request.acks, &request.transactional_id), (-1, &None));
    let written = request.topic_data.iter().flat_map(|topic| {
        assert_eq!(&*topic.name.0, "p.t");
        &topic.partition_data
    });
    let mut batches: Vec<_> = written
        .map(|written| {
            let bytes = &mut written.records.clone().unwrap();
            let batch = &RecordBatchDecoder::decode_batch_info(bytes).unwrap()[0];
            Batch {
                partition: written.index,
                producer: batch.producer_id,
                epoch: batch.producer_epoch,
                sequence: batch.base_sequence,
                count: batch.record_count,
            }
        })
        .collect();
    batches.sort_unstable();
    batches
}

fn answer(asked: Asked, partition: i32, outcome: &Result<i64, ResponseError>) {
    let request: ProduceRequest = asked.request();
    let topic = &request.topic_data[0];
    let answers = topic.partition_data.iter().map(|written| {
        let answer = PartitionProduceResponse::default().with_index(written.index);
        match outcome {
            Err(error) if written.index == partition => {
                answer.with_base_offset(-1).with_error_code(error.code())
            }
            Ok(offset) => answer.with_base_offset(*offset),
            Err(_) => answer.with_base_offset(END),
        }
    });
    let topic = TopicProduceResponse::default()
        .with_name(topic.name.clone())
        .with_partition_responses(answers.collect());
    asked.answer::<ProduceRequest>(&ProduceResponse::default().with_responses(vec![topic]));
}

#[test]
fn one_request_carries_all_that_has_come_and_the_next_one_what_comes_meanwhile() {
    let mut world = World::new();
    [(0, 1), (1, 2), (0, 3)].into_iter().for_each(|(partition, number)| world.send(partition, number));
    let (asked, first) = world.produced();
    assert_eq!(first, [batch(0, 0, 0, 2), batch(1, 0, 0, 1)]);
    [(0, 4), (2, 5), (0, 6)].into_iter().for_each(|(partition, number)| world.send(partition, number));
    world.nothing_is_told();
    assert!(world.broker.look().is_none(), "one request is under way");
    answer(asked, 0, &Ok(END));
    world.told(&[(1, Ok(END)), (2, Ok(END)), (3, Ok(END + 1))]);
    world.answer(&[batch(0, 0, 2, 2), batch(2, 0, 0, 1)], 0, &Ok(END + 2));
    world.told(&[(4, Ok(END + 2)), (5, Ok(END + 2)), (6, Ok(END + 3))]);
}

#[test]
fn what_is_not_answered_goes_again_as_it_was() {
    let mut world = World::new();
    world.send(0, 1);
    world.send(1, 2);
    let sent = [batch(0, 0, 0, 1), batch(1, 0, 0, 1)];
    world.hang_up(&sent);
    world.send(0, 3);
    world.write(&sent);
    world.told(&[(1, Ok(END)), (2, Ok(END))]);
    world.write(&[batch(0, 0, 1, 1)]);
    world.told(&[(3, Ok(END))]);
}

#[test]
fn a_broker_that_says_nothing_is_left_in_time_to_try_again() {
    let mut world = World::new();
    world.send(0, 1);
    let (_silent, sent) = world.produced();
    world.pass(Duration::from_secs(5));
    world.nothing_is_told();
    world.write(&sent);
    world.told(&[(1, Ok(END))]);
}

/// A leader refuses a batch of one record with `error`, then takes `next`, the batch in which it comes again.
#[track_caller]
fn check_again(error: ResponseError, next: Batch) {
    let mut world = World::new();
    world.send(0, 1);
    world.send(1, 2);
    world.answer(&[batch(0, 0, 0, 1), batch(1, 0, 0, 1)], 1, &Err(error));
    world.told(&[(1, Ok(END))]);
    world.write(&[next]);
    world.told(&[(2, Ok(END))]);
    world.send(1, 3);
    world.write(&[Batch { sequence: next.sequence + 1, ..next }]);
    world.told(&[(3, Ok(END))]);
}

#[test]
fn what_may_succeed_later_goes_again() {
    let same = batch(1, 0, 0, 1);
    check_again(ResponseError::NotLeaderOrFollower, same);
    check_again(ResponseError::UnknownTopicOrPartition, same);
    check_again(ResponseError::NotEnoughReplicas, same);
    check_again(ResponseError::RequestTimedOut, same);
    check_again(ResponseError::OutOfOrderSequenceNumber, batch(1, 1, 0, 1));
    let of_another = Batch { producer: FIRST_ID + 1, ..same };
    check_again(ResponseError::UnknownProducerId, of_another);
    check_again(ResponseError::InvalidProducerEpoch, of_another);
}

/// A leader refuses a batch with `error`: its sender is told `kind`, and the next record goes in `next`.
#[track_caller]
fn check_told(is_answered_at_first: bool, error: ResponseError, kind: ErrorKind, next: Batch) {
    let mut world = World::new();
    world.send(0, 1);
    if !is_answered_at_first {
        world.hang_up(&[batch(0, 0, 0, 1)]);
    }
    world.answer(&[batch(0, 0, 0, 1)], 0, &Err(error));
    world.told(&[(1, Err(kind))]);
    world.send(0, 2);
    world.write(&[next]);
    world.told(&[(2, Ok(END))]);
}

#[test]
fn what_will_not_succeed_is_told_and_what_is_not_known_is_told_so() {
    let (same, next_epoch) = (batch(0, 0, 0, 1), batch(0, 1, 0, 1));
    check_told(true, ResponseError::MessageTooLarge, ErrorKind::Refused, same);
    check_told(true, ResponseError::InvalidTimestamp, ErrorKind::Retriable, same);
    check_told(true, ResponseError::TopicAuthorizationFailed, ErrorKind::Fatal, same);
    check_told(true, ResponseError::UnknownServerError, ErrorKind::Retriable, next_epoch);
    check_told(true, ResponseError::DuplicateSequenceNumber, ErrorKind::Retriable, batch(0, 0, 1, 1));
    check_told(false, ResponseError::OutOfOrderSequenceNumber, ErrorKind::Retriable, next_epoch);
    check_told(false, ResponseError::MessageTooLarge, ErrorKind::Retriable, next_epoch);
    let of_another = Batch { producer: FIRST_ID + 1, ..same };
    check_told(false, ResponseError::UnknownProducerId, ErrorKind::Retriable, of_another);
}

#[test]
fn a_refused_record_takes_no_other_with_it() {
    let mut world = World::new();
    (1..=3).for_each(|number| world.send(0, number));
    world.answer(&[batch(0, 0, 0, 3)], 0, &Err(ResponseError::InvalidRecord));
    world.send(0, 4);
    world.send(0, 5);
    world.answer(&[batch(0, 0, 0, 1)], 0, &Ok(END));
    world.answer(&[batch(0, 0, 1, 1)], 0, &Err(ResponseError::InvalidRecord));
    world.answer(&[batch(0, 0, 1, 1)], 0, &Ok(END + 1));
    world.answer(&[batch(0, 0, 2, 2)], 0, &Ok(END + 2));
    world.told(&[
        (1, Ok(END)),
        (2, Err(ErrorKind::Refused)),
        (3, Ok(END + 1)),
        (4, Ok(END + 2)),
        (5, Ok(END + 3)),
    ]);
}

#[test]
fn what_takes_too_long_is_told() {
    let mut world = World::new();
    world.send(0, 1);
    let (_silent, _) = world.produced();
    world.pass(DELIVERY_TIMEOUT / 2);
    world.send(0, 2);
    world.nothing_is_told();
    world.pass(DELIVERY_TIMEOUT / 2);
    world.told(&[(1, Err(ErrorKind::Retriable))]);
    world.nothing_is_told();
    world.pass(DELIVERY_TIMEOUT / 2);
    world.told(&[(2, Err(ErrorKind::Retriable))]);
}

#[test]
fn a_late_answer_is_nobodys() {
    let mut world = World::new();
    world.send(0, 1);
    let (asked, sent) = world.produced();
    assert_eq!(sent, [batch(0, 0, 0, 1)]);
    world.pass(Duration::from_secs(4));
    asked.hang_up();
    world.nothing_is_told();
    world.pass(Duration::from_secs(5));
    // Just in time for the request, too late for the record.
    let (asked, sent) = world.produced();
    assert_eq!(sent, [batch(0, 0, 0, 1)]);
    world.pass(Duration::from_secs(2));
    world.told(&[(1, Err(ErrorKind::Retriable))]);
    world.send(0, 2);
    answer(asked, 0, &Ok(END));
    world.answer(&[batch(0, 1, 0, 1)], 0, &Ok(END + 1));
    world.told(&[(2, Ok(END + 1))]);
}

#[test]
fn a_partition_that_is_not_there_is_told_at_once_and_a_topic_is_waited_for() {
    let mut world = World::new();
    world.send(3, 1);
    world.send(2, 2);
    world.write(&[batch(2, 0, 0, 1)]);
    world.told(&[(1, Err(ErrorKind::Retriable)), (2, Ok(END))]);

    let mut world = World::new();
    let start = world.now;
    world.send(0, 1);
    loop {
        let asked = world.asked();
        match asked.api {
            ApiKey::Metadata => {
                world.broker.answer_metadata(asked, 0);
                break;
            }
            _ => asked.answer::<InitProducerIdRequest>(&InitProducerIdResponse::default()),
        }
    }
    world.now = start + DELIVERY_TIMEOUT - Duration::from_millis(1);
    world.nothing_is_told();
    world.pass(Duration::from_millis(1));
    world.told(&[(1, Err(ErrorKind::Retriable))]);
}

#[test]
fn an_identity_is_asked_for_at_once_and_again_after_short_pauses() {
    let mut world = World::new();
    for pause in [10, 20, 40, 80, 160, 320, 500, 500].map(Duration::from_millis) {
        let asked = world.asked();
        assert_eq!(asked.api, ApiKey::InitProducerId);
        assert_eq!(asked.request::<InitProducerIdRequest>().transactional_id, None);
        let error = ResponseError::CoordinatorLoadInProgress.code();
        asked.answer::<InitProducerIdRequest>(&InitProducerIdResponse::default().with_error_code(error));
        let start = Instant::now();
        while world.sender.due(world.now) != Some(world.now + pause) {
            world.sender.advance(world.now);
            assert!(start.elapsed() < PATIENCE, "no pause of {pause:?}");
        }
        world.pass(pause);
    }
    world.send(0, 1);
    world.write(&[batch(0, 0, 0, 1)]);
    world.told(&[(1, Ok(END))]);
}

#[test]
fn a_first_server_that_says_nothing_keeps_nothing_from_being_written() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut world = World::reached_by(|broker| format!("{},{broker}", silent.local_addr().unwrap()));
    world.send(0, 1);
    world.write(&[batch(0, 0, 0, 1)]);
    world.told(&[(1, Ok(END))]);
}

#[test]
fn who_may_not_have_an_identity_is_told_so() {
    let mut world = World::new();
    world.send(0, 1);
    loop {
        let asked = world.asked();
        if asked.api == ApiKey::InitProducerId {
            let error = ResponseError::ClusterAuthorizationFailed.code();
            asked.answer::<InitProducerIdRequest>(&InitProducerIdResponse::default().with_error_code(error));
            break;
        }
        world.broker.answer_metadata(asked, 1);
    }
    world.told(&[(1, Err(ErrorKind::Fatal))]);
}

#[test]
fn a_broker_that_is_silent_does_not_hold_up_another_one() {
    let mut world = World::new();
    let mut other = FakeBroker::new();
    world.send(0, 1);
    world.send(1, 2);
    let asked = loop {
        let asked = world.asked();
        match asked.api {
            ApiKey::Metadata => break asked,
            _ => asked.answer::<InitProducerIdRequest>(
                &InitProducerIdResponse::default().with_producer_id(ProducerId(FIRST_ID)),
            ),
        }
    };
    let brokers = [&world.broker, &other].into_iter().zip(1..).map(|(broker, id)| {
        let port = broker.address().rsplit_once(':').unwrap().1.parse().unwrap();
        let host = StrBytes::from_static_str("127.0.0.1");
        MetadataResponseBroker::default().with_node_id(BrokerId(id)).with_host(host).with_port(port)
    });
    let led_by = |partition: i32| {
        let leader = BrokerId(partition + 1);
        MetadataResponsePartition::default().with_partition_index(partition).with_leader_id(leader)
    };
    let name = asked.request::<MetadataRequest>().topics.unwrap().remove(0).name;
    let topic = MetadataResponseTopic::default().with_name(name).with_partitions(vec![led_by(0), led_by(1)]);
    asked.answer::<MetadataRequest>(
        &MetadataResponse::default().with_brokers(brokers.collect()).with_topics(vec![topic]),
    );

    let (silent, _) = world.produced();
    for (number, sequence) in [(3, 0), (4, 1)] {
        let now = world.now;
        let asked = other.next(|| world.sender.advance(now));
        assert_eq!(batches(&asked.request()), [batch(1, 0, sequence, 1)]);
        world.send(1, number);
        answer(asked, 1, &Ok(END + i64::from(sequence)));
    }
    world.told(&[(2, Ok(END)), (3, Ok(END + 1))]);
    answer(silent, 0, &Ok(END));
    world.told(&[(1, Ok(END))]);
}

#[test]
fn whoever_waits_is_told_when_the_writer_goes() {
    let mut world = World::new();
    world.send(0, 1);
    let (_asked, _) = world.produced();
    world.send(0, 2);
    drop(world.sender);
    let told: Vec<_> = world.told.try_iter().collect();
    assert_eq!(told, [(1, Err(ErrorKind::Retriable)), (2, Err(ErrorKind::Retriable))]);
}

fn queue() -> (Queue, Alarm) {
    let (waker, alarm) = alarm().unwrap();
    (Queue::new(waker), alarm)
}

#[test]
fn more_than_there_is_room_for_is_not_taken() {
    let (queue, _alarm) = queue();
    let (tell, told) = mpsc::channel();
    let push = |size: usize| {
        let tell = tell.clone();
        let record = ProducerRecord { value: Some(vec![0; size].into()), ..value(0) };
        queue.push(record, Box::new(move |outcome| tell.send(outcome.unwrap_err().kind).unwrap()));
    };
    push(MAX_HELD);
    assert_eq!(told.try_recv(), Ok(ErrorKind::Refused), "it will never have room");
    push(MAX_HELD / 2);
    assert!(told.try_recv().is_err());
    push(MAX_HELD / 2);
    assert_eq!(told.try_recv(), Ok(ErrorKind::Retriable), "it has none now");
    let Found::Records(taken) = queue.take(true) else { panic!("it was stopped") };
    push(MAX_HELD / 2);
    assert_eq!(told.try_recv(), Ok(ErrorKind::Retriable), "what is under way takes room");
    queue.release(taken.iter().map(Waiting::size).sum());
    push(MAX_HELD / 2);
    assert!(told.try_recv().is_err(), "what is answered takes none");
    queue.stop();
    push(1);
    assert_eq!(told.try_recv(), Ok(ErrorKind::Retriable), "nobody will take it");
}

#[test]
fn a_thread_is_woken_only_when_it_waits_for_records() {
    for (is_awaited, wakes) in [(true, true), (false, false)] {
        let (queue, alarm) = queue();
        queue.take(is_awaited);
        queue.push(value(1), Box::new(|_| {}));
        let end = Instant::now() + if wakes { PATIENCE } else { Duration::from_millis(20) };
        alarm.wait([], end);
        assert_eq!(Instant::now() < end, wakes);
    }
}

/// A writer with its thread, and a broker that does not answer.
fn writer() -> (RecordWriter, FakeBroker) {
    let broker = FakeBroker::new();
    (RecordWriter::new(&settings(broker.address())).unwrap(), broker)
}

#[test]
fn who_is_told_may_be_the_last_to_hold_the_writer() {
    let (writer, _broker) = writer();
    let writer = Arc::new(writer);
    let (tell, told) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let (held, tell_first) = (writer.clone(), tell.clone());
    let first = move |_| {
        may_go.recv().unwrap();
        drop(held);
        tell_first.send(1).unwrap();
    };
    writer.send(value(1), Box::new(first));
    writer.send(value(2), Box::new(move |_| tell.send(2).unwrap()));
    writer.queue.stop();
    drop(writer);
    go.send(()).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(1), "it does not wait for itself");
    assert_eq!(told.recv_timeout(PATIENCE), Ok(2));
}

#[test]
fn one_who_panics_keeps_nobody_waiting() {
    let (writer, _broker) = writer();
    let (tell, told) = mpsc::channel();
    writer.send(value(1), Box::new(|_| panic!("as meant by the test")));
    writer.send(value(2), Box::new(move |outcome| tell.send(outcome.unwrap_err().kind).unwrap()));
    drop(writer);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), ErrorKind::Retriable);
}
