//! What can be chosen, and the settings of each kind of client that follow from it.

use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::wire::Servers;
use crate::faults;

/// How to reach a cluster, and what its clients are like.
#[derive(Clone)]
pub struct KafkaConfig {
    /// `host:port`, several separated by commas.
    pub bootstrap_servers: String,
    /// Stands before each topic, group and transactional id on the cluster, so that many can share it.
    pub topic_prefix: String,
    /// After how long without a sign of life a member of a group is taken for dead.
    pub session_timeout: Duration,
    /// How often a member gives a sign of life; also how soon it learns of a rebalance.
    pub heartbeat_interval: Duration,
    /// After how long without a poll a member of a group gives its partitions up.
    pub max_poll_interval: Duration,
    /// After how long the broker aborts a transaction that was left open.
    pub transaction_timeout: Duration,
    /// Settings of librdkafka, for all clients: `security.protocol` and the like. They win over ours. With any of them
    /// all clients are librdkafka's, those of workers and writers too, which is slower.
    pub client_settings: Vec<(String, String)>,
}

impl KafkaConfig {
    /// The defaults for the cluster at `bootstrap_servers`: no prefix, no security.
    pub fn new(bootstrap_servers: impl Into<String>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            topic_prefix: String::new(),
            session_timeout: Duration::from_secs(6),
            heartbeat_interval: Duration::from_millis(300),
            max_poll_interval: Duration::from_secs(30),
            transaction_timeout: Duration::from_secs(4),
            client_settings: Vec::new(),
        }
    }
}

impl fmt::Debug for KafkaConfig {
    /// Without the values of the client's settings: passwords are among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.client_settings.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("KafkaConfig")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("topic_prefix", &self.topic_prefix)
            .field("session_timeout", &self.session_timeout)
            .field("heartbeat_interval", &self.heartbeat_interval)
            .field("max_poll_interval", &self.max_poll_interval)
            .field("transaction_timeout", &self.transaction_timeout)
            .field("client_settings", &names)
            .finish()
    }
}

/// What a consumer sees of transactions.
#[derive(Clone, Copy, Debug)]
pub(super) enum Isolation {
    /// Records of committed transactions, up to the last stable offset.
    Committed,
    /// All records, up to the high watermark.
    Uncommitted,
}

/// The configuration in the terms of librdkafka, and what our own clients share.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    config: KafkaConfig,
    servers: Servers,
}

impl Settings {
    pub(super) fn new(config: KafkaConfig) -> Self {
        let servers = Servers::new(&config.bootstrap_servers);
        Self { config, servers }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.config.topic_prefix
    }

    pub(super) fn servers(&self) -> &Servers {
        &self.servers
    }

    /// Whether no setting of librdkafka's was asked for.
    pub(super) fn is_plain(&self) -> bool {
        self.config.client_settings.is_empty()
    }

    pub(super) fn session_timeout(&self) -> Duration {
        self.config.session_timeout
    }

    pub(super) fn heartbeat_interval(&self) -> Duration {
        self.config.heartbeat_interval
    }

    pub(super) fn max_poll_interval(&self) -> Duration {
        self.config.max_poll_interval
    }

    pub(super) fn transaction_timeout(&self) -> Duration {
        self.config.transaction_timeout
    }

    /// A member of the group `group`.
    pub(super) fn member(&self, group: &str, client_id: &str) -> ClientConfig {
        self.make(
            &[
                ("group.id", self.on_cluster(group)),
                ("client.id", client_id.to_string()),
                ("group.protocol", "classic".to_string()),
                // Gives the same partition of all topics to one member.
                ("partition.assignment.strategy", "range".to_string()),
                ("session.timeout.ms", millis(self.config.session_timeout)),
                ("heartbeat.interval.ms", millis(self.config.heartbeat_interval)),
                ("max.poll.interval.ms", millis(self.config.max_poll_interval)),
            ],
            FETCHING,
            Isolation::Committed,
        )
    }

    /// A consumer outside the group, that sees the group's committed offsets.
    pub(super) fn observer(&self, group: &str) -> ClientConfig {
        let isolation =
            if faults::UNSTABLE_FETCH.is_on() { Isolation::Uncommitted } else { Isolation::Committed };
        self.make(&[("group.id", self.on_cluster(group))], FETCHING, isolation)
    }

    /// A client that asks for offsets, and fetches nothing.
    pub(super) fn inquirer(&self) -> ClientConfig {
        let isolation =
            if faults::RESTORE_TO_STABLE.is_on() { Isolation::Committed } else { Isolation::Uncommitted };
        let mut config = self.make(&[], FETCHING, isolation);
        // Nobody reads what it has to say.
        config.set_log_level(RDKafkaLogLevel::Critical);
        config
    }

    /// A producer with transactions.
    pub(super) fn transactional(&self, transactional_id: &str) -> ClientConfig {
        let timeout = millis(self.config.transaction_timeout);
        let own = [
            ("transactional.id", self.on_cluster(transactional_id)),
            ("transaction.timeout.ms", timeout.clone()),
            ("message.timeout.ms", timeout.clone()),
            // librdkafka refuses more.
            ("socket.timeout.ms", timeout),
        ];
        self.assemble(&own, PRODUCING)
    }

    /// An idempotent producer.
    pub(super) fn idempotent(&self) -> ClientConfig {
        self.assemble(&[("message.timeout.ms", "10000".to_string())], PRODUCING)
    }

    /// An admin client.
    pub(super) fn admin(&self) -> ClientConfig {
        let mut config = self.assemble(&[], &[]);
        // Nobody reads what it has to say.
        config.set_log_level(RDKafkaLogLevel::Critical);
        config
    }

    /// The name that a group or a transactional id has on the cluster.
    pub(super) fn on_cluster(&self, name: &str) -> String {
        format!("{}{name}", self.config.topic_prefix)
    }

    fn make(&self, own: &[(&str, String)], kind: &[(&str, &str)], isolation: Isolation) -> ClientConfig {
        let isolation = match isolation {
            Isolation::Committed => "read_committed",
            Isolation::Uncommitted => "read_uncommitted",
        };
        let mut own = own.to_vec();
        own.push(("isolation.level", isolation.to_string()));
        self.assemble(&own, kind)
    }

    fn assemble(&self, own: &[(&str, String)], kind: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.config.bootstrap_servers);
        config.set_log_level(RDKafkaLogLevel::Info);
        for (name, value) in COMMON.iter().chain(kind) {
            config.set(*name, *value);
        }
        for (name, value) in own {
            config.set(*name, value);
        }
        for (name, value) in &self.config.client_settings {
            config.set(name, value);
        }
        config
    }
}

const COMMON: &[(&str, &str)] = &[
    // The defaults are 60 s and 10 s: too long to stand by when a broker comes back.
    ("socket.timeout.ms", "10000"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
];

const FETCHING: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("queued.max.messages.kbytes", "4096"),
    ("fetch.queue.backoff.ms", "5"),
    // Of each partition at a time: the default, 1 MiB, is held for every partition of every client.
    ("fetch.message.max.bytes", "131072"),
    // A broker serves a connection's requests one after the other: a newly assigned partition waits for the
    // idle fetch before it.
    ("fetch.wait.max.ms", "200"),
];

const PRODUCING: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    // Records come in bursts, at a commit or many together: without a moment's patience the first of each goes alone.
    ("linger.ms", "1"),
    // What is too large the broker decides, by the topic. librdkafka's own limit is below the brokers' default:
    // what others could write we could not write again.
    ("message.max.bytes", "1000000000"),
    ("queue.buffering.max.kbytes", "32768"),
];

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}
