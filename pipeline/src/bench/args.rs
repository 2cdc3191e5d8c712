//! The arguments of `bench`.

use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Measure an empty Kafka and a pipeline, from requests in Kafka to final states
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) what: Option<What>,
    /// How many orders come first, to warm up; 0 for none
    #[arg(long, default_value_t = 20_000)]
    pub(crate) warmup: usize,
    /// How many orders come then, as fast as they can be written; 0 for none
    #[arg(long, default_value_t = 100_000)]
    pub(crate) orders: usize,
    /// How many orders a second come then, one rate after the other
    #[arg(long, default_value = "200,1000", value_delimiter = ',', value_parser = rate)]
    pub(crate) rates: Vec<f64>,
    /// For how many seconds each rate is kept up
    #[arg(long, default_value = "20")]
    pub(crate) seconds: NonZeroU32,
    /// For how many seconds the pipeline is left alone before all that; 0 for none
    #[arg(long, default_value_t = 10)]
    pub(crate) idle: u32,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What else can be measured.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum What {
    Http(HttpArgs),
}

/// Measure the pipeline's HTTP: POST, GET and long polls
#[derive(Clone, Debug, Args)]
pub(crate) struct HttpArgs {
    /// How many requests are under way at once
    #[arg(long, default_value = "256")]
    pub(crate) concurrency: NonZeroUsize,
    /// For how many seconds each kind of request is sent
    #[arg(long, default_value = "10")]
    pub(crate) seconds: NonZeroU32,
    /// For how many seconds requests come first, to warm up; 0 for none
    #[arg(long, default_value_t = 5)]
    pub(crate) warmup: u32,
    /// How many POSTs a second are sent where their latency is measured
    #[arg(long, default_value = "200", value_parser = rate)]
    pub(crate) rate: f64,
    /// How many long polls wait, all for one order and then each for its own; 0 for none
    #[arg(long, default_value_t = 1000)]
    pub(crate) waiters: usize,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What holds for all that is measured.
#[derive(Clone, Debug, Args)]
pub(crate) struct CommonArgs {
    /// The file for the report as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Arguments for the `pipeline up` that is measured, such as --threads 2; its environment variables do not
    /// count
    #[arg(last = true, value_name = "ARGUMENTS OF UP")]
    pub(crate) up: Vec<OsString>,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (SLOWEST..=FASTEST).contains(rate));
    rate.ok_or_else(|| format!("must be a number of orders a second from {SLOWEST} to {FASTEST}"))
}

const SLOWEST: f64 = 0.1;

/// Beyond what one machine can send.
const FASTEST: f64 = 1_000_000.0;
