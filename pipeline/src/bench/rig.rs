//! What is measured, set up: a Kafka with nothing in it, and a pipeline.

use std::ffi::OsString;

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use local_kafka::{Config, LocalKafka};
use reqwest::{StatusCode, Url};
use serde_json::json;
use service::topics::ORDER_REQUESTS;
use streams::kafka::{Kafka, KafkaConfig};
use streams::{ClientSupplier, Reader};
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use super::orders::{PRODUCTS, product};
use super::process::Process;
use super::producer::Producer;
use super::progress;
use super::under_test::UnderTest;
use crate::client::Client;
use crate::on_thread::on_thread;

/// All of it goes, with its files, when this is dropped; the pipeline first.
pub(super) struct Rig {
    pub(super) under_test: UnderTest,
    pub(super) producer: Producer,
    partitions: i32,
    broker: LocalKafka,
    _directory: TempDir,
}

/// More than any bench orders.
const STOCK: i64 = 1_000_000_000;

impl Rig {
    /// With all that can be ordered in stock. `up` has further arguments for the pipeline.
    pub(super) async fn start(up: &[OsString]) -> anyhow::Result<Self> {
        progress("starting an empty Kafka");
        // Should it be given up meanwhile, the runtime waits for its end, so that its files are deleted.
        let broker = spawn_blocking(|| LocalKafka::start(Config::from_env()));
        let broker = broker.await.context("the start has panicked")?.context("could not start Kafka")?;
        let bootstrap_servers = broker.bootstrap_servers();
        progress("starting the pipeline");
        let directory = tempfile::tempdir().context("could not make a temporary directory")?;
        let under_test = UnderTest::start(&bootstrap_servers, directory.path(), up).await?;
        add_stock(&under_test.url).await?;
        let partitions = partitions(bootstrap_servers.clone()).await?;
        let producer = Producer::new(&bootstrap_servers, partitions)?;
        Ok(Self { under_test, producer, partitions, broker, _directory: directory })
    }

    pub(super) fn pipeline(&self) -> Process {
        self.under_test.process()
    }

    pub(super) fn broker(&self) -> anyhow::Result<Process> {
        self.broker.pid().map(Process).context("the broker is not there")
    }

    /// Of each topic of the pipeline.
    pub(super) fn partitions(&self) -> i32 {
        self.partitions
    }

    /// A consumer of committed records.
    pub(super) fn reader(&self) -> anyhow::Result<Box<dyn Reader>> {
        Ok(Kafka::new(KafkaConfig::new(self.broker.bootstrap_servers())).reader("bench")?)
    }
}

async fn partitions(bootstrap_servers: String) -> anyhow::Result<i32> {
    let described = on_thread("describe", || {
        let mut admin = Kafka::new(KafkaConfig::new(bootstrap_servers)).admin()?;
        admin.describe(&[ORDER_REQUESTS.name().into()])
    })?;
    let described = described.await.context("the question has panicked")??;
    let topic = described.into_iter().next().flatten();
    Ok(topic.with_context(|| format!("there is no topic {}", ORDER_REQUESTS.name()))?.partitions)
}

async fn add_stock(url: &Url) -> anyhow::Result<()> {
    let client = Client::new(url)?;
    let adjustments = (0..PRODUCTS).map(|number| {
        let client = &client;
        async move {
            let path = format!("/v1/inventory/{}/adjustments", product(number));
            let answer = client.post(&path, &json!({ "id": "bench", "quantity": STOCK })).await?;
            ensure!(answer.status == StatusCode::OK, "{path} answered {}", answer.status);
            Ok(())
        }
    });
    try_join_all(adjustments).await.context("could not add stock").map(drop)
}
