//! What every service process shares: arguments, logging, the way to Kafka and to the state directory, the
//! HTTP server with its health, its metrics and its problems, and the shutdown.
//!
//! A service gives a function from [`Environment`] to [`RunningService`]. [`run_service`] makes a process of
//! one; [`serve`] runs any number of them in one process, on one address and with one state directory. What
//! holds for all of them:
//!
//! - **A process answers HTTP from its start**, whether or not Kafka is there, and tells in `/readyz` what it
//!   lacks.
//! - **Errors leave by one door**: every answer from 400 up is a [`Problem`].
//! - **What is too much is refused**, with 503 and at once, before it makes all slow.
//! - **Any instance answers**: what belongs to another one is forwarded to it, see [`Router`].
//! - **A stop loses nothing**: what is in flight is answered, transactions are finished and groups left; who waits for
//!   what is another instance's by then is answered by that one.

mod admission;
mod advertised_url;
pub mod api;
mod app;
mod args;
mod background;
mod body;
mod cache_control;
mod client_connection;
mod collector;
mod command_line;
mod compact_headers;
mod conversation;
mod docs;
mod environment;
mod errors;
mod explain;
mod fatal;
mod head_as_get;
mod head_limit;
mod http_client;
mod http_metrics;
mod http_server;
mod id_in_path;
mod listener;
mod logging;
mod observed;
mod open_files;
mod probes;
mod problem;
mod request_body;
mod routing;
mod run_service;
mod running_service;
mod serve;
mod settings_file;
mod shutdown;
mod signals;
mod timeout;
pub mod topics;

/// The allocator of every service: against the system's it takes a sixth of the CPU off a burst and of the memory off a
/// long poll. librdkafka uses it as well.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

pub use advertised_url::{AdvertisedUrl, InvalidUrl, NoAddressError};
pub use app::app;
pub use args::{LogFormat, ServiceArgs, duration};
pub use background::{Background, Gauge};
pub use body::{JsonBody, MAX_BODY_SIZE};
pub use command_line::{parse_args, with_environment};
pub use environment::{Environment, StartServiceError};
pub use http_client::http_client;
pub use id_in_path::IdInPath;
pub use listener::{BindError, bind};
pub use logging::init as init_logging;
pub use open_files::raise_open_files;
pub use problem::{Flaw, Kind, Place, Problem};
pub use routing::{Call, Directory, Peer, Router, Whereabouts};
pub use run_service::run_service;
pub use running_service::RunningService;
pub use serve::{ServeError, serve};
pub use settings_file::{PropertiesFile, SecretFile};
pub use shutdown::{Busy, Interrupted, Shutdown};
pub use signals::stop_signal;
pub use timeout::{MAX_TIMEOUT, Timeout};
