//! What can be chosen of a simulated cluster: by the names and with the values of the real one.

use std::time::Duration;

use crate::Timestamp;

/// A simulated cluster, and what its clients are like.
#[derive(Clone, Debug)]
pub struct SimulationConfig {
    /// Where virtual time begins.
    pub start: Timestamp,
    /// How many brokers there are: no topic can have more replicas.
    pub brokers: i32,
    /// After how long without a heartbeat a member of a group is taken for dead.
    pub session_timeout: Duration,
    /// How often a member gives a sign of life; also how soon it learns of a rebalance.
    pub heartbeat_interval: Duration,
    /// After how long without a poll a member leaves its group; also how long a rebalance waits for it.
    pub max_poll_interval: Duration,
    /// After how long the broker aborts a transaction that was left open.
    pub transaction_timeout: Duration,
    /// How often the broker looks for such transactions.
    pub transaction_scan_interval: Duration,
    /// How long a tombstone stays after it was first seen by the cleaner.
    pub delete_retention: Duration,
}

impl Default for SimulationConfig {
    fn default() -> Self {
        Self {
            start: Timestamp::from_millis(1_767_225_600_000),
            brokers: 1,
            session_timeout: Duration::from_secs(6),
            heartbeat_interval: Duration::from_millis(300),
            max_poll_interval: Duration::from_secs(30),
            transaction_timeout: Duration::from_secs(4),
            transaction_scan_interval: Duration::from_millis(500),
            delete_retention: Duration::from_secs(24 * 3600),
        }
    }
}
