//! Has a call answered by the instance that can.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::http::header::HeaderValue;
use actix_web::web::{Data, ServiceConfig};
use tokio::time::{sleep, timeout};

use super::call::Call;
use super::directory::{Directory, Peer, Whereabouts};
use super::forwarder::{Forwarded, Forwarder};
use super::headers::Identity;
use super::step::{Situation, Step, next_step};
use crate::background::Background;
use crate::problem::{Kind, Problem};

/// Knows where the keys of a service are, and has calls answered there. Cheap to clone.
#[derive(Clone)]
pub struct Router(Arc<Parts>);

struct Parts {
    directory: Arc<dyn Directory>,
    forwarder: Forwarder,
    instance: String,
    identity: Data<Identity>,
    forwarded: AtomicU64,
    rerouted: AtomicU64,
    refused: AtomicU64,
}

/// How far a call has come.
struct Way {
    /// What was carried out, in the words of the service.
    progress: Option<String>,
    /// Who could not answer when they were asked last.
    wrong: Option<Peer>,
    /// Whether the owner was asked for since something turned out to be wrong.
    is_fresh: bool,
    /// Whether something was tried.
    is_under_way: bool,
    /// How long to wait next time.
    pause: Duration,
}

type Answer = Result<HttpResponse, Problem>;

/// The pauses between attempts when nothing is known to have changed: the first one and the longest one.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// How long a call without time of its own may look for an owner that answers.
const ROUTE_WITHIN: Duration = Duration::from_secs(1);

/// How much later than the call's own time the other one may answer.
const SLACK: Duration = Duration::from_secs(2);

impl Router {
    /// Routes the calls to the instance `instance`.
    pub fn new(directory: Arc<dyn Directory>, instance: &str) -> Self {
        Self::with(directory, instance, Forwarder::default())
    }

    pub(crate) fn with(directory: Arc<dyn Directory>, instance: &str, forwarder: Forwarder) -> Self {
        // An instance's name has no other letters than a header may have.
        let identity = HeaderValue::from_str(instance).unwrap_or_else(|_| HeaderValue::from_static(""));
        Self(Arc::new(Parts {
            directory,
            forwarder,
            instance: instance.to_owned(),
            identity: Data::new(Identity(identity)),
            forwarded: AtomicU64::new(0),
            rerouted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }))
    }

    /// Lets the server tell who it is. For the routes whose calls are routed.
    pub fn register(&self, config: &mut ServiceConfig) {
        config.app_data(self.0.identity.clone());
    }

    /// Answers `call`, whose key is in `partition`, by `here` if that is here, and else by the instance where it is.
    /// `here` is told how far an earlier attempt has come, and may be called again: whenever it ends with
    /// [`Kind::NotMine`].
    ///
    /// # Errors
    ///
    /// What `here` says; 503 if no instance can answer within `patience` from when the call came.
    pub async fn answer(
        &self,
        call: &Call,
        partition: i32,
        patience: Duration,
        here: impl AsyncFn(Option<String>) -> Result<HttpResponse, Problem>,
    ) -> Result<HttpResponse, Problem> {
        let mut way = Way { progress: call.progress.clone(), ..Way::default() };
        loop {
            let whereabouts = self.0.directory.locate(partition);
            let answer = match self.step(call, patience, &whereabouts, &way) {
                Step::Answer => self.answer_here(partition, &here, &mut way).await,
                // Apart, so that who waits here does not make room for it.
                Step::Forward(peer) => {
                    Box::pin(self.forward(call, partition, patience, peer, &mut way)).await
                }
                Step::Ask => self.ask(&mut way).await,
                Step::Wait => self.wait(call, partition, patience, &whereabouts, &mut way).await,
                Step::Refuse => Some(self.refuse(call, partition, &mut way)),
            };
            if let Some(answer) = answer {
                return answer;
            }
            way.is_under_way = true;
        }
    }

    fn step<'a>(&self, call: &Call, patience: Duration, whereabouts: &'a Whereabouts, way: &Way) -> Step<'a> {
        let may_go_on = !way.is_under_way || !call.time_left(patience.max(ROUTE_WITHIN)).is_zero();
        if !may_go_on || call.shutdown.is_grace_over() {
            return Step::Refuse;
        }
        next_step(Situation {
            whereabouts,
            is_fresh: way.is_fresh,
            wrong: way.wrong.as_ref(),
            is_forwarded: call.is_forwarded,
            has_time: !call.time_left(patience).is_zero(),
            is_stopping: call.shutdown.is_requested(),
        })
    }

    async fn answer_here(
        &self,
        partition: i32,
        here: &impl AsyncFn(Option<String>) -> Result<HttpResponse, Problem>,
        way: &mut Way,
    ) -> Option<Answer> {
        match here(way.progress.clone()).await {
            Err(problem) if problem.kind() == Kind::NotMine => {
                way.turned_out_wrong(None, problem.progress().map(str::to_owned));
            }
            answer => return Some(answer),
        }
        if self.0.directory.locate(partition) == Whereabouts::Here {
            // It came back at once, or never went: not to be asked in a loop.
            sleep(PAUSES[0]).await;
        }
        None
    }

    async fn forward(
        &self,
        call: &Call,
        partition: i32,
        patience: Duration,
        peer: &Peer,
        way: &mut Way,
    ) -> Option<Answer> {
        count(&self.0.forwarded);
        let Parts { forwarder, instance, .. } = &*self.0;
        let within = call.time_left(patience.max(ROUTE_WITHIN)) + SLACK;
        let forwarded = tokio::select! {
            forwarded = forwarder.forward(call, way.progress.as_deref(), instance, peer, within) => forwarded,
            () = self.goes_elsewhere(partition, peer) => not_there("its partition has gone elsewhere"),
            () = call.shutdown.grace_over() => not_there("this instance has to stop"),
        };
        match forwarded {
            Forwarded::Answer(answer) => Some(Ok(answer)),
            Forwarded::NotThere { reason, progress } => {
                tracing::debug!(partition, to = %peer.url, %reason, "a call is routed anew");
                count(&self.0.rerouted);
                way.turned_out_wrong(Some(peer.clone()), progress);
                None
            }
        }
    }

    async fn ask(&self, way: &mut Way) -> Option<Answer> {
        drop(timeout(ROUTE_WITHIN, self.0.directory.refresh()).await);
        way.is_fresh = true;
        None
    }

    fn refuse(&self, call: &Call, partition: i32, way: &mut Way) -> Answer {
        count(&self.0.refused);
        Err(match call.is_forwarded {
            true => {
                let detail = format!("partition {partition} is not served by this instance now");
                Problem::not_mine(detail, way.progress.take())
            }
            false => Problem::unavailable("no instance answers for this key at the moment"),
        })
    }

    /// Ready when another one than `peer` has the partition: whoever had it and has not answered will not answer.
    async fn goes_elsewhere(&self, partition: i32, peer: &Peer) {
        loop {
            let changed = self.0.directory.changed();
            match self.0.directory.locate(partition) {
                Whereabouts::At(owner) if owner == *peer => {}
                // It may be about to say how far it has come.
                Whereabouts::Nowhere | Whereabouts::Deserted => {}
                Whereabouts::Here | Whereabouts::HereNotReady | Whereabouts::At(_) => return,
            }
            changed.await;
        }
    }

    /// Until the partition is somewhere else. From time to time it is looked whether something has changed of which
    /// nobody tells: this instance may be no member of the group.
    async fn wait(
        &self,
        call: &Call,
        partition: i32,
        patience: Duration,
        whereabouts: &Whereabouts,
        way: &mut Way,
    ) -> Option<Answer> {
        let pause = way.pause.min(call.time_left(patience));
        way.pause = PAUSES[1].min(way.pause * 2);
        way.wrong = None;
        // Before the look, so that no change falls between the two.
        let changed = self.0.directory.changed();
        if self.0.directory.locate(partition) != *whereabouts {
            return None;
        }
        tokio::select! {
            () = changed => {}
            () = call.shutdown.grace_over() => {}
            () = sleep(pause) => drop(timeout(ROUTE_WITHIN, self.0.directory.refresh()).await),
        }
        None
    }
}

impl Default for Way {
    fn default() -> Self {
        Self { progress: None, wrong: None, is_fresh: false, is_under_way: false, pause: PAUSES[0] }
    }
}

impl Way {
    fn turned_out_wrong(&mut self, peer: Option<Peer>, progress: Option<String>) {
        self.wrong = peer;
        self.is_fresh = false;
        self.progress = progress.or(self.progress.take());
    }
}

impl Background for Router {
    fn counters(&self) -> BTreeMap<&'static str, u64> {
        let counters = [
            ("forwarded_calls", &self.0.forwarded),
            ("rerouted_calls", &self.0.rerouted),
            ("calls_without_owner", &self.0.refused),
        ];
        counters.map(|(name, counter)| (name, counter.load(Ordering::Relaxed))).into()
    }

    /// It has no threads.
    fn request_stop(&self, _: Instant) {}

    fn stop(&self) {}
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn not_there(reason: &str) -> Forwarded {
    Forwarded::NotThere { reason: reason.to_owned(), progress: None }
}
