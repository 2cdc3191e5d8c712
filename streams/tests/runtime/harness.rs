//! A small application on a real Kafka: what each account has spent, and an alert beyond 100.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier, LazyLock, OnceLock};
use std::time::{Duration, Instant};

use local_kafka::{Config, LocalKafka};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use streams::kafka::{Kafka, KafkaConfig};
use streams::{
    ClientSupplier, CommandWriter, ConsumerRecord, Context, Health, Metrics, ProcessError, Processor,
    ProducerRecord, Queries, StateDirectory, Store, Streams, StreamsConfig, Topic, TopicPartition, TopicSpec,
    Topology, Written,
};

pub(crate) const PAYMENTS: Topic<String, i64> = Topic::new("payments");
pub(crate) const ALERTS: Topic<String, i64> = Topic::new("alerts");
pub(crate) const PARTITIONS: i32 = 2;
/// Long enough for anything but a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One broker for all tests of this process, with whose end it ends. The tests keep apart by their prefixes.
pub(crate) fn broker() -> &'static str {
    static BROKER: OnceLock<(LocalKafka, String)> = OnceLock::new();
    let start = || {
        // For `RUST_LOG=streams=debug` and the like.
        tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
        let kafka = LocalKafka::start(Config::from_env()).expect("Kafka starts");
        let servers = kafka.bootstrap_servers();
        (kafka, servers)
    };
    &BROKER.get_or_init(start).1
}

pub(crate) struct Limit {
    pub(crate) spent: Store<String, i64>,
}

/// An amount that no record gets past.
pub(crate) const CURSED: i64 = -666;
/// An amount at which the processor panics.
pub(crate) const PANICS: i64 = -777;
/// An amount of which the processor says more than any broker takes.
pub(crate) const WORDY: i64 = -999;
/// An amount that keeps the processor busy until [`WAKE_UP`] is met.
pub(crate) const SLEEPY: i64 = -888;
/// Where the processor waits for the test.
pub(crate) static WAKE_UP: LazyLock<Barrier> = LazyLock::new(|| Barrier::new(2));

impl Processor for Limit {
    type KeyIn = String;
    type ValueIn = i64;
    type KeyOut = String;
    type ValueOut = i64;

    fn process(
        &self,
        account: String,
        amount: i64,
        context: &mut Context<'_, String, i64>,
    ) -> Result<(), ProcessError> {
        let before = context.get(&self.spent, &account)?.unwrap_or(0);
        let spent = before + amount;
        context.put(&self.spent, &account, &spent)?;
        if amount == SLEEPY {
            WAKE_UP.wait();
        }
        assert_ne!(amount, PANICS, "a bug in the processor");
        if amount == WORDY {
            return Err(ProcessError::Other("x".repeat(2 << 20)));
        }
        if amount == CURSED {
            return Err(ProcessError::Other("cursed".to_string()));
        }
        if before <= 100 && spent > 100 {
            context.forward(account, spent);
        }
        Ok(())
    }
}

pub(crate) fn topology() -> (Topology, Store<String, i64>) {
    let mut builder = Topology::builder("limits");
    let spent = builder.store("spent");
    builder.source(&PAYMENTS).process(Limit { spent }).sink(&ALERTS);
    (builder.build(), spent)
}

/// An application with a cluster's prefix and a state directory of its own.
pub(crate) struct App {
    prefix: String,
    directory: tempfile::TempDir,
    writer: CommandWriter,
}

/// The application, running.
pub(crate) struct Running {
    pub(crate) streams: Streams,
    pub(crate) spent: Store<String, i64>,
}

impl App {
    pub(crate) fn new(test: &str) -> Self {
        let prefix = format!("{test}-");
        let writer = CommandWriter::new(kafka(&prefix).writer().unwrap(), PARTITIONS);
        Self { prefix, directory: tempfile::tempdir().unwrap(), writer }
    }

    pub(crate) fn state_path(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub(crate) fn kafka(&self) -> Arc<Kafka> {
        kafka(&self.prefix)
    }

    /// Another program on the same cluster, whose transactions may be open for long.
    pub(crate) fn another_program(&self) -> Kafka {
        let transaction_timeout = Duration::from_secs(300);
        let topic_prefix = self.prefix.clone();
        Kafka::new(KafkaConfig { topic_prefix, transaction_timeout, ..KafkaConfig::new(broker()) })
    }

    pub(crate) fn config(&self) -> StreamsConfig {
        let extra_topics: Vec<TopicSpec> = vec![PAYMENTS.spec()];
        StreamsConfig { partitions: PARTITIONS, extra_topics, ..StreamsConfig::default() }
    }

    /// Starts an instance on the usual directory, and waits until it runs.
    pub(crate) fn start(&self) -> Running {
        let running = self.start_on(&self.state_path());
        assert!(running.health().wait(PATIENCE), "{:?}", running.health().reasons());
        running
    }

    pub(crate) fn start_on(&self, directory: &Path) -> Running {
        let state = Arc::new(StateDirectory::open(directory, None).unwrap());
        let (topology, spent) = topology();
        let streams = Streams::start(topology, self.config(), self.kafka(), state).unwrap();
        Running { streams, spent }
    }

    /// Writes a payment.
    pub(crate) async fn pay(&self, account: &str, amount: i64) -> Written {
        self.writer.send(&PAYMENTS, &account.to_string(), &amount).await.unwrap()
    }

    /// Writes whatever it is, past all types; where it stands.
    pub(crate) async fn write(&self, record: ProducerRecord) -> i64 {
        let writer = self.kafka().writer().unwrap();
        let (sent, delivered) = tokio::sync::oneshot::channel();
        writer.send(record, Box::new(move |result| drop(sent.send(result))));
        delivered.await.unwrap().unwrap()
    }

    /// Deletes a topic, and waits until it is gone.
    pub(crate) async fn delete_topic(&self, topic: &str) {
        let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", broker()).create().unwrap();
        let on_cluster = format!("{}{topic}", self.prefix);
        let deleted = admin.delete_topics(&[&on_cluster], &AdminOptions::new()).await.unwrap();
        assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
        let deadline = Instant::now() + PATIENCE;
        let mut admin = self.kafka().admin().unwrap();
        while admin.describe(&[topic.into()]).unwrap() != [None] {
            assert!(Instant::now() < deadline, "{topic} is still there");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Reads `count` committed records of a topic from its beginning.
    pub(crate) fn read(&self, topic: &str, count: usize) -> Vec<ConsumerRecord> {
        let deadline = Instant::now() + PATIENCE;
        let mut reader = self.kafka().reader("test").unwrap();
        let beginnings: Vec<_> = (0..PARTITIONS).map(|p| (TopicPartition::new(topic, p), 0)).collect();
        reader.assign(&beginnings).unwrap();
        let mut records = Vec::new();
        while records.len() < count {
            assert!(Instant::now() < deadline, "{} of {count} records on {topic}", records.len());
            records.extend(reader.poll(Duration::from_millis(100)).unwrap());
        }
        records
    }

    /// Reads all committed records of a topic, up to its present end.
    pub(crate) fn read_all(&self, topic: &str) -> Vec<ConsumerRecord> {
        let deadline = Instant::now() + PATIENCE;
        let mut reader = self.kafka().reader("test").unwrap();
        let partitions: Vec<_> = (0..PARTITIONS).map(|p| TopicPartition::new(topic, p)).collect();
        let ends = reader.watermarks(&partitions).unwrap();
        let beginnings: Vec<_> = partitions.iter().map(|p| (p.clone(), 0)).collect();
        reader.assign(&beginnings).unwrap();
        let mut records = Vec::new();
        loop {
            let behind = partitions
                .iter()
                .zip(&ends)
                .any(|(partition, end)| reader.position(partition).unwrap().unwrap_or(0) < end.high);
            if !behind {
                return records;
            }
            assert!(Instant::now() < deadline, "the end of {topic} is not reached");
            records.extend(reader.poll(Duration::from_millis(100)).unwrap());
        }
    }
}

impl Running {
    pub(crate) fn queries(&self) -> Queries {
        self.streams.queries()
    }

    pub(crate) fn health(&self) -> Arc<Health> {
        self.streams.health()
    }

    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        self.streams.metrics()
    }

    /// What an account has spent once `written` is committed.
    pub(crate) async fn spent_after(&self, written: Written, account: &str) -> Option<i64> {
        let queries = self.queries();
        let committed = queries.committed(&PAYMENTS, written.partition, written.offset);
        tokio::time::timeout(PATIENCE, committed).await.expect("the record is committed").unwrap();
        queries.get(&self.spent, &account.to_string()).unwrap()
    }
}

fn kafka(prefix: &str) -> Arc<Kafka> {
    let config = KafkaConfig { topic_prefix: prefix.to_string(), ..KafkaConfig::new(broker()) };
    Arc::new(Kafka::new(config))
}

/// The value of a record whose value is a number.
pub(crate) fn number(record: &ConsumerRecord) -> i64 {
    streams::decode_value(record.value.as_deref().unwrap()).unwrap()
}

pub(crate) fn key(record: &ConsumerRecord) -> String {
    streams::decode_key(record.key.as_deref().unwrap()).unwrap()
}
