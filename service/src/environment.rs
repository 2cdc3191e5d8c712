//! What a service needs in order to start.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use streams::{
    ClientError, ClientSupplier, CommandWriter, StartError, StateDirectory, Streams, StreamsConfig,
    TopicSpec, Topology, Writer,
};

use crate::advertised_url::NoAddressError;
use crate::args::ServiceArgs;
use crate::routing::{Forwarder, Router};

/// Where a service runs: the way to Kafka, the state directory, and how much of each there is. Cheap to
/// clone; the services of one process share one.
#[derive(Clone)]
pub struct Environment {
    /// Makes clients of Kafka.
    pub clients: Arc<dyn ClientSupplier>,
    /// The process's state directory.
    pub state: Arc<StateDirectory>,
    /// The number of partitions of every topic.
    pub partitions: i32,
    /// The replication factor of topics that are created.
    pub replication_factor: i32,
    /// The number of threads of each topology.
    pub threads: usize,
    /// What other members of a group see of this instance: its name, and where its HTTP answers.
    pub client_id: String,
    writer: Arc<Mutex<Option<Arc<dyn Writer>>>>,
    forwarder: Forwarder,
}

/// Why a service cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartServiceError {
    /// The topology cannot be run.
    #[error("could not start {application}: {source}")]
    Streams {
        /// Whose topology it is.
        application: String,
        /// What is wrong.
        source: StartError,
    },
    /// There is no producer for commands; most likely a setting is wrong.
    #[error("could not start the producer of commands: {0}")]
    Writer(#[from] ClientError),
}

impl Environment {
    /// As `args` say, for a process whose HTTP answers at `address`.
    ///
    /// # Errors
    ///
    /// It cannot be told where other instances reach this one.
    pub fn new(
        args: &ServiceArgs,
        clients: Arc<dyn ClientSupplier>,
        state: Arc<StateDirectory>,
        address: SocketAddr,
    ) -> Result<Self, NoAddressError> {
        Ok(Self {
            client_id: format!("{}@{}", state.instance_id(), args.advertised_url(address)?),
            clients,
            state,
            partitions: args.partitions,
            replication_factor: args.replication_factor,
            threads: args.threads.into(),
            writer: Arc::default(),
            forwarder: Forwarder::default(),
        })
    }

    /// Starts a topology. `commands` are the topics that the service writes by other ways than its topology,
    /// and therefore creates. Returns at once: whether Kafka is there shows in the streams' health.
    ///
    /// # Errors
    ///
    /// The stores cannot be opened, or there are no threads to be had.
    pub fn start(&self, topology: Topology, commands: Vec<TopicSpec>) -> Result<Streams, StartServiceError> {
        let application = topology.application().to_owned();
        let config = StreamsConfig {
            threads: self.threads,
            partitions: self.partitions,
            replication_factor: self.replication_factor,
            client_id: self.client_id.clone(),
            extra_topics: commands,
        };
        Streams::start(topology, config, self.clients.clone(), self.state.clone())
            .map_err(|source| StartServiceError::Streams { application, source })
    }

    /// Creates `topics` where none of them is there, and waits until they are. What is missing where others are may have
    /// been deleted: whether it is to be made anew, its service knows.
    ///
    /// # Errors
    ///
    /// Kafka is away, or refuses one of them.
    pub fn create_topics(&self, topics: &[TopicSpec]) -> Result<(), ClientError> {
        let mut admin = self.clients.admin()?;
        let names: Vec<Arc<str>> = topics.iter().map(|topic| topic.name.clone()).collect();
        let found = admin.describe(&names)?;
        if found.iter().any(Option::is_some) {
            return Ok(());
        }
        tracing::info!(topics = topics.len(), partitions = self.partitions, "creating");
        admin.create(topics, self.partitions, self.replication_factor)
    }

    /// Writes commands. All writers of a process share one producer, made when it is first asked for.
    ///
    /// # Errors
    ///
    /// The client's settings are refused. That Kafka is away is no error here.
    pub fn commands(&self) -> Result<CommandWriter, StartServiceError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = match &*writer {
            Some(writer) => writer.clone(),
            None => writer.insert(self.clients.writer()?).clone(),
        };
        Ok(CommandWriter::new(writer, self.partitions))
    }

    /// Has calls answered by the instance of `streams` where their keys are. All routers of a process share their
    /// connections.
    ///
    /// # Errors
    ///
    /// There is no thread to be had.
    pub fn router(&self, streams: &Streams) -> Result<Router, StartServiceError> {
        let owners = streams.owners().map_err(|source| StartServiceError::Streams {
            application: streams.application().to_owned(),
            source,
        })?;
        Ok(Router::with(Arc::new(owners), &self.state.instance_id(), self.forwarder.clone()))
    }
}

#[cfg(test)]
mod tests {
    use streams::Cleanup;
    use streams::simulation::{SimulatedKafka, SimulationConfig};

    use super::*;

    /// One of them may be missing because it was deleted.
    #[test]
    fn topics_are_made_only_where_there_are_none() {
        let (kafka, directory) =
            (SimulatedKafka::new(SimulationConfig::default()), tempfile::tempdir().unwrap());
        let environment = Environment {
            clients: Arc::new(kafka.clone()),
            state: Arc::new(StateDirectory::open(directory.path(), None).unwrap()),
            partitions: 2,
            replication_factor: 1,
            threads: 1,
            client_id: "test".to_owned(),
            writer: Arc::default(),
            forwarder: Forwarder::default(),
        };
        let names: [Arc<str>; 2] = ["orders".into(), "orders-changelog".into()];
        let topics = names.clone().map(|name| TopicSpec { name, cleanup: Cleanup::Delete });
        let are_there = || {
            let described = kafka.admin().unwrap().describe(&names).unwrap();
            described.iter().map(Option::is_some).collect::<Vec<_>>()
        };
        environment.create_topics(&topics).unwrap();
        assert_eq!(are_there(), [true, true]);
        kafka.delete("orders-changelog");
        environment.create_topics(&topics).unwrap();
        assert_eq!(are_there(), [true, false]);
    }
}
