//! Telling those who wait that the process is about to stop.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// Whether the process is about to stop. All clones are one; handlers take it as an argument.
#[derive(Clone, Debug)]
pub struct Shutdown {
    requested: watch::Sender<Option<Instant>>,
    busy: watch::Sender<usize>,
    grace: Duration,
    limit: Duration,
}

/// Something that is to come to its end in this process. Over when it is dropped.
#[derive(Debug)]
pub struct Busy(watch::Sender<usize>);

/// Why a wait ended without what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupted {
    /// Its time was over.
    TimedOut,
    /// The process is about to stop.
    Stopping,
}

/// For how long requests are still answered at most when the stop is requested.
const GRACE: Duration = Duration::from_secs(5);

/// Within what a process ends unless it is told otherwise. Orchestrators give it 10 s at least.
const LIMIT: Duration = Duration::from_secs(9);

impl Default for Shutdown {
    fn default() -> Self {
        Self::within(LIMIT)
    }
}

impl Shutdown {
    /// A shutdown that is over when `limit` has passed.
    pub fn within(limit: Duration) -> Self {
        Self { limit, ..Self::with_grace(GRACE.min(limit / 9 * 5)) }
    }

    /// A shutdown that leaves requests this much time.
    pub fn with_grace(grace: Duration) -> Self {
        let (requested, busy) = (watch::Sender::default(), watch::Sender::default());
        Self { requested, busy, grace, limit: LIMIT.max(grace) }
    }

    /// How long all of it may take.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// When so much of the time since the request has passed; from now on, if there was none.
    pub(crate) fn after(&self, passed: Duration) -> Instant {
        self.requested.borrow().unwrap_or_else(Instant::now) + passed
    }

    /// Says that the process is about to stop: long waits end.
    pub fn request(&self) {
        self.requested.send_if_modified(|requested| {
            let is_first = requested.is_none();
            requested.get_or_insert_with(Instant::now);
            is_first
        });
    }

    /// Whether the process is about to stop.
    pub fn is_requested(&self) -> bool {
        self.requested.borrow().is_some()
    }

    /// Returns when the process is about to stop.
    pub async fn requested(&self) {
        // An error would mean that the sender is gone, which `self` holds.
        _ = self.requested.subscribe().wait_for(Option::is_some).await;
    }

    /// Whether requests have to be answered at once.
    pub fn is_grace_over(&self) -> bool {
        self.requested.borrow().is_some_and(|requested| requested.elapsed() >= self.grace)
    }

    /// Returns when requests have to be answered at once.
    pub async fn grace_over(&self) {
        self.requested().await;
        let requested = *self.requested.borrow();
        sleep_until(requested.unwrap_or_else(Instant::now) + self.grace).await;
    }

    /// Something begins that is to come to its end before the process gives its partitions up.
    pub fn busy(&self) -> Busy {
        self.busy.send_modify(|busy| *busy += 1);
        Busy(self.busy.clone())
    }

    /// Returns when nothing is to come to its end any more.
    pub(crate) async fn idle(&self) {
        _ = self.busy.subscribe().wait_for(|busy| *busy == 0).await;
    }

    /// Waits for `future`, for `patience` at most and not beyond the shutdown.
    ///
    /// # Errors
    ///
    /// Which of the two came first. What is there at once is given in any case.
    pub async fn wait<F: Future>(&self, patience: Duration, future: F) -> Result<F::Output, Interrupted> {
        tokio::select! {
            biased;
            result = timeout(patience, future) => result.map_err(|_| Interrupted::TimedOut),
            () = self.requested() => Err(Interrupted::Stopping),
        }
    }

    /// The same for who is told when what they wait for has gone elsewhere: not beyond the grace.
    ///
    /// # Errors
    ///
    /// Which of the two came first. What is there at once is given in any case.
    pub async fn wait_with_grace<F: Future>(
        &self,
        patience: Duration,
        future: F,
    ) -> Result<F::Output, Interrupted> {
        tokio::select! {
            biased;
            result = timeout(patience, future) => result.map_err(|_| Interrupted::TimedOut),
            () = self.grace_over() => Err(Interrupted::Stopping),
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|busy| *busy -= 1);
    }
}

impl FromRequest for Shutdown {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(request.app_data::<Self>().cloned().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn a_wait_ends_with_what_comes_first() {
        let shutdown = Shutdown::default();
        let short = Duration::from_millis(1);
        assert_eq!(shutdown.wait(short, async { 7 }).await, Ok(7));
        assert_eq!(shutdown.wait(short, pending::<()>()).await, Err(Interrupted::TimedOut));
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.wait(Duration::MAX, pending::<()>()).await }
        });
        tokio::task::yield_now().await;
        shutdown.request();
        assert_eq!(waiting.await.unwrap(), Err(Interrupted::Stopping));
        assert_eq!(shutdown.wait(short, pending::<()>()).await, Err(Interrupted::Stopping));
        assert_eq!(shutdown.wait(short, async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn the_grace_begins_with_the_request() {
        let shutdown = Shutdown::with_grace(Duration::from_millis(1));
        let short = Duration::from_millis(1);
        assert_eq!(shutdown.wait_with_grace(short, pending::<()>()).await, Err(Interrupted::TimedOut));
        assert!(!shutdown.is_requested() && !shutdown.is_grace_over());
        shutdown.request();
        shutdown.grace_over().await;
        assert!(shutdown.is_requested() && shutdown.is_grace_over());
        let forever = Duration::from_secs(300);
        assert_eq!(shutdown.wait_with_grace(forever, pending::<()>()).await, Err(Interrupted::Stopping));
    }

    #[tokio::test]
    async fn what_is_begun_is_waited_for() {
        let shutdown = Shutdown::default();
        shutdown.idle().await;
        let (first, second) = (shutdown.busy(), shutdown.clone().busy());
        let mut idle = Box::pin(shutdown.idle());
        assert!(futures::poll!(&mut idle).is_pending());
        drop(first);
        assert!(futures::poll!(&mut idle).is_pending());
        drop(second);
        idle.await;
    }
}
