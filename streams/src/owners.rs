//! On which instance each partition of an application is.
//!
//! Kafka Streams spreads this by the group's rebalances (`application.server`, `queryMetadataForKey`). Here the group
//! is asked: a member's client id carries the address at which it answers, its assignment says what it has. It is
//! asked at each assignment of this instance, which comes with each rebalance of the group, and when somebody finds
//! that what is known is wrong.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::debug;

use crate::application::Application;
use crate::client::{Admin, ClientError, ClientSupplier, GroupMember};
use crate::guard::guarded;
use crate::inquiry::{Inquiry, Membership};
use crate::readers::Readers;

/// Tells where the partitions of an application are. Cheap to clone.
#[derive(Clone)]
pub struct Owners(Arc<Known>);

/// Where a partition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// On this instance, which can answer for it now.
    Here,
    /// On this instance, which cannot answer for it: its state is being restored, or it has slept, or this is what
    /// the group knows of the instance that ran in this one's place before.
    HereNotReady,
    /// On the instance with this client id.
    Elsewhere(Arc<str>),
    /// On none: the group is giving its partitions out.
    Nobody,
    /// On none, and there is no member that could take it, as far as is known: maybe the group was not asked yet.
    Deserted,
}

struct Known {
    readers: Arc<Readers>,
    inquiry: Arc<Inquiry>,
    client_id: String,
    members: watch::Receiver<Membership>,
}

impl Owners {
    pub(crate) fn start(application: &Application) -> std::io::Result<Self> {
        let inquiry = application.inquiry.clone();
        let owners = Self(Arc::new(Known {
            readers: application.readers.clone(),
            client_id: application.client_id.clone(),
            members: inquiry.answers(),
            inquiry: inquiry.clone(),
        }));
        let (group, host) = (application.topology.application.clone(), application.host.clone());
        let mut questioner = questioner(group.clone(), application.clients.clone());
        let health = application.health.clone();
        let read = move || guarded(&health, WHO, &mut questioner).flatten();
        let serve = move || inquiry.serve(&*host, INTERVAL, read);
        // It ends when the last of the owners is gone; nobody waits for it.
        drop(application.host.spawn(format!("{group}-owners"), Box::new(serve))?);
        Ok(owners)
    }

    /// Where a partition is, as far as is known.
    pub fn of(&self, partition: i32) -> Owner {
        if self.0.readers.serves(partition) {
            return Owner::Here;
        }
        let topics = self.0.readers.topology.source_topics().map(|topic| topic.name.as_ref());
        let topics: Vec<&str> = topics.collect();
        let members = self.0.members.borrow();
        match owner(&members, &topics, partition) {
            Some(owner) if *owner == *self.0.client_id => Owner::HereNotReady,
            Some(owner) => Owner::Elsewhere(owner.into()),
            None if members.is_empty() => Owner::Deserted,
            None => Owner::Nobody,
        }
    }

    /// Returns when the group was asked anew, whether or not it has answered. However many call this, one asks at a
    /// time, and seldom.
    pub fn refresh(&self) -> impl Future<Output = ()> + Send + 'static {
        let (question, known) = (self.0.inquiry.ask(), self.0.clone());
        async move { known.inquiry.answered(question).await }
    }

    /// Returns when the owner of some partition has changed since this call, as far as is known here.
    pub fn changed(&self) -> impl Future<Output = ()> + Send + 'static {
        let (mut placements, mut members) = (self.0.readers.placements(), self.0.inquiry.answers());
        // They are held by the future, and with them what they watch.
        let held = self.0.clone();
        async move {
            tokio::select! {
                _ = placements.changed() => {}
                _ = members.changed() => {}
            }
            drop(held);
        }
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        self.inquiry.end();
    }
}

const WHO: &str = "owners";
/// Between two questions. A rebalance takes longer.
const INTERVAL: Duration = Duration::from_millis(50);

/// Asks the group: its members, if it answers.
fn questioner(group: Arc<str>, clients: Arc<dyn ClientSupplier>) -> impl FnMut() -> Option<Vec<GroupMember>> {
    let mut admin = None;
    move || match ask(&mut admin, &group, &*clients) {
        Ok(members) => Some(members),
        Err(error) => {
            debug!(group = &*group, %error, "what is known of the owners stays");
            None
        }
    }
}

fn ask(
    admin: &mut Option<Box<dyn Admin>>,
    group: &str,
    clients: &dyn ClientSupplier,
) -> Result<Vec<GroupMember>, ClientError> {
    let admin = match admin {
        Some(admin) => admin,
        None => admin.insert(clients.admin()?),
    };
    admin.members(group)
}

/// Who has the partition of all topics: who has it of some cannot run its task.
fn owner<'a>(members: &'a [GroupMember], topics: &[&str], partition: i32) -> Option<&'a str> {
    let has = |member: &GroupMember, topic: &str| {
        member.partitions.iter().any(|own| own.partition == partition && *own.topic == *topic)
    };
    let owns = |member: &&GroupMember| !topics.is_empty() && topics.iter().all(|topic| has(member, topic));
    members.iter().find(owns).map(|member| member.client_id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::TopicPartition;

    #[test]
    fn the_owner_has_the_partition_of_every_topic() {
        let member = |client_id: &str, partitions: &[(&str, i32)]| GroupMember {
            client_id: client_id.into(),
            partitions: partitions.iter().map(|(topic, p)| TopicPartition::new(*topic, *p)).collect(),
        };
        let members = [
            member("idle", &[]),
            member("a", &[("in", 0), ("more", 0), ("in", 1)]),
            member("b", &[("more", 1), ("in", 2), ("more", 2), ("other", 3)]),
        ];
        for (topics, partition, expected) in [
            (&["in", "more"][..], 0, Some("a")),
            (&["in", "more"], 1, None),
            (&["in", "more"], 2, Some("b")),
            (&["in"], 1, Some("a")),
            (&["in"], 3, None),
            (&["in"], -1, None),
            (&[], 0, None),
        ] {
            assert_eq!(owner(&members, topics, partition), expected, "{topics:?} {partition}");
        }
    }
}
