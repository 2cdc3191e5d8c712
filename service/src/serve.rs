//! Running services until they are asked to stop: one HTTP server for all of them.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::web::{Data, ServiceConfig};
use futures::future::join_all;
use prometheus_client::registry::Registry;
use tokio::time::{timeout, timeout_at};

use crate::admission::Admission;
use crate::api::document;
use crate::collector::ServiceCollector;
use crate::docs::Document;
use crate::fatal::{Fatal, first_fatal};
use crate::http_metrics::HttpMetrics;
use crate::http_server::http_server;
use crate::observed::Observed;
use crate::open_files::raise_open_files;
use crate::running_service::{Routes, RunningService};
use crate::shutdown::Shutdown;
use crate::{docs, probes};

/// Why serving ended otherwise than by being asked to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The HTTP server cannot run.
    #[error("HTTP: {0}")]
    Http(#[from] io::Error),
    /// A service will never run.
    #[error("{service} cannot run: {reason}")]
    Fatal {
        /// Which.
        service: &'static str,
        /// Why.
        reason: String,
    },
    /// Threads did not end in time. Nothing is lost: Kafka aborts what they left open.
    #[error("some threads did not stop within {0:?} and were given up")]
    Close(Duration),
}

/// Serves `services` on `listener` until `stop` is ready, or one of them cannot run. Then requests in flight
/// are answered, be it by other instances; then the services are closed, one beside the other. It is over within
/// `stop_within`, whatever is under way.
///
/// # Errors
///
/// The server cannot run, a service never will, or not all ended in time.
pub async fn serve(
    listener: TcpListener,
    services: Vec<RunningService>,
    max_requests: u32,
    stop_within: Duration,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let admission = admission(max_requests);
    let shutdown = Shutdown::within(stop_within);
    let observed: Vec<Observed> = services.iter().map(RunningService::observed).collect();
    let outcome = answer(listener, &services, &observed, &admission, &shutdown, stop).await;
    let closed = close(services, &shutdown).await;
    outcome.and(closed)
}

/// Longer than anything takes that does not wait for Kafka.
fn carry_out_within(shutdown: &Shutdown) -> Duration {
    shutdown.limit() / 9 * 2
}

/// Who waits is told at the end of the grace; the rest is for the telling. The server counts whole seconds.
fn answer_within(shutdown: &Shutdown) -> Duration {
    Duration::from_secs((shutdown.limit() / 9 * 7).as_secs().max(1))
}

/// The rest is for committing what was done.
fn finish_within(shutdown: &Shutdown) -> Duration {
    shutdown.limit() / 9 * 7
}

fn admission(max_requests: u32) -> Admission {
    let wanted = usize::try_from(max_requests).unwrap_or(usize::MAX);
    let open_files = raise_open_files();
    let admission = Admission::new(wanted, open_files);
    if admission.most() < wanted {
        let most = admission.most();
        tracing::warn!(open_files, "only {most} requests are taken at once: not more files may be open");
    }
    admission
}

async fn answer(
    listener: TcpListener,
    services: &[RunningService],
    observed: &[Observed],
    admission: &Admission,
    shutdown: &Shutdown,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let routes = routes(services, observed, admission, shutdown)?;
    let server = http_server(listener, routes, admission.connections(), answer_within(shutdown))?;
    let handle = server.handle();
    let mut server = tokio::spawn(server);
    let outcome = tokio::select! {
        () = stop => Ok(()),
        Fatal { service, reason } = first_fatal(observed) => Err(ServeError::Fatal { service, reason }),
        ended = &mut server => {
            let ended = ended.map_err(io::Error::other).flatten();
            Err(ServeError::Http(ended.err().unwrap_or_else(|| io::Error::other("the server has ended"))))
        }
    };
    shutdown.request();
    let until = shutdown.after(finish_within(shutdown)).into_std();
    services.iter().for_each(|service| service.request_stop(until));
    let stopped = handle.stop(true);
    tokio::join!(stopped, hand_over(services, shutdown));
    outcome
}

/// Leaves the groups while requests are still being answered. What is being carried out comes to its end here; who
/// waits is answered by whoever takes over.
async fn hand_over(services: &[RunningService], shutdown: &Shutdown) {
    drop(timeout(carry_out_within(shutdown), shutdown.idle()).await);
    services.iter().for_each(|service| service.streams().request_stop());
}

/// The routes of all services and those that look at them.
fn routes(
    services: &[RunningService],
    observed: &[Observed],
    admission: &Admission,
    shutdown: &Shutdown,
) -> io::Result<impl Fn(&mut ServiceConfig) + Clone + Send + 'static> {
    let document = Document::new(&document(services.iter().map(RunningService::api)))?;
    let document = Data::new(document);
    let mut registry = Registry::default();
    let http_metrics = Data::new(HttpMetrics::new(&mut registry));
    registry.register_collector(Box::new(ServiceCollector(observed.to_vec())));
    registry.register_collector(Box::new(admission.clone()));
    let admission = Data::new(admission.clone());
    let (registry, observed, shutdown) =
        (Data::new(registry), Data::new(observed.to_vec()), shutdown.clone());
    let routes: Vec<Routes> = services.iter().map(RunningService::routes).collect();
    Ok(move |config: &mut ServiceConfig| {
        config
            .app_data(document.clone())
            .app_data(admission.clone())
            .app_data(http_metrics.clone())
            .app_data(registry.clone())
            .app_data(observed.clone())
            .app_data(shutdown.clone())
            .configure(probes::routes)
            .configure(docs::routes);
        routes.iter().for_each(|routes| routes(config));
    })
}

async fn close(services: Vec<RunningService>, shutdown: &Shutdown) -> Result<(), ServeError> {
    let limit = shutdown.limit();
    let ends: Vec<_> = services.into_iter().map(RunningService::close).collect();
    timeout_at(shutdown.after(limit), join_all(ends)).await.map(drop).map_err(|_| ServeError::Close(limit))
}
