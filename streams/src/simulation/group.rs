//! The coordinator of a consumer group: the classic protocol, where everything is given out again at each rebalance.
//!
//! A rebalance begins when a member comes or goes. It waits until all members have joined again, then the
//! generation grows, the leader says who gets what, and the group is stable. Who does not join in time is no
//! member any more. Time and ids come in as arguments.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::offsets::GroupOffsets;
use super::refusal::Refusal;
use crate::Timestamp;
use crate::record::TopicPartition;

#[derive(Debug)]
pub(super) struct Group {
    pub(super) state: GroupState,
    pub(super) generation: i32,
    pub(super) members: BTreeMap<String, GroupMember>,
    pub(super) offsets: GroupOffsets,
    leader: Option<String>,
    times: Times,
}

/// How long the group waits for its members.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) session: Duration,
    pub(super) rebalance: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupState {
    Empty,
    /// Waits for the members to join, until then at the latest.
    PreparingRebalance(Timestamp),
    /// All have joined; the leader has not given out the partitions yet.
    CompletingRebalance,
    Stable,
}

#[derive(Debug)]
pub(super) struct GroupMember {
    pub(super) client_id: String,
    topics: Vec<Arc<str>>,
    /// Whether it waits for the coordinator's answer: to its join, or to its question for its partitions.
    is_waiting: bool,
    expires: Timestamp,
    pub(super) assignment: Vec<TopicPartition>,
}

/// As whom a member of a group speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identification {
    pub(super) group: String,
    pub(super) id: String,
    pub(super) generation: i32,
}

impl Group {
    pub(super) fn new(times: Times) -> Self {
        Self {
            state: GroupState::Empty,
            generation: 0,
            members: BTreeMap::new(),
            offsets: GroupOffsets::default(),
            leader: None,
            times,
        }
    }

    /// A member comes, or comes again for the rebalance.
    pub(super) fn join(&mut self, id: &str, client_id: &str, topics: &[Arc<str>], now: Timestamp) {
        self.leader.get_or_insert_with(|| id.to_string());
        let member = GroupMember {
            client_id: client_id.to_string(),
            topics: topics.to_vec(),
            is_waiting: true,
            expires: now + self.times.session,
            assignment: Vec::new(),
        };
        if !matches!(self.state, GroupState::PreparingRebalance(_)) {
            self.prepare(now);
        }
        self.members.insert(id.to_string(), member);
        self.complete_join(now);
    }

    /// Whether the member has to join (again): it waits for nothing, and a rebalance is on.
    pub(super) fn misses_join(&self, id: &str) -> bool {
        let is_waiting = self.members.get(id).is_some_and(|member| member.is_waiting);
        matches!(self.state, GroupState::PreparingRebalance(_)) && !is_waiting
    }

    /// The member asks for its partitions. Whether it is the leader and has to give them out.
    pub(super) fn sync(&mut self, id: &str) -> bool {
        if let Some(member) = self.members.get_mut(id) {
            member.is_waiting = true;
        }
        self.leader.as_deref() == Some(id)
    }

    /// What the members want, for the leader.
    pub(super) fn subscriptions(&self) -> BTreeMap<String, Vec<Arc<str>>> {
        self.members.iter().map(|(id, member)| (id.clone(), member.topics.clone())).collect()
    }

    /// The leader has given out the partitions.
    pub(super) fn give_out(&mut self, mut assignment: BTreeMap<String, Vec<TopicPartition>>, now: Timestamp) {
        self.state = GroupState::Stable;
        for (id, member) in &mut self.members {
            member.assignment = assignment.remove(id).unwrap_or_default();
            member.is_waiting = false;
            member.expires = now + self.times.session;
        }
    }

    pub(super) fn heartbeat(&mut self, id: &str, generation: i32, now: Timestamp) -> Result<(), Refusal> {
        self.check(id, generation)?;
        if let Some(member) = self.members.get_mut(id) {
            member.expires = now + self.times.session;
        }
        match self.state {
            GroupState::PreparingRebalance(_) => Err(Refusal::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Whether a member may commit.
    pub(super) fn check(&self, id: &str, generation: i32) -> Result<(), Refusal> {
        if !self.members.contains_key(id) {
            return Err(Refusal::UnknownMemberId);
        }
        if generation != self.generation {
            return Err(Refusal::IllegalGeneration);
        }
        Ok(())
    }

    pub(super) fn leave(&mut self, id: &str, now: Timestamp) {
        if self.members.remove(id).is_some() {
            self.have_gone(now);
        }
    }

    /// When somebody's time is up.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let silent = self.members.values().filter(|member| !member.is_waiting);
        let expires = silent.map(|member| member.expires).min();
        match self.state {
            GroupState::PreparingRebalance(deadline) => Some(expires.map_or(deadline, |at| at.min(deadline))),
            _ => expires,
        }
    }

    /// Removes those whose time is up.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let is_over = matches!(self.state, GroupState::PreparingRebalance(deadline) if deadline <= now);
        let before = self.members.len();
        self.members.retain(|_, member| member.is_waiting || (!is_over && member.expires > now));
        if self.members.len() < before {
            self.have_gone(now);
        }
    }

    fn have_gone(&mut self, now: Timestamp) {
        let is_gone = |leader: &String| !self.members.contains_key(leader);
        if self.leader.as_ref().is_some_and(is_gone) {
            // As in Kafka: one that has joined already, if there is one.
            let joined = self.members.iter().find(|(_, member)| member.is_waiting);
            self.leader = joined.or(self.members.iter().next()).map(|(id, _)| id.clone());
        }
        if !matches!(self.state, GroupState::PreparingRebalance(_)) {
            self.prepare(now);
        }
        self.complete_join(now);
    }

    fn prepare(&mut self, now: Timestamp) {
        self.state = GroupState::PreparingRebalance(now + self.times.rebalance);
        for member in self.members.values_mut().filter(|member| member.is_waiting) {
            // Its question for its partitions is answered: it has to join again.
            member.is_waiting = false;
            member.expires = now + self.times.session;
        }
    }

    fn complete_join(&mut self, now: Timestamp) {
        if self.members.values().any(|member| !member.is_waiting) {
            return;
        }
        self.generation += 1;
        self.state =
            if self.members.is_empty() { GroupState::Empty } else { GroupState::CompletingRebalance };
        for member in self.members.values_mut() {
            member.is_waiting = false;
            member.expires = now + self.times.session;
        }
    }
}
