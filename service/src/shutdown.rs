//! Telling those who wait that the process is about to stop.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use tokio::sync::watch;
use tokio::time::timeout;

/// Whether the process is about to stop. All clones are one; handlers take it as an argument.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(watch::Sender<bool>);

/// Why a wait ended without what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupted {
    /// Its time was over.
    TimedOut,
    /// The process is about to stop.
    Stopping,
}

impl Shutdown {
    /// Says that the process is about to stop: long waits end.
    pub fn request(&self) {
        self.0.send_replace(true);
    }

    /// Returns when the process is about to stop.
    pub async fn requested(&self) {
        // An error would mean that the sender is gone, which `self` holds.
        _ = self.0.subscribe().wait_for(|requested| *requested).await;
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
}
