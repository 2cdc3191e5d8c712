//! Running a topology on Kafka: threads, their beginnings and ends.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use crate::application::{Application, Leases};
use crate::client::{
    Admin, ClientError, ClientSupplier, ErrorKind, GroupConsumer, Membership, TransactionalProducer,
};
use crate::global::TableState;
use crate::global_reader::GlobalReader;
use crate::guard::{Panicked, caught};
use crate::health::Health;
use crate::held_up;
use crate::host::{Host, Machine, Thread};
use crate::inquiry::Inquiry;
use crate::mailbox;
use crate::metrics::Metrics;
use crate::owners::Owners;
use crate::purge;
use crate::readers::{Queries, Readers};
use crate::restore::{RestoreError, Restorer};
use crate::setup::{Retention, SetupError, Topics};
use crate::state_directory::{InstanceState, StateDirectory, StateDirectoryError};
use crate::stop::Stop;
use crate::store::{BackendError, BufferedStores};
use crate::topic::TopicSpec;
use crate::topology::Topology;
use crate::worker::{Worker, WorkerError};

/// How an application runs on this instance.
#[derive(Clone, Debug)]
pub struct StreamsConfig {
    /// The number of worker threads, each a member of the group.
    pub threads: usize,
    /// The number of partitions of every topic of the application.
    pub partitions: i32,
    /// The replication factor of topics that are created.
    pub replication_factor: i32,
    /// The client id that other members of the group see.
    pub client_id: String,
    /// Topics that this service writes by other ways than its topology, and therefore creates.
    pub extra_topics: Vec<TopicSpec>,
}

impl Default for StreamsConfig {
    fn default() -> Self {
        Self {
            threads: 1,
            partitions: 4,
            replication_factor: 1,
            client_id: String::new(),
            extra_topics: Vec::new(),
        }
    }
}

/// A topology that runs on Kafka. (Kafka Streams calls it `KafkaStreams`.)
///
/// Dropping it stops it as [`Streams::close`] does.
pub struct Streams {
    application: Arc<Application>,
    threads: Vec<Box<dyn Thread>>,
}

/// Why a topology cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The stores failed.
    #[error(transparent)]
    Store(#[from] BackendError),
    /// The operating system gives no more threads.
    #[error("could not start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Why the application cannot run yet, or not at all.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    State(#[from] StateDirectoryError),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error("could not start a thread: {0}")]
    Thread(#[from] std::io::Error),
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

/// A worker that has lived for so long is not replaced in a loop.
const LONG_ENOUGH: Duration = Duration::from_secs(10);

impl RunError {
    /// Whether trying again cannot help.
    fn is_fatal(&self) -> bool {
        match self {
            RunError::Setup(SetupError::Mismatch { .. }) => true,
            RunError::Setup(SetupError::Client(error)) | RunError::Client(error) => {
                error.kind == ErrorKind::Fatal
            }
            _ => false,
        }
    }

    /// Whether others have to do something first.
    fn is_about_others(&self) -> bool {
        matches!(self, RunError::Setup(SetupError::Missing(_)))
    }
}

/// How long to wait for topics that others create, who mostly start at the same time; and how often, before they are
/// taken to come later.
const FOR_OTHERS: Duration = Duration::from_millis(25);
const FOR_OTHERS_SOON: usize = 200;

const BACKOFF: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

impl Streams {
    /// Starts `topology`. It returns at once: the rest happens on threads of its own, with retries for as long as Kafka
    /// cannot be reached; [`Streams::health`] tells how it stands.
    pub fn start(
        topology: Topology,
        config: StreamsConfig,
        clients: Arc<dyn ClientSupplier>,
        state: Arc<StateDirectory>,
    ) -> Result<Self, StartError> {
        Self::start_on(Arc::new(Machine::default()), topology, config, clients, state)
    }

    /// The same on a machine of the caller's.
    pub(crate) fn start_on(
        host: Arc<dyn Host>,
        topology: Topology,
        config: StreamsConfig,
        clients: Arc<dyn ClientSupplier>,
        state: Arc<dyn InstanceState>,
    ) -> Result<Self, StartError> {
        let topology = Arc::new(topology);
        let stores = BufferedStores::new(state.clone(), state.write_buffers());
        let tables = tables(&topology, &stores, config.partitions)?;
        let readers =
            Readers::new(topology.clone(), tables, config.partitions, clients.session_timeout() / 2);
        let application = Arc::new(Application {
            partitions: config.partitions,
            client_id: config.client_id.clone(),
            clients,
            stores,
            readers: Arc::new(readers),
            inquiry: Arc::new(Inquiry::new(&*host)),
            metrics: Arc::default(),
            health: Arc::new(Health::starting(SETUP)),
            leases: Leases::default(),
            stop: Stop::new(&*host),
            host,
            topology,
        });
        let supervisor = spawn(&application, "setup", {
            let application = application.clone();
            move || supervise(&application, &config, &*state)
        })?;
        Ok(Self { application, threads: vec![supervisor] })
    }

    /// The application's name.
    pub fn application(&self) -> &str {
        &self.application.topology.application
    }

    /// For reading stores and waiting for what is committed.
    pub fn queries(&self) -> Queries {
        Queries::new(self.application.readers.clone())
    }

    /// Which instance each partition is on. To be made once and cloned: each call starts a thread that asks the
    /// group.
    pub fn owners(&self) -> Result<Owners, StartError> {
        Ok(Owners::start(&self.application)?)
    }

    /// What is running and what is wrong.
    pub fn health(&self) -> Arc<Health> {
        self.application.health.clone()
    }

    /// What is counted.
    pub fn metrics(&self) -> Arc<Metrics> {
        self.application.metrics.clone()
    }

    /// Finishes the open transactions, leaves the group and ends all threads.
    pub fn close(mut self) {
        self.stop();
    }

    /// Asks all threads to stop, without waiting for them.
    pub fn request_stop(&self) {
        self.application.stop.request();
    }

    fn stop(&mut self) {
        self.request_stop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                error!(application = %self.application.topology.application, "a thread has panicked");
            }
        }
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.stop();
    }
}

const SETUP: &str = "setup";

fn tables(
    topology: &Topology,
    stores: &BufferedStores,
    partitions: i32,
) -> Result<Arc<[TableState]>, BackendError> {
    let table = |spec: &crate::global::GlobalTableSpec| {
        let name = &spec.topic.name;
        let store = |partition| stores.store(&topology.application, &format!("global-{name}"), partition);
        Ok(TableState::new(name.clone(), (0..partitions).map(store).collect::<Result<_, _>>()?))
    };
    topology.global_tables.iter().map(table).collect()
}

/// Starts a thread. Each goes on after a panic by ways of its own; where one does not, the health tells of it.
fn spawn(
    application: &Arc<Application>,
    role: &str,
    run: impl FnOnce() + Send + 'static,
) -> std::io::Result<Box<dyn Thread>> {
    let name = application.topology.application.clone();
    let run = {
        let (application, name, role) = (application.clone(), name.clone(), role.to_string());
        move || {
            let run = || tracing::info_span!("streams", application = %name).in_scope(run);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
                application.health.set(&role, "a bug: the thread has panicked, see the log");
                resume_unwind(panic);
            }
        }
    };
    application.host.spawn(format!("{name}-{role}"), Box::new(run))
}

/// Sets up, with retries, and then keeps the workers running until the stop is requested.
fn supervise(application: &Arc<Application>, config: &StreamsConfig, state: &dyn InstanceState) {
    let (mut attempt, mut beginning) = (0, Beginning { is_first: true, admin: None });
    let mut said = String::new();
    loop {
        let begun = caught(|| begin(application, config, state, &mut beginning));
        let longest = match begun.unwrap_or_else(|panic| Err(panic.into())) {
            Ok(threads) => {
                application.health.clear(SETUP);
                threads.into_iter().for_each(|thread| drop(thread.join()));
                return;
            }
            Err(error) if error.is_fatal() => {
                error!(%error, "cannot run");
                return application.health.set_fatal(error.to_string());
            }
            Err(error) => {
                let reason = error.to_string();
                if reason != said {
                    warn!(%error, "not running yet");
                    said.clone_from(&reason);
                }
                application.health.set(SETUP, reason);
                if error.is_about_others() && attempt < FOR_OTHERS_SOON { FOR_OTHERS } else { Duration::MAX }
            }
        };
        if application.stop.wait(backoff(&mut attempt).min(longest)) {
            return;
        }
    }
}

fn backoff(attempt: &mut usize) -> Duration {
    let wait = BACKOFF[(*attempt).min(BACKOFF.len() - 1)];
    *attempt += 1;
    wait
}

/// How far earlier attempts to begin have come.
struct Beginning {
    /// None has come to the workers' clients.
    is_first: bool,
    /// Until the topics are as they should be.
    admin: Option<Box<dyn Admin>>,
}

/// Topics, transactional ids, global tables; then the workers. The threads that run from then on.
fn begin(
    application: &Arc<Application>,
    config: &StreamsConfig,
    state: &dyn InstanceState,
    beginning: &mut Beginning,
) -> Result<Vec<Box<dyn Thread>>, RunError> {
    let retention = {
        let admin = match &mut beginning.admin {
            Some(admin) => admin,
            none => none.insert(application.clients.admin()?),
        };
        state.bind_to_cluster(&admin.cluster_id()?)?;
        let name = &application.topology.application;
        let topics = Topics::of(
            &application.topology,
            &config.extra_topics,
            config.partitions,
            config.replication_factor,
        );
        let known = state.changelogs(name);
        let retention = topics.ensure(&mut **admin, known.as_ref(), || application.clients.reader(name))?;
        state.note_changelogs(name, topics.changelogs())?;
        retention
    };
    beginning.admin = None;
    let ids = state.transactional_ids(&application.topology.application, config.threads)?;
    for former in &ids.former {
        application.clients.producer(former)?.init_transactions()?;
    }
    // Whoever fails does not disturb the group each time, and nobody has partitions while global tables are read.
    let joins_early = std::mem::take(&mut beginning.is_first) && application.readers.tables.is_empty();
    // Before the first fetch: what these ids left open is decided.
    let clients = ids.current.iter().map(|id| WorkersClients::new(application, id, joins_early));
    let clients: Vec<_> = clients.collect::<Result<_, _>>()?;

    let mut threads = Vec::new();
    if !application.readers.tables.is_empty() {
        let reader = application.clients.reader(&application.topology.application)?;
        let mut global = GlobalReader::new(application.clone(), reader, retention);
        global.catch_up()?;
        threads.push(spawn(application, "global", move || global.run())?);
    }
    for (number, (id, clients)) in ids.current.into_iter().zip(clients).enumerate() {
        let worker = application.clone();
        let role = format!("worker-{number}");
        application.health.set(&role, "starting");
        threads.push(spawn(application, &role.clone(), move || {
            keep_working(&worker, &role, &id, clients, retention);
        })?);
    }
    threads.push(spawn(application, "purge", {
        let application = application.clone();
        move || purge::run(&application)
    })?);
    threads.push(spawn(application, "held-up", {
        let application = application.clone();
        move || held_up::run(&application)
    })?);
    Ok(threads)
}

/// What a worker begins with: a member of the group, and a producer that may begin.
struct WorkersClients {
    consumer: Box<dyn GroupConsumer>,
    producer: Box<dyn TransactionalProducer>,
    is_joining: bool,
}

impl WorkersClients {
    /// Early, the group is joined while the coordinator of transactions is found.
    fn new(
        application: &Application,
        transactional_id: &str,
        joins_early: bool,
    ) -> Result<Self, ClientError> {
        let Application { topology, clients, client_id, .. } = application;
        let (group, client_id) = (topology.application.to_string(), client_id.clone());
        let mut consumer = clients.consumer(&Membership { group, client_id })?;
        if joins_early {
            consumer.subscribe(&sources(application))?;
        }
        let mut producer = clients.producer(transactional_id)?;
        producer.init_transactions()?;
        Ok(Self { consumer, producer, is_joining: joins_early })
    }
}

fn sources(application: &Application) -> Vec<Arc<str>> {
    application.topology.source_topics().map(|topic| topic.name.clone()).collect()
}

/// Runs a worker, and another one in its place when it ends without having been asked to.
fn keep_working(
    application: &Arc<Application>,
    role: &str,
    transactional_id: &str,
    first: WorkersClients,
    retention: Retention,
) {
    let mut clients_at_hand = Some(first);
    let mut attempt = 0;
    while !application.stop.is_requested() {
        let started = application.host.now();
        let result = caught(|| {
            let clients = match clients_at_hand.take() {
                Some(clients) => clients,
                None => WorkersClients::new(application, transactional_id, false)?,
            };
            work(application, role, clients, retention)
        });
        let Err(error) = result.unwrap_or_else(|panic| Err(panic.into())) else { break };
        warn!(role, %error, "the worker is replaced");
        application.metrics.add("replaced_workers", 1);
        application.health.set(role, error.to_string());
        if application.host.now().since(started) > LONG_ENOUGH {
            attempt = 0;
        }
        if application.stop.wait(backoff(&mut attempt)) {
            break;
        }
    }
    info!(role, "stopped");
}

fn work(
    application: &Arc<Application>,
    role: &str,
    clients: WorkersClients,
    retention: Retention,
) -> Result<(), WorkerError> {
    let (requests, asked) = mailbox::channel(&*application.host);
    let (answers, answered) = mailbox::channel(&*application.host);
    let restored = application.clone();
    let restorer = spawn(application, &format!("restore-{role}"), move || {
        // The worker notices that nobody answers, and both are replaced.
        if let Err(panic) = caught(|| Restorer::serve(restored, asked, answers, retention)) {
            error!(%panic, "restoring");
        }
    });
    let restorer = restorer.map_err(|e| ClientError {
        kind: ErrorKind::Fatal,
        attempted: "start a thread".to_string(),
        reason: e.to_string(),
    })?;
    let WorkersClients { mut consumer, producer, is_joining } = clients;
    if !is_joining {
        consumer.subscribe(&sources(application))?;
    }
    let worker = Worker::new(role.to_string(), application.clone(), consumer, producer, requests, answered);
    // The worker ends with its side of the channel, and so the restorer ends.
    let result = worker.run();
    drop(restorer.join());
    result
}

#[cfg(test)]
mod tests;
