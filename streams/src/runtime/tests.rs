//! What an application does when something fails: on a Kafka in memory and real threads.

mod double;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::partitioner::partition_of;
use crate::processor::{Context, ProcessError, Processor};
use crate::record::{ProducerRecord, TopicPartition};
use crate::store::Store;
use crate::topic::{Cleanup, Topic};
use double::{FailingDisk, FailingKafka, Trouble};

const NUMBERS: Topic<String, i64> = Topic::new("numbers");
const PARTITIONS: i32 = 2;
/// Long enough for anything but a hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// The sum of the numbers under each key.
struct Sum(Store<String, i64>);

impl Processor for Sum {
    type KeyIn = String;
    type ValueIn = i64;
    type KeyOut = String;
    type ValueOut = i64;

    fn process(
        &self,
        key: String,
        number: i64,
        context: &mut Context<'_, String, i64>,
    ) -> Result<(), ProcessError> {
        let sum = context.get(&self.0, &key)?.unwrap_or(0) + number;
        Ok(context.put(&self.0, &key, &sum)?)
    }
}

/// An application's cluster and disk.
struct App {
    kafka: FailingKafka,
    disk: Arc<FailingDisk>,
}

/// The application, running.
struct Running {
    streams: Streams,
    sums: Store<String, i64>,
}

impl App {
    fn new() -> Self {
        Self { kafka: FailingKafka::new(), disk: Arc::default() }
    }

    fn start(&self) -> Running {
        let mut builder = Topology::builder("sums");
        let sums = builder.store("sums");
        builder.source(&NUMBERS).process(Sum(sums));
        Running { streams: self.run(builder.build()), sums }
    }

    fn without(self, topic: &str) -> Self {
        self.kafka.kafka.delete(topic);
        self
    }

    fn with(self, topic: &str) -> Self {
        let cleanup = Cleanup::Compact { min_lag: Duration::ZERO };
        let spec = TopicSpec { name: topic.into(), cleanup };
        self.kafka.admin().unwrap().create(&[spec], PARTITIONS, 1).unwrap();
        self
    }

    fn on_new_disk(self) -> Self {
        Self { disk: Arc::default(), ..self }
    }

    fn run(&self, topology: Topology) -> Streams {
        let config = StreamsConfig {
            partitions: PARTITIONS,
            extra_topics: vec![NUMBERS.spec()],
            ..StreamsConfig::default()
        };
        let kafka = Arc::new(self.kafka.clone());
        Streams::start_on(Arc::new(Machine::default()), topology, config, kafka, self.disk.clone()).unwrap()
    }

    fn write(&self, topic: &str, key: &str, value: &str) {
        let partition = partition_of(key.as_bytes(), PARTITIONS);
        let (key, value) = (Some(Bytes::from(key.to_string())), Some(Bytes::from(value.to_string())));
        let record = ProducerRecord { topic: topic.into(), partition, key, value, headers: Vec::new() };
        let writer = self.kafka.writer().unwrap();
        writer.send(record, Box::new(|written| assert!(written.is_ok())));
    }
}

impl Running {
    fn reasons(&self) -> Vec<String> {
        self.streams.health().reasons()
    }

    fn says(&self, what: &str) -> bool {
        self.reasons().iter().any(|reason| reason.contains(what))
    }

    fn is_ready(&self) {
        until("all runs", || self.reasons().is_empty());
    }

    fn sum(&self, key: &str) -> Option<i64> {
        self.streams.queries().get(&self.sums, &key.to_string()).ok().flatten()
    }
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The second failure in a row is shown. Who takes over does not know of it, and has to be able to be well.
#[test]
fn a_worker_that_works_is_ready_whatever_its_predecessor_had() {
    let app = App::new();
    let running = app.start();
    running.is_ready();
    let failures = [ErrorKind::Abortable, ErrorKind::Abortable, ErrorKind::Fenced].map(Trouble::Fails);
    app.kafka.troubles.add("flush", &failures);
    app.write("numbers", "a", "7");
    until("the failures are shown", || running.says("transactions of"));
    until("the sum", || running.sum("a") == Some(7));
    running.is_ready();
    assert_eq!(running.streams.metrics().snapshot()["replaced_workers"], 1);
}

/// The key of a partition.
fn key_of(partition: i32) -> &'static str {
    let is_its = |key: &&str| partition_of(key.as_bytes(), PARTITIONS) == partition;
    ["a", "b", "c", "d", "e", "f"].into_iter().find(is_its).unwrap()
}

/// Be it when it is opened, read or restored.
#[test]
fn a_store_that_fails_keeps_no_other_task_from_running() {
    for call in ["open 0", "checkpoint 0", "write 0"] {
        let app = App::new();
        let [failing, other] = [0, 1].map(key_of);
        let before = app.start();
        before.is_ready();
        for key in [failing, other] {
            app.write("numbers", key, "7");
            until("the sum", || before.sum(key) == Some(7));
        }
        before.streams.close();

        let app = app.on_new_disk();
        app.disk.troubles.add(call, &[Trouble::Broken]);
        let running = app.start();
        until("the other task's sum", || running.sum(other) == Some(7));
        app.write("numbers", other, "1");
        until("the other task goes on", || running.sum(other) == Some(8));
        assert!(running.says("task 0: could not"), "{call}: {:?}", running.reasons());
        assert!(running.says("too many open files"), "{call}: {:?}", running.reasons());
        assert_eq!(running.sum(failing), None, "{call}");

        app.disk.troubles.mend(call);
        running.is_ready();
        assert_eq!(running.sum(failing), Some(7), "{call}");
        assert_eq!(running.streams.metrics().snapshot().get("replaced_workers"), None, "{call}");
    }
}

/// What holds the tasks up at the place where each thread of an application can panic.
#[test]
fn a_panic_shows_and_its_thread_goes_on() {
    for (call, shown) in [
        ("describe", "setup: a bug: it has panicked: describe panics"),
        ("poll", "worker-0: a bug: it has panicked: poll panics"),
        ("watermarks", "worker-0: a bug: what restores its tasks has panicked"),
    ] {
        let app = App::new();
        app.kafka.troubles.add(call, &[Trouble::Panics]);
        let running = app.start();
        until(shown, || running.says(shown));
        running.is_ready();
        app.write("numbers", "a", "7");
        until("the sum", || running.sum("a") == Some(7));
        assert!(app.kafka.troubles.are_over(), "{call}");
    }
}

#[tokio::test]
async fn whoever_asks_for_owners_gets_an_answer_after_a_panic() {
    let app = App::new();
    let running = app.start();
    running.is_ready();
    let owners = running.streams.owners().unwrap();
    let asked = || tokio::time::timeout(PATIENCE, owners.refresh());
    asked().await.unwrap();
    app.kafka.troubles.add("members", &[Trouble::Panics]);
    asked().await.unwrap();
    assert_eq!(running.reasons(), ["owners: a bug: it has panicked: members panics"]);
    asked().await.unwrap();
    running.is_ready();
}

const CUSTOMERS: Topic<String, Customer> = Topic::new("customers");

/// Not everything that stands in the topic is one.
#[derive(Clone, Debug, serde::Serialize)]
struct Customer(i64);

impl<'de> serde::Deserialize<'de> for Customer {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        assert!(number >= 0, "a bug in a type's code");
        Ok(Self(number))
    }
}

/// How a record whose type's code panics is passed over, and how the thread that reads goes on.
#[test]
fn a_global_table_is_read_on_after_a_panic() {
    let app = App::new();
    let mut builder = Topology::builder("tables");
    let table = builder.global_table(&CUSTOMERS);
    drop(builder.source(&NUMBERS));
    app.kafka.admin().unwrap().create(&[CUSTOMERS.spec()], PARTITIONS, 1).unwrap();
    app.write("customers", "a", "1");
    app.write("customers", "a", "-1");
    let streams = app.run(builder.build());
    let found =
        |key: &str| streams.queries().lookup(&table, &key.to_string()).unwrap().map(|customer| customer.0);
    let reasons = || streams.health().reasons();
    until("the table is read", || reasons().is_empty());
    assert_eq!(found("a"), Some(1));
    app.write("customers", "b", "-1");
    app.write("customers", "b", "2");
    until("what comes later", || found("b") == Some(2));
    assert_eq!(streams.metrics().snapshot()["global_table_skipped_records"], 2);
    assert_eq!(reasons(), [""; 0]);

    app.kafka.troubles.add("read", &[Trouble::Panics]);
    until("the panic is shown", || reasons() == ["global tables: a bug: it has panicked: read panics"]);
    app.write("customers", "b", "3");
    until("the thread goes on", || found("b") == Some(3) && reasons().is_empty());
}

/// Where the application has committed offsets, one of its changelogs may be missing for more than one reason.
#[test]
fn offsets_without_their_state_are_refused_and_new_stores_are_not() {
    const CHANGELOG: &str = "sums-changelog";
    const REFUSED: &str = "has committed offsets";
    type Change = fn(App) -> App;
    let cases: [(&str, Change, Option<&str>); 7] = [
        ("nothing happened", |app| app, None),
        ("the disk is new", |app| app.on_new_disk(), None),
        ("the changelog is deleted", |app| app.without(CHANGELOG), Some(REFUSED)),
        ("and the disk is new", |app| app.without(CHANGELOG).on_new_disk(), Some(REFUSED)),
        ("it is made anew", |app| app.without(CHANGELOG).with(CHANGELOG), Some("which never had a record")),
        ("another topic is deleted", |app| app.without("sums-dlq"), None),
        ("everything is deleted", |app| app.without(CHANGELOG).without("numbers").on_new_disk(), None),
    ];
    for (case, change, refusal) in cases {
        let before = App::new();
        let running = before.start();
        running.is_ready();
        before.write("numbers", "a", "7");
        until("the sum", || running.sum("a") == Some(7));
        running.streams.close();
        let app = change(before);
        let running = app.start();
        match refusal {
            None => running.is_ready(),
            Some(refusal) => until(case, || running.says(refusal) && running.says(CHANGELOG)),
        }
    }
}

/// How an operator goes on when the changelog was deleted.
#[test]
fn a_refused_application_goes_on_once_its_topic_is_there() {
    let app = App::new();
    let running = app.start();
    running.is_ready();
    app.write("numbers", "a", "7");
    until("the sum", || running.sum("a") == Some(7));
    running.streams.close();

    let app = app.without("sums-changelog").on_new_disk();
    let running = app.start();
    until("it is refused", || running.says("sums-changelog, which holds its state, is not there"));
    let app = app.with("sums-changelog");
    running.is_ready();
    app.write("numbers", "a", "1");
    until("the sum begins anew", || running.sum("a") == Some(1));
}

/// Of an application that had none: nothing was deleted.
#[test]
fn a_store_may_be_new() {
    let app = App::new();
    let mut builder = Topology::builder("sums");
    drop(builder.source(&NUMBERS));
    let before = app.run(builder.build());
    until("all runs", || before.health().reasons().is_empty());
    app.write("numbers", "a", "7");
    let committed = |app: &App| {
        let input = TopicPartition::new("numbers", partition_of(b"a", PARTITIONS));
        app.kafka.reader("sums").unwrap().committed(&[input]).unwrap()
    };
    until("the record is read", || committed(&app) == [Some(1)]);
    before.close();

    let running = app.start();
    running.is_ready();
    app.write("numbers", "a", "1");
    until("what came since", || running.sum("a") == Some(1));
    running.streams.close();

    // Who does not know that it is new asks.
    let app = app.without("sums-changelog").on_new_disk();
    let running = app.start();
    until("it is refused", || running.says("If the store is new"));
}
