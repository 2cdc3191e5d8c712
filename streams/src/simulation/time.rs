//! Virtual time: what happens by itself, at the moment at which it is due, in a fixed order.

use std::time::Duration;

use super::cluster::Cluster;
use crate::Timestamp;

impl Cluster {
    /// Lets time pass.
    pub(super) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        loop {
            self.serve();
            match self.due().filter(|due| *due <= end) {
                Some(due) => self.now = self.now.max(due),
                None => break,
            }
        }
        self.now = end;
    }

    pub(super) fn due(&self) -> Option<Timestamp> {
        let groups = self.groups.values().filter_map(|group| group.due());
        groups.chain(self.members_due()).chain([self.next_scan]).min()
    }

    /// What is due now: first the brokers, then the clients.
    fn serve(&mut self) {
        if self.next_scan <= self.now {
            self.next_scan = self.now + self.config.transaction_scan_interval;
            self.abort_timed_out();
        }
        for group in self.groups.values_mut() {
            group.expire(self.now);
        }
        self.serve_members();
    }
}
