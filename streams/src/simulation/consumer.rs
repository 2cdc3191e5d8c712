//! A member of a consumer group, as the application has it.

use std::sync::Arc;
use std::time::Duration;

use super::cluster::{Cluster, Shared, lock};
use super::fetcher::Fetcher;
use super::membership::{MemberEvent, MemberNews};
use super::refusal::Refusal;
use crate::client::{ClientError, GroupConsumer, GroupEvent, GroupMetadata, Membership};
use crate::record::TopicPartition;

/// A member, by its number.
pub(super) struct Consumer {
    cluster: Shared,
    group: String,
    /// None once it is closed.
    number: Option<u64>,
    fetcher: Fetcher,
}

impl Consumer {
    pub(super) fn new(cluster: Shared, process: Arc<str>, membership: &Membership) -> Self {
        let number = lock(&cluster).add_member(process, membership);
        Self { cluster, group: membership.group.clone(), number: Some(number), fetcher: Fetcher::default() }
    }

    /// Tells of a cluster whether there is anything to be polled now.
    pub(super) fn readiness(&self) -> impl Fn(&Cluster) -> bool + Send + use<> {
        let (number, has_records) = (self.number, self.fetcher.readiness());
        move |cluster| {
            number.is_some_and(|number| match cluster.member_has_news(number) {
                MemberNews::Event => true,
                MemberNews::Records => has_records(cluster),
                MemberNews::Nothing => false,
            })
        }
    }

    fn number(&self) -> Result<u64, ClientError> {
        self.number.ok_or_else(|| Refusal::InvalidArgument.of(format!("use a consumer of {}", self.group)))
    }
}

impl GroupConsumer for Consumer {
    fn subscribe(&mut self, topics: &[Arc<str>]) -> Result<(), ClientError> {
        let number = self.number()?;
        lock(&self.cluster).subscribe(number, topics);
        Ok(())
    }

    fn poll(&mut self, _wait: Duration) -> Result<Option<GroupEvent>, ClientError> {
        let number = self.number()?;
        let mut cluster = lock(&self.cluster);
        match cluster.poll_member(number) {
            (Some(MemberEvent::Assigned(partitions, identification)), _) => {
                Ok(Some(GroupEvent::Assigned(partitions, GroupMetadata(Arc::new(identification)))))
            }
            (Some(MemberEvent::Revoked { lost }), _) => Ok(Some(GroupEvent::Revoked { lost })),
            (None, true) => Ok(self.fetcher.poll(&cluster)?.map(GroupEvent::Record)),
            (None, false) => Ok(None),
        }
    }

    fn assign(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        let number = self.number()?;
        self.fetcher.assign(positions);
        lock(&self.cluster).assigned(number);
        Ok(())
    }

    fn unassign(&mut self) -> Result<(), ClientError> {
        let number = self.number()?;
        self.fetcher.assign(&[]);
        lock(&self.cluster).unassigned(number);
        Ok(())
    }

    fn position(&mut self, partition: &TopicPartition) -> Result<Option<i64>, ClientError> {
        self.number()?;
        Ok(self.fetcher.position(partition))
    }

    fn commit(&mut self, offsets: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        let number = self.number()?;
        let committed = lock(&self.cluster).commit(number, offsets);
        committed.map_err(|refusal| refusal.of(format!("commit offsets of {}", self.group)))
    }

    fn close(&mut self) {
        if let Some(number) = self.number.take() {
            lock(&self.cluster).remove_member(number);
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.close();
    }
}
