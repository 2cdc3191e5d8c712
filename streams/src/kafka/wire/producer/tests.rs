use std::collections::VecDeque;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiKey, BrokerId, EndTxnResponse, FindCoordinatorRequest, FindCoordinatorResponse,
    InitProducerIdResponse, TxnOffsetCommitResponse,
};
use kafka_protocol::records::RecordBatchDecoder;

use super::super::fake_broker::{Asked, BROKER, FakeBroker};
use super::*;
use crate::kafka::KafkaConfig;

const FIRST_OFFSET: i64 = 100;

/// What the broker does with a request that carries records, or that ends a transaction.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Takes it.
    Take,
    /// Refuses one partition of it, or the end.
    Refuse(i32, ResponseError),
    /// Says nothing, and closes the connection.
    HangUp,
    /// Says nothing.
    Swallow,
}
use Step::{HangUp, Refuse, Swallow, Take};

/// What came to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    /// For each partition the number of its first record, and how many there are.
    Records {
        id: String,
        epoch: i16,
        partitions: Vec<(i32, i32, i32)>,
    },
    End {
        id: String,
        epoch: i16,
        committed: bool,
    },
    Offsets {
        id: String,
        epoch: i16,
    },
}

fn records(id: &str, epoch: i16, partitions: &[(i32, i32, i32)]) -> Seen {
    Seen::Records { id: id.to_string(), epoch, partitions: partitions.to_vec() }
}

fn end(id: &str, epoch: i16, committed: bool) -> Seen {
    Seen::End { id: id.to_string(), epoch, committed }
}

fn offsets(id: &str, epoch: i16) -> Seen {
    Seen::Offsets { id: id.to_string(), epoch }
}

/// A broker on a thread of its own.
struct Played {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Vec<Seen>>,
}

impl Played {
    /// What came to it.
    fn seen(self) -> Vec<Seen> {
        drop(self.stop);
        self.thread.join().unwrap()
    }
}

/// A producer that is ready, and its broker, which does these things one after the other, and takes all that comes
/// after them.
fn producer(steps: &[Step]) -> (Producer, Played) {
    let broker = FakeBroker::new();
    let config = KafkaConfig {
        topic_prefix: "p.".to_string(),
        transaction_timeout: Duration::from_millis(1),
        ..KafkaConfig::new(broker.address())
    };
    let (stop, stopped) = mpsc::channel();
    let steps = steps.to_vec();
    let thread = thread::spawn(move || play(broker, steps.into(), &stopped));
    let mut producer = Producer::new(&Settings::new(config), "a");
    producer.init_transactions().unwrap();
    (producer, Played { stop, thread })
}

fn play(mut broker: FakeBroker, mut steps: VecDeque<Step>, stopped: &mpsc::Receiver<()>) -> Vec<Seen> {
    let mut seen = Vec::new();
    while stopped.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
        let Some(asked) = broker.look() else {
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        match asked.api {
            ApiKey::FindCoordinator => coordinate(&broker, asked),
            ApiKey::Metadata => broker.answer_metadata(asked, 2),
            ApiKey::InitProducerId => {
                asked.answer::<InitProducerIdRequest>(
                    &InitProducerIdResponse::default().with_producer_id(ProducerId(7)),
                );
            }
            ApiKey::Produce => {
                let request: ProduceRequest = asked.request();
                seen.push(seen_records(&request));
                match steps.pop_front().unwrap_or(Take) {
                    HangUp => asked.hang_up(),
                    Swallow => {}
                    Take => asked.answer::<ProduceRequest>(&written(&request, None)),
                    Refuse(partition, error) => {
                        asked.answer::<ProduceRequest>(&written(&request, Some((partition, error))));
                    }
                }
            }
            ApiKey::EndTxn => {
                let request: EndTxnRequest = asked.request();
                let id = request.transactional_id.to_string();
                seen.push(Seen::End { id, epoch: request.producer_epoch, committed: request.committed });
                match steps.pop_front().unwrap_or(Take) {
                    Take => asked.answer::<EndTxnRequest>(
                        &EndTxnResponse::default()
                            .with_producer_id(request.producer_id)
                            .with_producer_epoch(request.producer_epoch + 1),
                    ),
                    Refuse(_, error) => asked
                        .answer::<EndTxnRequest>(&EndTxnResponse::default().with_error_code(error.code())),
                    Swallow => {}
                    HangUp => asked.hang_up(),
                }
            }
            ApiKey::TxnOffsetCommit => {
                let request: TxnOffsetCommitRequest = asked.request();
                seen.push(offsets(&request.transactional_id, request.producer_epoch));
                match steps.pop_front().unwrap_or(Take) {
                    Swallow => {}
                    HangUp => asked.hang_up(),
                    _ => asked.answer::<TxnOffsetCommitRequest>(&TxnOffsetCommitResponse::default()),
                }
            }
            other => panic!("nobody should ask for {other:?}"),
        }
    }
    seen
}

fn coordinate(broker: &FakeBroker, asked: Asked) {
    let request: FindCoordinatorRequest = asked.request();
    let port = broker.address().rsplit_once(':').unwrap().1.parse().unwrap();
    let coordinator = Coordinator::default()
        .with_key(request.coordinator_keys[0].clone())
        .with_node_id(BrokerId(BROKER))
        .with_host(StrBytes::from_static_str("127.0.0.1"))
        .with_port(port);
    asked.answer::<FindCoordinatorRequest>(
        &FindCoordinatorResponse::default().with_coordinators(vec![coordinator]),
    );
}

fn seen_records(request: &ProduceRequest) -> Seen {
    let mut epochs = Vec::new();
    let mut partitions = Vec::new();
    for written in request.topic_data.iter().flat_map(|topic| &topic.partition_data) {
        let batch = &RecordBatchDecoder::decode_batch_info(&mut written.records.clone().unwrap()).unwrap()[0];
        epochs.push(batch.producer_epoch);
        partitions.push((written.index, batch.base_sequence, batch.record_count));
    }
    partitions.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), 1);
    let id = request.transactional_id.as_ref().unwrap().to_string();
    Seen::Records { id, epoch: epochs[0], partitions }
}

fn written(request: &ProduceRequest, refused: Option<(i32, ResponseError)>) -> ProduceResponse {
    let topic = &request.topic_data[0];
    let answers = topic.partition_data.iter().map(|written| {
        let error = refused.filter(|(partition, _)| *partition == written.index);
        PartitionProduceResponse::default()
            .with_index(written.index)
            .with_base_offset(FIRST_OFFSET)
            .with_error_code(error.map_or(0, |(_, error)| error.code()))
    });
    let topic = TopicProduceResponse::default()
        .with_name(topic.name.clone())
        .with_partition_responses(answers.collect());
    ProduceResponse::default().with_responses(vec![topic])
}

/// Begins a transaction with a record in each of these partitions, which is also its slot.
fn begun(producer: &mut Producer, partitions: &[i32]) {
    producer.begin().unwrap();
    partitions.iter().for_each(|partition| send(producer, *partition).unwrap());
}

fn send(producer: &mut Producer, partition: i32) -> Result<(), ClientError> {
    let value = Some(Bytes::from_static(b"v"));
    let record = ProducerRecord { topic: "t".into(), partition, key: None, value, headers: Vec::new() };
    producer.send(record, usize::try_from(partition).ok())
}

#[test]
fn one_request_carries_all_partitions_and_numbers_go_on_within_a_transaction() {
    let (mut producer, broker) = producer(&[]);
    begun(&mut producer, &[0, 1, 0]);
    assert_eq!(producer.flush().unwrap(), [(0, FIRST_OFFSET + 1), (1, FIRST_OFFSET)]);
    send(&mut producer, 0).unwrap();
    producer.commit().unwrap();
    assert_eq!(
        broker.seen(),
        [records("p.a", 0, &[(0, 0, 2), (1, 0, 1)]), records("p.a", 0, &[(0, 2, 1)]), end("p.a", 0, true),]
    );
}

#[test]
fn two_ids_take_turns_and_each_transaction_has_an_epoch() {
    let (mut producer, broker) = producer(&[]);
    for is_committed in [true, false, true] {
        begun(&mut producer, &[0]);
        producer.flush().unwrap();
        if is_committed { producer.commit() } else { producer.abort() }.unwrap();
    }
    // Nothing is sent for one in which nothing was done, and it is nobody's turn.
    producer.begin().unwrap();
    producer.commit().unwrap();
    begun(&mut producer, &[0]);
    producer.commit().unwrap();
    let one = |id: &str, epoch, committed| [records(id, epoch, &[(0, 0, 1)]), end(id, epoch, committed)];
    let expected =
        [one("p.a", 0, true), one("p.a.2", 0, false), one("p.a", 1, true), one("p.a.2", 1, true)].concat();
    assert_eq!(broker.seen(), expected);
}

#[test]
fn what_is_not_answered_is_sent_again_as_it_was() {
    for step in [HangUp, Swallow] {
        let (mut producer, broker) = producer(&[step]);
        begun(&mut producer, &[0, 1]);
        producer.commit().unwrap();
        let sent = records("p.a", 0, &[(0, 0, 1), (1, 0, 1)]);
        assert_eq!(broker.seen(), [sent.clone(), sent, end("p.a", 0, true)], "{step:?}");
    }
}

#[test]
fn offsets_that_are_not_answered_are_sent_again() {
    for step in [HangUp, Swallow] {
        let (mut producer, broker) = producer(&[step]);
        producer.begin().unwrap();
        let generation = Generation { group: "g".into(), member: "m".into(), generation: 1 };
        let place = TopicPartition::new("t", 0);
        producer.send_offsets(&[(place, 5)], &GroupMetadata(Arc::new(generation))).unwrap();
        producer.commit().unwrap();
        assert_eq!(broker.seen(), [offsets("p.a", 0), offsets("p.a", 0), end("p.a", 0, true)], "{step:?}");
    }
}

#[test]
fn what_may_succeed_later_is_sent_again_alone() {
    for error in [
        ResponseError::NotLeaderOrFollower,
        ResponseError::NotEnoughReplicas,
        ResponseError::ConcurrentTransactions,
    ] {
        let (mut producer, broker) = producer(&[Refuse(1, error)]);
        begun(&mut producer, &[0, 1]);
        assert_eq!(producer.flush().unwrap(), [(0, FIRST_OFFSET), (1, FIRST_OFFSET)], "{error}");
        let sent = [records("p.a", 0, &[(0, 0, 1), (1, 0, 1)]), records("p.a", 0, &[(1, 0, 1)])];
        assert_eq!(broker.seen(), sent, "{error}");
    }
}

#[test]
fn what_will_not_succeed_dooms_the_transaction() {
    for (error, kind) in [
        (ResponseError::MessageTooLarge, ErrorKind::Refused),
        (ResponseError::InvalidTimestamp, ErrorKind::Abortable),
        (ResponseError::OutOfOrderSequenceNumber, ErrorKind::Abortable),
        (ResponseError::TopicAuthorizationFailed, ErrorKind::Fatal),
        (ResponseError::InvalidProducerEpoch, ErrorKind::Fenced),
    ] {
        let (mut producer, broker) = producer(&[Refuse(1, error)]);
        begun(&mut producer, &[0, 1]);
        let told = producer.flush().unwrap_err();
        assert_eq!((told.kind, &*told.attempted), (kind, "write to t-1"), "{error}");
        assert_eq!(send(&mut producer, 0).unwrap_err(), told, "{error}");
        assert_eq!(producer.commit().unwrap_err(), told, "{error}");
        producer.abort().unwrap();
        begun(&mut producer, &[0]);
        producer.commit().unwrap();
        let expected = [
            records("p.a", 0, &[(0, 0, 1), (1, 0, 1)]),
            end("p.a", 0, false),
            records("p.a.2", 0, &[(0, 0, 1)]),
            end("p.a.2", 0, true),
        ];
        assert_eq!(broker.seen(), expected, "{error}");
    }
}

#[test]
fn an_end_that_is_not_answered_is_asked_for_again() {
    for (step, is_committed) in [(HangUp, true), (Swallow, true), (HangUp, false), (Swallow, false)] {
        // The coordinator has heard of it, and is not done with it when it is asked again.
        let busy = Refuse(0, ResponseError::ConcurrentTransactions);
        let (mut producer, broker) = producer(&[Take, step, busy]);
        begun(&mut producer, &[0]);
        producer.flush().unwrap();
        if is_committed { producer.commit() } else { producer.abort() }.unwrap();
        for _ in 0..2 {
            begun(&mut producer, &[0]);
            producer.commit().unwrap();
        }
        let ended = end("p.a", 0, is_committed);
        let one = |id: &str, epoch| [records(id, epoch, &[(0, 0, 1)]), end(id, epoch, true)];
        let first = [records("p.a", 0, &[(0, 0, 1)]), ended.clone(), ended.clone(), ended];
        let expected = [&first[..], &one("p.a.2", 0), &one("p.a", 1)].concat();
        assert_eq!(broker.seen(), expected, "{step:?}");
    }
}

/// A transaction ends in none of these ways, and so does what comes after it.
#[track_caller]
fn check_fenced(steps: &[Step]) {
    let (mut producer, broker) = producer(&[&[Take], steps].concat());
    begun(&mut producer, &[0]);
    assert_eq!(producer.commit().unwrap_err().kind, ErrorKind::Fenced);
    assert_eq!(producer.begin().unwrap_err().kind, ErrorKind::Fenced);
    drop(broker);
}

#[test]
fn an_end_of_which_nobody_tells_is_the_producers_end() {
    check_fenced(&[HangUp; 10_000]);
    // It has been aborted meanwhile, or somebody else has its id.
    check_fenced(&[HangUp, Refuse(0, ResponseError::ProducerFenced)]);
    check_fenced(&[HangUp, Refuse(0, ResponseError::InvalidTxnState)]);

    let (mut producer, broker) = producer(&[Take, Refuse(0, ResponseError::ProducerFenced)]);
    begun(&mut producer, &[0]);
    assert_eq!(producer.commit().unwrap_err().kind, ErrorKind::Fenced);
    producer.init_transactions().unwrap();
    begun(&mut producer, &[0]);
    producer.commit().unwrap();
    assert_eq!(broker.seen().len(), 4);
}

#[test]
fn a_time_that_the_broker_does_not_take_is_no_records_fault() {
    let (mut producer, broker) = producer(&[Refuse(1, ResponseError::InvalidTimestamp)]);
    begun(&mut producer, &[0, 1]);
    let told = producer.flush().unwrap_err();
    assert_eq!(told.kind, ErrorKind::Abortable, "as if Kafka could not be reached");
    assert!(told.reason.contains("this machine's clock says"), "{told}");
    producer.abort().unwrap();
    // The clock is right again.
    begun(&mut producer, &[0, 1]);
    producer.commit().unwrap();
    assert_eq!(broker.seen().len(), 4);
}
