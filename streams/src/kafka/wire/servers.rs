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
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_silent_is_asked_last_by_all() {
        let servers = Servers::new("a:1, b:1,c:1");
        let others = servers.clone();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(servers.in_turn([]), ["a:1", "b:1", "c:1"]);
        assert_eq!(servers.in_turn(["d:1", "b:1"]), ["d:1", "b:1", "a:1", "c:1"]);
        others.was_silent("a:1", at(1));
        others.was_silent("d:1", at(2));
        assert_eq!(servers.in_turn(["d:1", "b:1"]), ["b:1", "c:1", "a:1", "d:1"]);
        servers.was_silent("b:1", at(3));
        servers.was_silent("c:1", at(4));
        assert_eq!(servers.in_turn([]), ["a:1", "b:1", "c:1"], "the one that was silent first may be back");
        servers.was_silent("a:1", at(5));
        assert_eq!(servers.in_turn([]), ["b:1", "c:1", "a:1"]);
        servers.has_answered("a:1");
        assert_eq!(servers.in_turn([]), ["a:1", "b:1", "c:1"]);
    }

    #[test]
    fn an_attempt_leaves_time_for_the_next() {
        let now = Instant::now();
        let millis = Duration::from_millis;
        for (left, longest, expected) in
            [(2_000, 9_000, 1_000), (2_000, 700, 700), (300, 9_000, 200), (150, 9_000, 150), (0, 9, 0)]
        {
            assert_eq!(share(now, now + millis(left), millis(longest)), now + millis(expected), "{left}");
        }
    }
}
