//! A Kafka to be tested, with its time.

use std::sync::Arc;
use std::time::Duration;

use streams::{ClientError, ClientSupplier, ErrorKind, Timestamp};

/// Longer than anything takes that does not hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a poll may wait on the real Kafka.
pub(crate) const WAIT: Duration = Duration::from_millis(50);

/// How long a transaction may be open in either world.
pub(crate) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a member may go without a poll in either world.
pub(crate) const MAX_POLL_INTERVAL: Duration = Duration::from_secs(6);

/// The in-memory Kafka or the real one, with nothing in it.
pub(crate) trait World {
    fn clients(&self) -> Arc<dyn ClientSupplier>;

    /// The time by which the brokers go.
    fn now(&self) -> Timestamp;

    /// Lets time pass: for what Kafka does only after its time is up.
    fn pass(&self, time: Duration);

    /// Lets happen what happens by itself while somebody waits.
    fn turn(&self);

    /// A compacted topic with one partition, whose tombstones stay for this time after the cleaner has seen them.
    fn create_table(&self, topic: &str, delete_retention: Duration);

    /// Has the cleaner come. What was written last it may leave alone.
    fn clean(&self, topic: &str);
}

/// Asks until there is an answer.
#[track_caller]
pub(crate) fn until<T>(world: &dyn World, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = world.now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(world.now().since(start) < PATIENCE, "waited in vain for {what}");
        world.turn();
    }
}

/// Asks for a time, and never gets an answer.
#[track_caller]
pub(crate) fn never<T: std::fmt::Debug>(world: &dyn World, what: &str, mut ask: impl FnMut() -> Option<T>) {
    let start = world.now();
    while world.now().since(start) < Duration::from_millis(500) {
        if let Some(answer) = ask() {
            panic!("{what}: {answer:?}");
        }
        world.turn();
    }
}

/// Repeats a call as long as Kafka says that it may succeed later.
#[track_caller]
pub(crate) fn retried<T>(
    world: &dyn World,
    what: &str,
    mut call: impl FnMut() -> Result<T, ClientError>,
) -> T {
    until(world, what, || match call() {
        Ok(answer) => Some(answer),
        Err(error) if error.kind == ErrorKind::Retriable => None,
        Err(error) => panic!("{what}: {error}"),
    })
}
