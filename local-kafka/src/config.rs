//! What a caller can choose.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::time::Duration;

/// The version of Apache Kafka that is fetched.
///
/// 4.3.0, 4.3.1 and 4.4.0 can leave transactions open for ever when a broker starts again: while a partition has no
/// leader, their coordinator takes it for deleted and ends a transaction without writing its marker there
/// (`KRaftMetadataCache.getPartitionLeaderEndpoint` says "no such partition" where it said "no node" before).
/// Readers of committed records then wait for ever.
pub const KAFKA_VERSION: &str = "4.2.1";

/// How to start a [`LocalKafka`](crate::LocalKafka).
///
/// ```no_run
/// # use local_kafka::{Config, LocalKafka, StartError};
/// let kafka = LocalKafka::start(Config {
///     port: Some(9092),
///     ..Config::from_env()
/// })?;
/// # Ok::<(), StartError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the broker keeps its data. `None`: a temporary directory, deleted with the broker.
    pub data_dir: Option<PathBuf>,
    /// The port on 127.0.0.1. `None`: the operating system chooses one.
    pub port: Option<u16>,
    /// Broker settings beyond, or instead of, those that this crate writes into `server.properties`.
    pub settings: BTreeMap<String, String>,
    /// How long a start may take until the broker answers.
    pub start_timeout: Duration,
    /// How long a controlled shutdown may take before the broker is killed.
    pub stop_timeout: Duration,
    /// The `java` command, 17 or newer.
    pub java: PathBuf,
    /// The `mvn` command; needed only until the jars have been fetched.
    pub maven: PathBuf,
    /// An existing installation of Kafka to use instead of fetched jars.
    pub kafka_home: Option<PathBuf>,
    /// The folder in which fetched jars are kept.
    pub cache_dir: PathBuf,
}

impl Config {
    /// A temporary broker on a port that the operating system chooses.
    ///
    /// Reads `KAFKA_HOME` (an existing installation), `JAVA_HOME` (else `java` on the `PATH`), and
    /// for the cache `LOCAL_KAFKA_CACHE`, else `order-pipeline` in `XDG_CACHE_HOME` or `~/.cache`.
    #[must_use]
    pub fn from_env() -> Self {
        Self {
            data_dir: None,
            port: None,
            settings: BTreeMap::new(),
            start_timeout: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(30),
            java: path_from_env("JAVA_HOME").map_or_else(|| "java".into(), |home| home.join("bin/java")),
            maven: "mvn".into(),
            kafka_home: path_from_env("KAFKA_HOME"),
            cache_dir: cache_dir(),
        }
    }
}

fn cache_dir() -> PathBuf {
    path_from_env("LOCAL_KAFKA_CACHE").unwrap_or_else(|| {
        path_from_env("XDG_CACHE_HOME")
            .or_else(|| env::home_dir().map(|home| home.join(".cache")))
            .unwrap_or_else(env::temp_dir)
            .join("order-pipeline")
    })
}

/// An empty variable counts as not set, as is the custom for these.
fn path_from_env(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
