//! The client's side of a membership: what librdkafka's own thread does for a member, as long as its process runs.
//!
//! It joins, asks for the partitions, gives signs of life, and tells the application of rebalances: by an event,
//! whose answer (`assign`, `unassign`) it waits for before it goes on.

use std::collections::VecDeque;
use std::sync::Arc;

use super::cluster::Cluster;
use super::group::{Group, GroupState, Identification, Times};
use super::refusal::Refusal;
use crate::Timestamp;
use crate::client::Membership;
use crate::range_assignor;
use crate::record::TopicPartition;

#[derive(Debug)]
pub(super) struct Member {
    pub(super) process: Arc<str>,
    membership: Membership,
    topics: Vec<Arc<str>>,
    phase: Phase,
    /// As whom it is known to the coordinator.
    known_as: Option<Identification>,
    events: VecDeque<MemberEvent>,
    is_lost: bool,
    last_poll: Timestamp,
    has_missed_poll: bool,
    next_heartbeat: Timestamp,
    /// When the coordinator was last heard.
    last_answer: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Unsubscribed,
    /// Is to join when the application polls and the process runs.
    Rejoining,
    /// Has joined, and waits for its partitions.
    Joining,
    AwaitsAssign,
    Steady,
    AwaitsUnassign,
}

#[derive(Debug)]
pub(super) enum MemberEvent {
    Assigned(Vec<TopicPartition>, Identification),
    Revoked { lost: bool },
}

/// What a poll would be about.
pub(super) enum MemberNews {
    /// An event of the group.
    Event,
    /// The records of its partitions, if there are any.
    Records,
    Nothing,
}

impl Cluster {
    pub(super) fn add_member(&mut self, process: Arc<str>, membership: &Membership) -> u64 {
        self.members_made += 1;
        let member = Member {
            process,
            membership: membership.clone(),
            topics: Vec::new(),
            phase: Phase::Unsubscribed,
            known_as: None,
            events: VecDeque::new(),
            is_lost: false,
            last_poll: self.now,
            has_missed_poll: false,
            next_heartbeat: self.now,
            last_answer: self.now,
        };
        self.members.insert(self.members_made, member);
        self.members_made
    }

    /// The member is gone. A process that stands still cannot say goodbye.
    pub(super) fn remove_member(&mut self, number: u64) {
        self.leave(number);
        self.members.remove(&number);
    }

    pub(super) fn subscribe(&mut self, number: u64, topics: &[Arc<str>]) {
        self.news += 1;
        let now = self.now;
        self.with(number, |member| {
            member.topics = topics.to_vec();
            member.phase = Phase::Rejoining;
            member.last_poll = now;
        });
    }

    /// The application polls: the next event, and else whether it may be given records.
    pub(super) fn poll_member(&mut self, number: u64) -> (Option<MemberEvent>, bool) {
        let now = self.now;
        self.with(number, |member| {
            member.last_poll = now;
            member.has_missed_poll = false;
        });
        let Some(member) = self.members.get_mut(&number) else { return (None, false) };
        let is_fetching = member.phase == Phase::Steady && !self.cut_off.contains(&member.process);
        (member.events.pop_front(), is_fetching)
    }

    /// What a poll of the application would be about.
    pub(super) fn member_has_news(&self, number: u64) -> MemberNews {
        match self.members.get(&number) {
            Some(member) if !member.events.is_empty() => MemberNews::Event,
            Some(member) if self.cut_off.contains(&member.process) => MemberNews::Nothing,
            Some(member) if member.phase == Phase::Steady => MemberNews::Records,
            _ => MemberNews::Nothing,
        }
    }

    /// The application has taken its partitions.
    pub(super) fn assigned(&mut self, number: u64) {
        self.news += 1;
        self.with(number, |member| {
            if member.phase == Phase::AwaitsAssign {
                member.phase = Phase::Steady;
            }
        });
    }

    /// The application has given its partitions up.
    pub(super) fn unassigned(&mut self, number: u64) {
        self.news += 1;
        self.with(number, |member| {
            if member.phase == Phase::AwaitsUnassign {
                member.phase = Phase::Rejoining;
                member.is_lost = false;
            }
        });
    }

    /// Commits offsets outside of a transaction.
    pub(super) fn commit(&mut self, number: u64, offsets: &[(TopicPartition, i64)]) -> Result<(), Refusal> {
        let member = self.members.get(&number).ok_or(Refusal::InvalidArgument)?;
        if member.is_lost {
            return Err(Refusal::AssignmentLost);
        }
        let known = member.known_as.as_ref().ok_or(Refusal::UnknownMemberId)?;
        let group = self.groups.get_mut(&known.group).ok_or(Refusal::UnknownMemberId)?;
        group.check(&known.id, known.generation)?;
        if group.state == GroupState::CompletingRebalance {
            return Err(Refusal::RebalanceInProgress);
        }
        group.offsets.commit(offsets);
        Ok(())
    }

    /// When a member's own thread has something to do next.
    pub(super) fn members_due(&self) -> Option<Timestamp> {
        self.running_members().filter_map(|number| self.member_due(number)).min()
    }

    /// What the members' threads do at this moment.
    pub(super) fn serve_members(&mut self) {
        let running: Vec<u64> = self.running_members().collect();
        for number in running {
            self.miss_poll(number);
            self.heartbeat(number);
        }
        self.settle();
    }

    /// A process goes on: the first thing that its members do is to ask where they are.
    pub(super) fn wake_members(&mut self, process: &str) {
        let now = self.now;
        for member in self.members.values_mut().filter(|member| &*member.process == process) {
            member.next_heartbeat = now;
        }
    }

    /// Lets the members' threads go on until each waits for something else.
    pub(super) fn settle(&mut self) {
        let running: Vec<u64> = self.running_members().collect();
        while running.iter().any(|number| self.turn(*number)) {}
    }

    fn with(&mut self, number: u64, change: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.get_mut(&number) {
            change(member);
        }
        self.settle();
    }

    fn running_members(&self) -> impl Iterator<Item = u64> {
        let is_running = |member: &Member| !self.paused.contains(&member.process);
        self.members.iter().filter(move |(_, member)| is_running(member)).map(|(number, _)| *number)
    }

    fn member_due(&self, number: u64) -> Option<Timestamp> {
        let member = self.members.get(&number).filter(|member| member.phase != Phase::Unsubscribed)?;
        let poll = (!member.has_missed_poll).then(|| member.last_poll + self.config.max_poll_interval);
        let heartbeat = member.gives_signs_of_life().then_some(member.next_heartbeat);
        poll.into_iter().chain(heartbeat).min()
    }

    /// One step of a member's thread towards its partitions. Whether there was one to take.
    fn turn(&mut self, number: u64) -> bool {
        let Some(member) = self.members.get(&number) else { return false };
        if self.cut_off.contains(&member.process) {
            return false;
        }
        match member.phase {
            Phase::Rejoining if !member.has_missed_poll => {
                self.join(number);
                true
            }
            Phase::Joining => self.pursue_join(number),
            _ => false,
        }
    }

    fn join(&mut self, number: u64) {
        let Some(member) = self.members.get_mut(&number) else { return };
        let times = Times { session: self.config.session_timeout, rebalance: self.config.max_poll_interval };
        let group = self.groups.entry(member.membership.group.clone()).or_insert_with(|| Group::new(times));
        let known = member.known_as.take().filter(|known| group.members.contains_key(&known.id));
        let id = known.map_or_else(
            || {
                self.members_made += 1;
                format!("{}-{:08}", member.membership.client_id, self.members_made)
            },
            |known| known.id,
        );
        group.join(&id, &member.membership.client_id, &member.topics, self.now);
        member.known_as =
            Some(Identification { group: member.membership.group.clone(), id, generation: group.generation });
        member.phase = Phase::Joining;
    }

    fn pursue_join(&mut self, number: u64) -> bool {
        let Some(member) = self.members.get_mut(&number) else { return false };
        let group = self.groups.get_mut(&member.membership.group);
        let (Some(known), Some(group)) = (&mut member.known_as, group) else { return false };
        let Some(owned) = group.members.get(&known.id).map(|member| member.assignment.clone()) else {
            member.known_as = None;
            member.phase = Phase::Rejoining;
            return true;
        };
        match group.state {
            GroupState::PreparingRebalance(_) if group.misses_join(&known.id) => {
                member.phase = Phase::Rejoining;
                true
            }
            GroupState::CompletingRebalance => {
                if !group.sync(&known.id) {
                    return false;
                }
                let wanted = group.subscriptions();
                let topics = &self.topics;
                let partitions = |topic: &str| topics.get(topic).map_or(0, |topic| topic.partitions.len());
                group.give_out(range_assignor::assign(&wanted, partitions), self.now);
                true
            }
            GroupState::Stable => {
                known.generation = group.generation;
                member.events.push_back(MemberEvent::Assigned(owned, known.clone()));
                self.news += 1;
                member.phase = Phase::AwaitsAssign;
                member.last_answer = self.now;
                member.next_heartbeat = self.now + self.config.heartbeat_interval;
                true
            }
            GroupState::PreparingRebalance(_) | GroupState::Empty => false,
        }
    }

    fn heartbeat(&mut self, number: u64) {
        let Some(member) = self.members.get_mut(&number) else { return };
        if !member.gives_signs_of_life() || member.next_heartbeat > self.now {
            return;
        }
        member.next_heartbeat = self.now + self.config.heartbeat_interval;
        if self.cut_off.contains(&member.process) {
            if self.now.since(member.last_answer) >= self.config.session_timeout {
                member.known_as = None;
                member.revoke(true);
                self.news += 1;
            }
            return;
        }
        member.last_answer = self.now;
        let answer = match &member.known_as {
            Some(known) => match self.groups.get_mut(&known.group) {
                Some(group) => group.heartbeat(&known.id, known.generation, self.now),
                None => Err(Refusal::UnknownMemberId),
            },
            None => Err(Refusal::UnknownMemberId),
        };
        match answer {
            Ok(()) => {}
            Err(Refusal::RebalanceInProgress) => {
                member.revoke(false);
                self.news += 1;
            }
            Err(_) => {
                member.known_as = None;
                member.revoke(true);
                self.news += 1;
            }
        }
    }

    /// A member whose application does not poll leaves its group.
    fn miss_poll(&mut self, number: u64) {
        let (now, interval) = (self.now, self.config.max_poll_interval);
        let Some(member) = self.members.get_mut(&number) else { return };
        let is_idle = member.phase == Phase::Unsubscribed || member.has_missed_poll;
        if is_idle || now < member.last_poll + interval {
            return;
        }
        member.has_missed_poll = true;
        if member.phase == Phase::Joining {
            member.phase = Phase::Rejoining;
        }
        member.revoke(true);
        self.news += 1;
        self.leave(number);
    }

    fn leave(&mut self, number: u64) {
        let now = self.now;
        let Some(member) = self.members.get_mut(&number) else { return };
        // Who stands still or is cut off cannot say goodbye.
        if self.paused.contains(&member.process) || self.cut_off.contains(&member.process) {
            return;
        }
        if let Some(known) = member.known_as.take()
            && let Some(group) = self.groups.get_mut(&known.group)
        {
            group.leave(&known.id, now);
        }
    }
}

impl Member {
    fn gives_signs_of_life(&self) -> bool {
        matches!(self.phase, Phase::AwaitsAssign | Phase::Steady | Phase::AwaitsUnassign)
    }

    /// Tells the application, unless it is about to answer an earlier event.
    fn revoke(&mut self, lost: bool) {
        if self.phase == Phase::Steady {
            self.phase = Phase::AwaitsUnassign;
            self.is_lost = lost;
            self.events.push_back(MemberEvent::Revoked { lost });
        }
    }
}
