//! A process's worth of HTTP without Kafka.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use service::{RunningService, ServeError, bind, serve};
use streams::{
    Admin, ClientError, ClientSupplier, ErrorKind, GroupConsumer, Membership, Reader, StateDirectory,
    Streams, StreamsConfig, Topic, Topology, TransactionalProducer, Writer,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// So few that a test can have one more.
pub(crate) const MAX_REQUESTS: u32 = 8;

/// What is usual.
const SHUTDOWN: Duration = Duration::from_secs(9);

/// The server of one service whose Kafka is away.
pub(crate) struct TestApp {
    pub(crate) address: SocketAddr,
    pub(crate) client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Result<(), ServeError>>,
    _state: tempfile::TempDir,
}

impl TestApp {
    pub(crate) fn start(routes: impl Fn(&mut ServiceConfig) + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let state = Arc::new(StateDirectory::open(directory.path(), None).unwrap());
        let streams =
            Streams::start(topology(), StreamsConfig::default(), Arc::new(KafkaIsAway), state).unwrap();
        let service = RunningService::new("test-service", streams).with_routes(routes);
        let (listener, address) = bind("127.0.0.1:0").unwrap();
        let (stop, stopped) = oneshot::channel();
        let served =
            tokio::spawn(serve(listener, vec![service], MAX_REQUESTS, SHUTDOWN, async { _ = stopped.await }));
        Self {
            address,
            client: service::http_client().build().unwrap(),
            stop: Some(stop),
            served,
            _state: directory,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    /// A connection on which `request` was written.
    pub(crate) fn open(&self, request: &str) -> TcpStream {
        let mut connection = TcpStream::connect(self.address).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        connection
    }

    /// Asks for the stop, without waiting for it.
    pub(crate) fn request_stop(&mut self) {
        _ = self.stop.take().unwrap().send(());
    }

    pub(crate) async fn ended(self) -> Result<(), ServeError> {
        self.served.await.unwrap()
    }
}

fn topology() -> Topology {
    let mut builder = Topology::builder("test-service");
    _ = builder.source(&Topic::<String, u32>::new("numbers"));
    builder.build()
}

struct KafkaIsAway;

fn away<T>() -> Result<T, ClientError> {
    Err(ClientError {
        kind: ErrorKind::Retriable,
        attempted: "connect".into(),
        reason: "nobody is there".into(),
    })
}

impl ClientSupplier for KafkaIsAway {
    fn consumer(&self, _: &Membership) -> Result<Box<dyn GroupConsumer>, ClientError> {
        away()
    }

    fn producer(&self, _: &str) -> Result<Box<dyn TransactionalProducer>, ClientError> {
        away()
    }

    fn reader(&self, _: &str) -> Result<Box<dyn Reader>, ClientError> {
        away()
    }

    fn writer(&self) -> Result<Arc<dyn Writer>, ClientError> {
        away()
    }

    fn admin(&self) -> Result<Box<dyn Admin>, ClientError> {
        away()
    }
}
