//! `local-kafka`: a Kafka broker on this machine until Ctrl-C, SIGTERM or its parent's end.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use local_kafka::{Config, LocalKafka};
use tokio::signal::unix::{SignalKind, signal};

/// Runs a Kafka broker on 127.0.0.1 until Ctrl-C or SIGTERM.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where the broker keeps its data; a temporary directory if not given
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// The port to listen on; chosen by the operating system if not given
    #[arg(long)]
    port: Option<u16>,
    /// A broker setting beyond, or instead of, the usual ones; can be given many times
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
}

fn setting(argument: &str) -> Result<(String, String), &'static str> {
    let (name, value) = argument.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let args = Args::parse();

    let mut kafka = LocalKafka::start(Config {
        data_dir: args.data_dir,
        port: args.port,
        settings: args.settings.into_iter().collect(),
        ..Config::from_env()
    })?;
    // Not earlier: until here a signal may end this process, and Kafka with it.
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    println!("{}", kafka.bootstrap_servers());

    let mut check = tokio::time::interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = check.tick() => {
                if let Some(status) = kafka.try_wait()? {
                    bail!("Kafka ended ({status}); see {}", kafka.log_file().display());
                }
            }
        }
    }
    Ok(kafka.stop()?)
}
