//! The arguments of `up`.

use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Arg, Args};
use email_service::MailArgs;
use fraud_service::FraudPolicy;
use service::ServiceArgs;
use validation_aggregator::AggregatorArgs;

/// Run the whole pipeline in one process: Kafka, the six services and something to begin with
#[derive(Clone, Debug, Args)]
#[command(mut_arg("data_dir", with_our_default), mut_arg("bootstrap_servers", perhaps_our_own))]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// Whether no Kafka was named, so that one is started.
    #[arg(skip)]
    pub(crate) own_kafka: bool,
    /// The port of the Kafka that is started [default: chosen by the operating system]
    #[arg(long, conflicts_with = "bootstrap_servers")]
    pub(crate) kafka_port: Option<NonZeroU16>,
    /// What a customer's orders of an hour may not reach, in major units: a number for all currencies, or such
    /// as 2000,JPY=300000
    #[arg(long, default_value_t)]
    pub(crate) fraud_limit: FraudPolicy,
    #[command(flatten)]
    pub(crate) aggregator: AggregatorArgs,
    #[command(flatten)]
    pub(crate) mail: MailArgs,
    /// Add customers and stock to begin with also to a Kafka that was named; to one of its own they are always added
    #[arg(long, value_parser = BoolishValueParser::new())]
    seed: bool,
    /// Add no customers and no stock
    #[arg(long, value_parser = BoolishValueParser::new(), conflicts_with = "seed")]
    no_seed: bool,
}

impl UpArgs {
    /// Where everything is kept.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.service.data_dir.clone().unwrap_or_else(|| "./data".into())
    }

    /// Whether customers and stock are added. A cluster that was named is somebody's: it gets them only if asked for.
    pub(crate) fn with_seeds(&self) -> bool {
        !self.no_seed && (self.own_kafka || self.seed)
    }

    /// The broker to be started, if one is.
    pub(crate) fn local_kafka(&self) -> Option<local_kafka::Config> {
        self.own_kafka.then(|| local_kafka::Config {
            data_dir: Some(self.data_dir().join("kafka")),
            port: self.kafka_port.map(NonZeroU16::get),
            ..local_kafka::Config::from_env()
        })
    }
}

fn with_our_default(argument: Arg) -> Arg {
    argument.help("The directory for everything that is kept, one per process [default: ./data]")
}

fn perhaps_our_own(argument: Arg) -> Arg {
    argument
        .help("Where Kafka answers: host:port, several separated by commas [default: a Kafka is started]")
        .hide_default_value(true)
}
