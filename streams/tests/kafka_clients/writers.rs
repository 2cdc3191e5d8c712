//! Writers under load and through outages: both of the ways to Kafka.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use local_kafka::{Config, LocalKafka};
use streams::kafka::{Kafka, KafkaConfig};
use streams::{Cleanup, ClientError, ClientSupplier, ErrorKind, Writer};

use crate::cluster::{Cluster, PATIENCE, config, create, place, read, record, retried, soon, values};
use crate::outages::pause;
use crate::proxy::Proxy;

const PARTITIONS: i32 = 2;
/// How many records are under way at a time.
const WINDOW: usize = 64;

/// Numbered records, alternately to the partitions of `in`, and what came of each.
struct Stream {
    writer: Arc<dyn Writer>,
    next: usize,
    under_way: usize,
    tell: mpsc::Sender<(usize, Result<i64, ClientError>)>,
    told: mpsc::Receiver<(usize, Result<i64, ClientError>)>,
    outcomes: BTreeMap<usize, Result<i64, ClientError>>,
}

impl Stream {
    fn new(kafka: &Kafka) -> Self {
        let (tell, told) = mpsc::channel();
        let writer = kafka.writer().unwrap();
        Self { writer, next: 0, under_way: 0, tell, told, outcomes: BTreeMap::new() }
    }

    fn partition_of(number: usize) -> i32 {
        number as i32 % PARTITIONS
    }

    /// Sends until this says that it is enough, of the last outcome.
    fn run(&mut self, mut is_enough: impl FnMut(&Result<i64, ClientError>) -> bool) {
        loop {
            while self.under_way < WINDOW {
                let (tell, number) = (self.tell.clone(), self.next);
                let record = record(&place("in", Self::partition_of(number)), "k", &number.to_string());
                self.writer.send(record, Box::new(move |told| tell.send((number, told)).unwrap()));
                self.next += 1;
                self.under_way += 1;
            }
            if is_enough(&self.receive()) {
                return;
            }
        }
    }

    /// Sends until so many more are written.
    fn run_for(&mut self, mut count: usize) {
        self.run(|told| {
            count -= usize::from(told.is_ok());
            count == 0
        });
    }

    #[track_caller]
    fn receive(&mut self) -> Result<i64, ClientError> {
        let (number, told) = self.told.recv_timeout(PATIENCE).unwrap();
        self.under_way -= 1;
        assert_eq!(self.outcomes.insert(number, told.clone()), None, "{number} is told twice");
        told
    }

    /// Holds what was told against what is there: each record that is told to be written stands where it is said to;
    /// none is there twice, and none before an earlier one. How many were told to be written, and how many not to be known.
    #[track_caller]
    fn check(mut self, kafka: &Kafka) -> (usize, usize) {
        while self.under_way > 0 {
            let _ = self.receive();
        }
        drop((self.tell, self.writer));
        assert_eq!(self.told.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
        assert!(self.outcomes.keys().copied().eq(0..self.next), "each is told");
        let mut reader = kafka.reader("app").unwrap();
        let mut found = BTreeMap::new();
        for partition in 0..PARTITIONS {
            let place = place("in", partition);
            let end = retried("the end", || reader.watermarks(std::slice::from_ref(&place)))[0].high;
            reader.assign(&[(place, 0)]).unwrap();
            let mut last = None;
            for record in read(&mut *reader, end as usize) {
                let number: usize = values(std::slice::from_ref(&record))[0].parse().unwrap();
                assert!(last < Some(number), "{number} after {last:?} in {partition}");
                last = Some(number);
                found.insert((partition, record.offset), number);
            }
        }
        let mut written = 0;
        for (number, told) in &self.outcomes {
            match told {
                Ok(offset) => {
                    assert_eq!(found.get(&(Self::partition_of(*number), *offset)), Some(number));
                    written += 1;
                }
                Err(error) => assert_eq!(error.kind, ErrorKind::Retriable, "{error}"),
            }
        }
        (written, self.outcomes.len() - written)
    }
}

/// Each way to the broker at `address`, with a topic of its own.
fn ways(address: &str) -> [(&'static str, Kafka); 2] {
    let config = |prefix: &str| KafkaConfig { topic_prefix: prefix.to_string(), ..KafkaConfig::new(address) };
    let mut through_librdkafka = config("through-librdkafka.");
    through_librdkafka.client_settings.push(("statistics.interval.ms".to_string(), "0".to_string()));
    [("the protocol", config("spoken.")), ("librdkafka", through_librdkafka)].map(|(way, config)| {
        let kafka = Kafka::new(config);
        create(&kafka, "in", PARTITIONS, Cleanup::Delete);
        (way, kafka)
    })
}

#[test]
fn nothing_is_lost_or_doubled_when_a_broker_is_killed() {
    let mut broker = LocalKafka::start(Config::from_env()).unwrap();
    let kafkas = ways(&broker.bootstrap_servers());
    let mut streams = kafkas.each_ref().map(|(_, kafka)| Stream::new(kafka));
    for _ in 0..3 {
        let is_back = AtomicBool::new(false);
        // Killed once all are in the midst of it.
        let (begun, has_begun) = mpsc::channel();
        thread::scope(|scope| {
            for stream in &mut streams {
                let (begun, is_back) = (begun.clone(), &is_back);
                scope.spawn(move || {
                    stream.run_for(500);
                    begun.send(()).unwrap();
                    stream.run(|_| is_back.load(Ordering::Relaxed));
                    stream.run_for(500);
                });
            }
            for _ in &kafkas {
                has_begun.recv_timeout(PATIENCE).unwrap();
            }
            let restarted = broker.kill().map_err(|e| e.to_string());
            let restarted = restarted.and_then(|()| broker.restart().map_err(|e| e.to_string()));
            is_back.store(true, Ordering::Relaxed);
            restarted.unwrap();
        });
    }
    for ((way, kafka), stream) in kafkas.iter().zip(streams) {
        let (written, unknown) = stream.check(kafka);
        println!("killed three times, through {way}: {written} written, {unknown} not known");
    }
}

#[test]
fn what_is_written_is_not_written_again_when_the_answer_is_lost() {
    const CUTS: usize = 20;
    let proxy = Proxy::new();
    let mut settings = Config::from_env();
    settings.settings.insert("advertised.listeners".to_string(), format!("BROKER://{}", proxy.address()));
    let broker = LocalKafka::start(settings).unwrap();
    proxy.lead_to(broker.bootstrap_servers());
    for (way, kafka) in ways(&proxy.address()) {
        let mut stream = Stream::new(&kafka);
        for _ in 0..CUTS {
            stream.run_for(100);
            proxy.cut();
            stream.run(|_| !proxy.is_cutting());
        }
        let (written, unknown) = stream.check(&kafka);
        println!("{CUTS} answers lost, through {way}: {written} written, {unknown} not known");
        assert_eq!(unknown, 0, "there was time to ask again");
    }
}

#[test]
fn what_is_late_is_not_written_after_what_comes_later() {
    let mut broker = LocalKafka::start(Config::from_env()).unwrap();
    let [(_, kafka), _] = ways(&broker.bootstrap_servers());
    let mut stream = Stream::new(&kafka);
    stream.run_for(500);
    pause(&mut broker);
    // What was sent waits for the broker, which will find it when it goes on.
    stream.run(Result::is_err);
    broker.resume().unwrap();
    stream.run_for(500);
    let (written, unknown) = stream.check(&kafka);
    println!("paused: {written} written, {unknown} not known");
    assert!(unknown > 0, "something took too long");
}

#[test]
fn a_topic_that_comes_late_is_written_to() {
    let cluster = Cluster::of("late-topic");
    let writer = cluster.kafka.writer().unwrap();
    let (tell, told) = mpsc::channel();
    let send = |partition: i32| {
        let tell = tell.clone();
        let told = move |offset: Result<i64, ClientError>| tell.send(offset).unwrap();
        writer.send(record(&place("in", partition), "k", "v"), Box::new(told));
    };
    send(0);
    cluster.create("in", 1);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Ok(0));
    send(1);
    let missing = told.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert_eq!(missing.kind, ErrorKind::Retriable);
    assert_eq!(missing.to_string(), "could not write to in-1: the topic has 1 partitions");
}

#[test]
fn whoever_waits_for_a_broker_that_is_gone_is_told_when_the_writer_goes() {
    let mut broker = LocalKafka::start(Config::from_env()).unwrap();
    let kafka = Kafka::new(config(&broker, "gone"));
    create(&kafka, "in", 1, Cleanup::Delete);
    let writer = kafka.writer().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let send = || {
        let count = count.clone();
        let told = move |told: Result<i64, ClientError>| {
            assert!(told.is_ok() || told.is_err_and(|error| error.kind == ErrorKind::Retriable));
            count.fetch_add(1, Ordering::Relaxed);
        };
        writer.send(record(&place("in", 0), "k", "v"), Box::new(told));
    };
    send();
    soon("the first to be written", || (count.load(Ordering::Relaxed) == 1).then_some(()));
    broker.kill().unwrap();
    (0..10).for_each(|_| send());
    drop(writer);
    assert_eq!(count.load(Ordering::Relaxed), 11);
}

#[test]
fn one_who_panics_when_told_keeps_nobody_waiting() {
    let broker = LocalKafka::start(Config::from_env()).unwrap();
    for (way, kafka) in ways(&broker.bootstrap_servers()) {
        let (writer, in_0) = (kafka.writer().unwrap(), place("in", 0));
        writer.send(record(&in_0, "k", "v"), Box::new(|_| panic!("a bug in who is told")));
        let (tell, told) = mpsc::channel();
        writer.send(record(&in_0, "k", "v"), Box::new(move |offset| tell.send(offset).unwrap()));
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Ok(1), "{way}");
    }
}
