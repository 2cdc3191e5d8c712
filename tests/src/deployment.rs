//! The six services, each as a process of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use streams::kafka::{Kafka, KafkaConfig};

use crate::binaries::binary;
use crate::broker::{broker, kafka_at};
use crate::client::Client;
use crate::log::{OpenTransaction, TopicLog};
use crate::process::Process;

/// A service, by the name of its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// orders-service
    Orders,
    /// fraud-service
    Fraud,
    /// inventory-service
    Inventory,
    /// details-service
    Details,
    /// validation-aggregator
    Aggregator,
    /// email-service
    Email,
}

impl Service {
    /// All six.
    pub const ALL: [Service; 6] = [
        Service::Orders,
        Service::Fraud,
        Service::Inventory,
        Service::Details,
        Service::Aggregator,
        Service::Email,
    ];

    /// The name of its program.
    pub fn name(self) -> &'static str {
        match self {
            Service::Orders => "orders-service",
            Service::Fraud => "fraud-service",
            Service::Inventory => "inventory-service",
            Service::Details => "details-service",
            Service::Aggregator => "validation-aggregator",
            Service::Email => "email-service",
        }
    }
}

/// The services of one pipeline, with topics, groups and directories of their own.
pub struct Deployment {
    prefix: String,
    /// Before the directory: what the processes said is there to be shown when a test fails.
    running: BTreeMap<(Service, usize), Instance>,
    directory: tempfile::TempDir,
    bootstrap_servers: String,
    arguments: BTreeMap<Service, Vec<String>>,
    addresses: BTreeMap<(Service, usize), String>,
}

struct Instance {
    process: Process,
    client: Client,
}

impl Deployment {
    /// A pipeline of which nothing runs yet, on the broker that all tests share.
    pub fn new(test: &str) -> Self {
        Self::on(test, broker())
    }

    /// The same on another broker.
    pub fn on(test: &str, bootstrap_servers: &str) -> Self {
        Self {
            prefix: format!("{test}-"),
            directory: tempfile::tempdir().expect("a temporary directory"),
            bootstrap_servers: bootstrap_servers.to_string(),
            arguments: BTreeMap::new(),
            addresses: BTreeMap::new(),
            running: BTreeMap::new(),
        }
    }

    /// Gives a service arguments beside the usual ones, whenever it is started.
    #[must_use]
    pub fn with(mut self, service: Service, arguments: &[&str]) -> Self {
        self.arguments.insert(service, arguments.iter().map(ToString::to_string).collect());
        self
    }

    /// Starts an instance of a service again where it answers or has answered, so that clients find it.
    pub fn relaunch(&mut self, service: Service, instance: usize) {
        let address = self.client_of(service, instance).url().trim_start_matches("http://").to_string();
        self.addresses.insert((service, instance), address);
        self.running.remove(&(service, instance));
        self.launch(service, instance);
        self.addresses.remove(&(service, instance));
    }

    /// The same services with the same directories, on another broker.
    #[must_use]
    pub fn moved_to(mut self, bootstrap_servers: &str) -> Self {
        self.bootstrap_servers = bootstrap_servers.to_string();
        self
    }

    /// Starts all six and waits until they are ready.
    pub async fn start_all(&mut self) {
        for service in Service::ALL {
            self.launch(service, 0);
        }
        for service in Service::ALL {
            self.await_ready(service, 0).await;
        }
    }

    /// Starts an instance of a service, the first one being 0, and waits until it is ready.
    pub async fn start(&mut self, service: Service, instance: usize) {
        self.launch(service, instance);
        self.await_ready(service, instance).await;
    }

    /// Starts an instance of a service and waits until it answers HTTP.
    pub fn launch(&mut self, service: Service, instance: usize) {
        let name = service.name();
        let mut command = Command::new(binary(name));
        command
            .args(["--bootstrap-servers", &self.bootstrap_servers])
            .args(["--topic-prefix", &self.prefix])
            .args(["--http", self.addresses.get(&(service, instance)).map_or("127.0.0.1:0", String::as_str)])
            .arg("--data-dir")
            .arg(self.state_directory(service, instance))
            .args(self.arguments.get(&service).into_iter().flatten());
        let log = self.directory.path().join(format!("{name}-{instance}.log"));
        let process = Process::start(&format!("{name}-{instance}"), &mut command, &log);
        let line = process.await_line("answering at http://");
        let url = line.split("answering at ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let client = Client::new(url.expect("the line names the address"));
        self.running.insert((service, instance), Instance { process, client });
    }

    /// Waits until an instance says that every task of its runs.
    pub async fn await_ready(&self, service: Service, instance: usize) {
        self.client_of(service, instance).await_ready().await;
    }

    /// The process of an instance.
    pub fn process(&mut self, service: Service, instance: usize) -> &mut Process {
        &mut self.running.get_mut(&(service, instance)).expect("the instance was started").process
    }

    /// Asks an instance to stop, and waits until it has.
    pub fn stop(&mut self, service: Service, instance: usize) {
        self.running.remove(&(service, instance)).expect("the instance was started").process.stop();
    }

    /// Kills an instance.
    pub fn kill(&mut self, service: Service, instance: usize) {
        self.process(service, instance).kill();
    }

    /// Speaks with the first instance of a service.
    pub fn client(&self, service: Service) -> &Client {
        self.client_of(service, 0)
    }

    /// Speaks with an instance of a service.
    pub fn client_of(&self, service: Service, instance: usize) -> &Client {
        &self.running.get(&(service, instance)).expect("the instance was started").client
    }

    /// Speaks with orders-service.
    pub fn orders(&self) -> &Client {
        self.client(Service::Orders)
    }

    /// Puts pieces of a product into stock.
    pub async fn stock(&self, product: &str, quantity: i64) {
        let path = format!("/v1/inventory/{product}/adjustments");
        let body = serde_json::json!({ "id": format!("stock-{product}"), "quantity": quantity });
        self.client(Service::Inventory).post(&path, &body).await.expect_status(200);
    }

    /// Where an instance keeps its state.
    pub fn state_directory(&self, service: Service, instance: usize) -> PathBuf {
        self.directory.path().join(format!("{}-{instance}", service.name()))
    }

    /// A directory for what the test itself needs.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Reads the topics of this pipeline.
    pub fn log(&self) -> TopicLog {
        TopicLog::new(kafka_at(&self.bootstrap_servers, &self.prefix))
    }

    /// Another program's transaction, with a record in this partition.
    pub fn open_transaction(&self, topic: &str, partition: i32) -> OpenTransaction {
        let config = KafkaConfig {
            topic_prefix: self.prefix.clone(),
            transaction_timeout: Duration::from_secs(300),
            ..KafkaConfig::new(&self.bootstrap_servers)
        };
        OpenTransaction::begin(&Kafka::new(config), topic, partition)
    }

    /// What stands before the names of its topics.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}
