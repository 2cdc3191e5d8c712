//! Whom to ask for what all brokers of a cluster know: who leads a partition, who coordinates a group.
//!
//! All clients of a process share what they have found out: a server that has left one of them without an answer is
//! asked last by all of them, and however long it takes, time is left for the next one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One server is given no less than this, as far as there is so much time.
const LEAST: Duration = Duration::from_millis(200);
/// So many silent servers are remembered.
const MANY: usize = 1_000;

/// The servers that a cluster is reached by.
#[derive(Clone, Debug)]
pub(in crate::kafka) struct Servers {
    bootstrap: Vec<String>,
    /// When each of them has left somebody without an answer, those that have answered since left out.
    silent: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Servers {
    /// Those at `bootstrap`: `host:port`, separated by commas.
    pub(in crate::kafka) fn new(bootstrap: &str) -> Self {
        let bootstrap = bootstrap.split(',').map(|address| address.trim().to_string()).collect();
        Self { bootstrap, silent: Arc::default() }
    }

    /// In which order to ask: those that the cluster itself has told of, then those named at the beginning; but whoever
    /// has not answered comes behind all who have, the last to be silent last.
    pub(super) fn in_turn<'a>(&'a self, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut servers: Vec<String> = Vec::new();
        for server in known.into_iter().chain(self.bootstrap.iter().map(String::as_str)) {
            if !servers.iter().any(|earlier| earlier == server) {
                servers.push(server.to_string());
            }
        }
        let silent = self.silent();
        servers.sort_by_key(|server| silent.get(server).copied());
        servers
    }

    /// A server has not answered, or could not be reached.
    pub(super) fn was_silent(&self, server: &str, now: Instant) {
        let mut silent = self.silent();
        if silent.len() >= MANY {
            silent.clear();
        }
        silent.insert(server.to_string(), now);
    }

    pub(super) fn has_answered(&self, server: &str) {
        self.silent().remove(server);
    }

    fn silent(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until when one attempt may take, when there can be others: half of the time that is left, `longest` at most.
pub(super) fn share(now: Instant, deadline: Instant, longest: Duration) -> Instant {
    let left = deadline.saturating_duration_since(now);
    now + (left / 2).max(LEAST).min(longest).min(left)
}

#[cfg(test)]
mod tests;
