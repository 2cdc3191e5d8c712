//! A service that was started.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use actix_web::web::ServiceConfig;
use streams::Streams;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};
use utoipa::openapi::OpenApi;

use crate::background::Background;
use crate::observed::Observed;

/// A service that runs: its topology, its routes, and what works beside them.
pub struct RunningService {
    name: &'static str,
    streams: Streams,
    routes: Routes,
    api: OpenApi,
    background: Vec<Arc<dyn Background>>,
}

/// Adds routes to the server: once for each of its threads.
pub(crate) type Routes = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;

impl RunningService {
    /// A service without routes of its own.
    pub fn new(name: &'static str, streams: Streams) -> Self {
        Self { name, streams, routes: Arc::new(|_| {}), api: OpenApi::default(), background: Vec::new() }
    }

    /// The same with these routes. What handlers share should be made outside, once, and cloned into
    /// `app_data` inside.
    pub fn with_routes(mut self, routes: impl Fn(&mut ServiceConfig) + Send + Sync + 'static) -> Self {
        self.routes = Arc::new(routes);
        self
    }

    /// The same with the document of its routes.
    pub fn with_api(mut self, api: OpenApi) -> Self {
        self.api = api;
        self
    }

    /// The same with one more part that is watched and stopped with it.
    pub fn with_background(mut self, part: impl Background) -> Self {
        self.background.push(Arc::new(part));
        self
    }

    /// The service's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its topology, as it runs.
    pub fn streams(&self) -> &Streams {
        &self.streams
    }

    pub(crate) fn routes(&self) -> Routes {
        self.routes.clone()
    }

    pub(crate) fn api(&self) -> OpenApi {
        self.api.clone()
    }

    pub(crate) fn observed(&self) -> Observed {
        Observed {
            name: self.name,
            health: self.streams.health(),
            metrics: self.streams.metrics(),
            queries: self.streams.queries(),
            background: self.background.clone(),
        }
    }

    /// Waits until all of them run: every task, and what works beside it.
    pub fn all_run(services: &[Self]) -> impl Future<Output = ()> + use<> {
        let observed: Vec<Observed> = services.iter().map(Self::observed).collect();
        async move {
            // Not everything that has to run tells when it does.
            let mut ticks = interval(Duration::from_millis(5));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while !observed.iter().all(|service| service.reasons().is_empty()) {
                ticks.tick().await;
            }
        }
    }

    /// What works beside the topology is to have finished by `until`.
    pub(crate) fn request_stop(&self, until: Instant) {
        self.background.iter().for_each(|part| part.request_stop(until));
    }

    /// Ends the parts one beside the other; the answer comes when all have ended.
    pub(crate) fn close(self) -> oneshot::Receiver<()> {
        let Self { name, streams, background, .. } = self;
        streams.request_stop();
        let (ended, end) = oneshot::channel();
        // Not a task that may block: a runtime waits for those, and this one may be given up.
        thread::spawn(move || {
            thread::scope(|scope| {
                background.iter().for_each(|part| drop(scope.spawn(|| part.stop())));
                streams.close();
            });
            tracing::info!(service = name, "stopped");
            // Whoever waited may have given up.
            _ = ended.send(());
        });
        end
    }
}
