//! The arguments that all services understand.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use streams::kafka::{Kafka, KafkaConfig};
use tracing_subscriber::EnvFilter;

use crate::advertised_url::{AdvertisedUrl, NoAddressError};
use crate::settings_file::{PropertiesFile, property};

/// How a service process reaches Kafka, is reached itself, and where it keeps its state.
#[derive(Clone, Debug, Args)]
pub struct ServiceArgs {
    /// Where Kafka answers: host:port, several separated by commas
    #[arg(long, default_value = "127.0.0.1:9092", value_parser = bootstrap_servers)]
    pub bootstrap_servers: String,
    /// Where HTTP answers, as host:port; port 0 lets the operating system choose
    #[arg(long, default_value = "127.0.0.1:8080", value_parser = host_and_port)]
    pub http: String,
    /// The address at which other instances reach this one, such as http://10.0.0.1:8080 [default: that of --http; if
    /// that is all addresses of the machine, the one from which it goes to Kafka]
    #[arg(long, value_name = "URL")]
    pub advertised_url: Option<AdvertisedUrl>,
    /// How many requests may be under way at once, those that wait included; what comes beyond is answered 503
    #[arg(long, default_value_t = 16_384, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_requests: u32,
    /// Within what the process ends after SIGTERM, whatever is under way; orchestrators kill it after 10s or more
    #[arg(long, value_name = "DURATION", default_value = "9s", value_parser = duration)]
    pub shutdown_timeout: Duration,
    /// The directory for stores and the instance's name, one per process [default: one of the service's name in ./data]
    #[arg(long, value_name = "DIRECTORY")]
    pub data_dir: Option<PathBuf>,
    /// How many partitions each topic has
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub partitions: i32,
    /// How many brokers hold a copy of each topic that is created
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=32_767))]
    pub replication_factor: i32,
    /// How many threads each topology runs on
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,
    /// The name of this instance [default: made up once for each data directory]
    #[arg(long, value_parser = instance_id)]
    pub instance_id: Option<String>,
    /// Stands in front of all topics, groups and transactional ids, so that a cluster can be shared
    #[arg(long, default_value = "", value_parser = topic_prefix, hide_default_value = true)]
    pub topic_prefix: String,
    /// A setting of librdkafka, such as security.protocol=ssl; can be given many times (in the environment:
    /// one a line)
    #[arg(
        long,
        value_name = "KEY=VALUE",
        value_parser = property,
        value_delimiter = '\n',
        hide_env_values = true
    )]
    pub kafka_property: Vec<(String, String)>,
    /// A properties file with settings of librdkafka, one key=value a line, for those that are secret; what
    /// --kafka-property says takes precedence
    #[arg(long, value_name = "FILE")]
    pub kafka_config: Option<PropertiesFile>,
    /// How the log on stderr is written
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What is logged, such as debug or warn,streams=debug [default: RUST_LOG, or else info]
    #[arg(long, value_parser = log_level)]
    pub log_level: Option<String>,
}

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}

impl ServiceArgs {
    /// The data directory: what was asked for, or else `./data/<name>`.
    pub fn data_dir(&self, name: &str) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| Path::new("data").join(name))
    }

    /// Where other instances reach the one that listens on `address`.
    ///
    /// # Errors
    ///
    /// It cannot be told, and was not.
    pub fn advertised_url(&self, address: SocketAddr) -> Result<AdvertisedUrl, NoAddressError> {
        match &self.advertised_url {
            Some(url) => Ok(url.clone()),
            None => AdvertisedUrl::of_listener(address, &self.bootstrap_servers),
        }
    }

    /// Of a key that comes twice the last value counts.
    fn kafka_settings(&self) -> impl Iterator<Item = &(String, String)> {
        let of_file = self.kafka_config.iter().flat_map(PropertiesFile::properties);
        of_file.chain(&self.kafka_property)
    }

    /// The way to the Kafka cluster. Connects to nothing yet.
    pub fn kafka(&self) -> Kafka {
        Kafka::new(KafkaConfig {
            topic_prefix: self.topic_prefix.clone(),
            client_settings: self.kafka_settings().cloned().collect(),
            ..KafkaConfig::new(self.bootstrap_servers.clone())
        })
    }
}

/// Parses a duration that is longer than nothing, such as `30s`, `1m 30s` or `96h`.
///
/// # Errors
///
/// Why it is none.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration: SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    match Duration::try_from(duration) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("must be longer than nothing".to_string()),
    }
}

fn bootstrap_servers(text: &str) -> Result<String, String> {
    text.split(',').try_for_each(|server| host_and_port(server).map(drop))?;
    Ok(text.to_owned())
}

fn host_and_port(text: &str) -> Result<String, String> {
    let (host, port) =
        text.rsplit_once(':').ok_or_else(|| format!("{text:?} is not of the form host:port"))?;
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err(format!("{text:?} has no host in front of the colon"));
    }
    port.parse::<u16>().map_err(|_| format!("{port:?} is no port: a number from 0 to 65535"))?;
    Ok(text.to_owned())
}

fn instance_id(text: &str) -> Result<String, String> {
    match text.len() {
        1..=64 => in_kafkas_alphabet(text),
        length => Err(format!("must have 1 to 64 characters, not {length}")),
    }
}

fn topic_prefix(text: &str) -> Result<String, String> {
    match text.len() {
        // A topic's name may have 249, and the longest of ours is far below 149.
        0..=100 => in_kafkas_alphabet(text),
        length => Err(format!("must have at most 100 characters, not {length}")),
    }
}

fn in_kafkas_alphabet(text: &str) -> Result<String, String> {
    match text.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-')) {
        Some(character) => Err(format!("may consist of A-Z a-z 0-9 . _ - only, not {character:?}")),
        None => Ok(text.to_owned()),
    }
}

fn log_level(text: &str) -> Result<String, String> {
    EnvFilter::builder().parse(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
