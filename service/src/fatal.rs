//! Noticing that a service will never run.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::observed::Observed;

/// A service and why it cannot run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fatal {
    pub(crate) service: &'static str,
    pub(crate) reason: String,
}

/// Returns when one of `services` cannot run. Looks from time to time: nobody waits for it.
pub(crate) async fn first_fatal(services: &[Observed]) -> Fatal {
    let mut ticks = interval(Duration::from_millis(100));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let fatal =
            |service: &Observed| service.fatal().map(|reason| Fatal { service: service.name, reason });
        if let Some(fatal) = services.iter().find_map(fatal) {
            return fatal;
        }
    }
}
