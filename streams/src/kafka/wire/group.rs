//! The life of a member of a consumer group, on a thread of its own: it joins, gives signs of life, tells the worker of
//! rebalances, and leaves. The classic protocol, where everything is given out anew at each rebalance.
//!
//! - What the worker is told, and what it answers, goes through [`Shared`]; signs of life go on until it answers.
//! - The group is joined again only when the worker has given up what it had.
//! - A worker that does not poll for too long is no member: the group is left until it polls again.
//! - However it ends, the group is left, on a connection of its own where the broker is still busy with another call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use kafka_protocol::error::{ParseResponseErrorCode, ResponseError};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, MetadataRequest,
    SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::{Request, StrBytes};

use super::Generation;
use super::coordinator::{CallError, Coordinator, Patience, is_elsewhere};
use super::link::Alarm;
use super::rebalance::{Fate, Shared};
use super::subscription;
use crate::client::{ClientError, ErrorKind};
use crate::kafka::assignment;
use crate::kafka::error::kind_of_refusal;
use crate::range_assignor;

const PROTOCOL_TYPE: StrBytes = StrBytes::from_static_str("consumer");
/// Gives the same partition of all topics to one member.
const PROTOCOL: StrBytes = StrBytes::from_static_str("range");

/// How much longer than the group waits for its members a call may take.
const SLACK: Duration = Duration::from_secs(5);
/// How long leaving may take, and what has to be known before.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often the leader looks whether topics have grown.
const WATCH_INTERVAL: Duration = Duration::from_secs(60);
/// The same, while topics are missing.
const MISSING_INTERVAL: Duration = Duration::from_secs(1);
/// How often the leader looks for a missing topic before it goes on without: a new one reaches the brokers one by one.
const LOOKS: usize = 10;
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
const MIN_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// After so many calls that came to nothing the pauses grow: a coordinator that is being loaded is there in a moment.
const SOON: u32 = 8;

/// How a member takes part in its group.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// The group's name on the cluster.
    pub(super) group: StrBytes,
    pub(super) session_timeout: Duration,
    pub(super) heartbeat_interval: Duration,
    pub(super) max_poll_interval: Duration,
}

/// Runs a member until it is closed. Nobody sends anything: the channel ends with the thread.
pub(super) fn spawn(
    terms: Terms,
    coordinator: Coordinator,
    shared: Arc<Shared>,
    alarm: Alarm,
) -> std::io::Result<mpsc::Receiver<()>> {
    let (running, ended) = mpsc::channel();
    let run = move || {
        let _running = running;
        Group { terms, coordinator, shared, alarm, member: None, failures: 0, is_outage_told: false }.run();
    };
    thread::Builder::new().name("kafka-group".to_string()).spawn(run)?;
    Ok(ended)
}

struct Group {
    terms: Terms,
    coordinator: Coordinator,
    shared: Arc<Shared>,
    alarm: Alarm,
    /// As whom the coordinator knows it.
    member: Option<StrBytes>,
    /// Calls in a row that came to nothing.
    failures: u32,
    is_outage_told: bool,
}

/// A membership that has just begun.
struct Joined {
    generation: Arc<Generation>,
    partitions: Vec<(String, i32)>,
    /// The number of the subscription it joined with.
    subscription: u64,
    /// How many partitions the topics had, if it is the leader.
    counts: Option<BTreeMap<Arc<str>, usize>>,
}

impl Group {
    fn run(&mut self) {
        while !self.shared.is_closing() {
            if self.shared.has_missed_poll() {
                self.leave();
                self.alarm.wait([], Instant::now() + Duration::from_secs(3600));
                continue;
            }
            match self.join() {
                Ok(Some(joined)) => {
                    self.succeeded();
                    self.stay(joined);
                }
                Ok(None) | Err(CallError::Interrupted) => {}
                Err(error) => {
                    self.cope("join", &error);
                    self.rest_until(Instant::now() + self.pause());
                }
            }
        }
        self.leave();
    }

    // ---- joining ----

    /// Joins, and asks for the partitions. None when the group has gone on meanwhile.
    fn join(&mut self) -> Result<Option<Joined>, CallError> {
        let (topics, subscription) = self.shared.subscription();
        let joined = self.send_join(&topics)?;
        if let Some(error) = joined.error_code.err() {
            return self.join_refused(error, joined.member_id);
        }
        self.member = Some(joined.member_id.clone());
        let is_leader = joined.leader == joined.member_id;
        let (assignments, counts) =
            if is_leader { self.give_out(joined.members)? } else { Default::default() };
        let request = SyncGroupRequest::default()
            .with_group_id(GroupId(self.terms.group.clone()))
            .with_generation_id(joined.generation_id)
            .with_member_id(joined.member_id.clone())
            .with_protocol_type(Some(PROTOCOL_TYPE))
            .with_protocol_name(Some(PROTOCOL))
            .with_assignments(assignments);
        let synced = self.call(&request, 5, self.terms.max_poll_interval + SLACK)?;
        if let Some(error) = synced.error_code.err() {
            return self.join_refused(error, joined.member_id);
        }
        let partitions = match assignment::assigned(&synced.assignment) {
            Ok(partitions) => {
                partitions.into_iter().map(|(topic, number)| (topic.to_string(), number)).collect()
            }
            Err(error) => {
                // The leader may be another program: that it fails ends no other member.
                if self.failures == 0 {
                    let (group, leader) = (&*self.terms.group, &*joined.leader);
                    tracing::warn!(group, leader, %error, "what the group's leader assigns cannot be read");
                }
                self.failures = self.failures.saturating_add(1);
                self.rest_until(Instant::now() + self.pause());
                return Ok(None);
            }
        };
        let generation = Arc::new(Generation {
            group: self.terms.group.clone(),
            member: joined.member_id,
            generation: joined.generation_id,
        });
        Ok(Some(Joined { generation, partitions, subscription, counts }))
    }

    fn send_join(&mut self, topics: &[StrBytes]) -> Result<JoinGroupResponse, CallError> {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(PROTOCOL)
            .with_metadata(subscription::subscription(topics));
        let request = JoinGroupRequest::default()
            .with_group_id(GroupId(self.terms.group.clone()))
            .with_session_timeout_ms(millis(self.terms.session_timeout))
            .with_rebalance_timeout_ms(millis(self.terms.max_poll_interval))
            .with_member_id(self.member.clone().unwrap_or_default())
            .with_protocol_type(PROTOCOL_TYPE)
            .with_protocols(vec![protocol]);
        if self.member.is_some() {
            return self.call(&request, 7, self.terms.max_poll_interval + SLACK);
        }
        // The coordinator answers at once, with an id, and then has the group wait for the member of that id: who does
        // not know it cannot say that it does not come.
        let until = || Some(Instant::now() + LEAVE_TIMEOUT);
        let patience = Patience { deadline: Instant::now() + SLACK, alarm: &self.alarm, until: &until };
        let shared = &self.shared;
        self.coordinator.find(Patience { until: &|| shared.wanted_until(), ..patience })?;
        self.coordinator.call(&request, 7, Patience { deadline: Instant::now() + LEAVE_TIMEOUT, ..patience })
    }

    fn join_refused(&mut self, error: ResponseError, member: StrBytes) -> Result<Option<Joined>, CallError> {
        match error {
            ResponseError::MemberIdRequired => self.member = Some(member),
            ResponseError::UnknownMemberId | ResponseError::FencedInstanceId => self.member = None,
            ResponseError::RebalanceInProgress | ResponseError::IllegalGeneration => {}
            error => return Err(CallError::Refused(error)),
        }
        Ok(None)
    }

    /// As the leader: who gets what, and by how many partitions of each topic.
    #[expect(clippy::type_complexity, reason = "it is taken apart at once")]
    fn give_out(
        &mut self,
        members: Vec<JoinGroupResponseMember>,
    ) -> Result<(Vec<SyncGroupRequestAssignment>, Option<BTreeMap<Arc<str>, usize>>), CallError> {
        let wanted = |member: JoinGroupResponseMember| {
            let topics = assignment::subscribed(&member.metadata).unwrap_or_else(|error| {
                let (group, member) = (&*self.terms.group, &*member.member_id);
                tracing::warn!(group, member, %error, "what a member subscribes to cannot be read: it gets nothing");
                BTreeSet::new()
            });
            (member.member_id.to_string(), topics.into_iter().map(Arc::from).collect())
        };
        let members: BTreeMap<String, Vec<Arc<str>>> = members.into_iter().map(wanted).collect();
        let topics: BTreeSet<&Arc<str>> = members.values().flatten().collect();
        let mut counts = self.count_partitions(topics.iter().copied())?;
        for _ in 0..LOOKS {
            if counts.values().all(|count| *count > 0) {
                break;
            }
            self.rest_until(Instant::now() + LOOK_INTERVAL);
            counts = self.count_partitions(topics.iter().copied())?;
        }
        let assigned = range_assignor::assign(&members, |topic| counts.get(topic).copied().unwrap_or(0));
        let assignments = assigned.into_iter().map(|(member, partitions)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(StrBytes::from_string(member))
                .with_assignment(subscription::assignment(&partitions))
        });
        Ok((assignments.collect(), Some(counts)))
    }

    /// The number of the topics' partitions; none where there is no such topic.
    fn count_partitions<'a>(
        &mut self,
        topics: impl Iterator<Item = &'a Arc<str>>,
    ) -> Result<BTreeMap<Arc<str>, usize>, CallError> {
        let mut counts: BTreeMap<Arc<str>, usize> = topics.map(|topic| (topic.clone(), 0)).collect();
        let named = |topic: &Arc<str>| {
            let name = TopicName(StrBytes::from_string(topic.to_string()));
            MetadataRequestTopic::default().with_name(Some(name))
        };
        let request = MetadataRequest::default()
            .with_topics(Some(counts.keys().map(named).collect()))
            .with_allow_auto_topic_creation(false);
        let answer = self.call(&request, 12, self.terms.session_timeout)?;
        let (own, _) = self.shared.subscription();
        for topic in answer.topics {
            let name = topic.name.unwrap_or_default();
            // A topic that only another member asks for must not keep the leader from leading.
            if let Some(error) = topic.error_code.err()
                && kind_of_refusal(error) == ErrorKind::Fatal
                && own.contains(&name)
            {
                return Err(CallError::Refused(error));
            }
            if let Some(count) = counts.get_mut(&**name) {
                *count = topic.partitions.len();
            }
        }
        Ok(counts)
    }

    // ---- being a member ----

    /// Gives signs of life until it is time to join again, or to leave.
    fn stay(&mut self, joined: Joined) {
        let Joined { generation, partitions, subscription, counts } = joined;
        tracing::debug!(
            group = &*generation.group,
            generation = generation.generation,
            ?partitions,
            "joined"
        );
        self.shared.offer(partitions, generation.clone());
        let mut fate = Fate::Valid;
        let mut next_heartbeat = Instant::now() + self.terms.heartbeat_interval;
        let mut heard = Instant::now();
        let mut watch = counts.map(|counts| (next_watch(&counts), counts));
        loop {
            let due =
                if fate == Fate::Lost { Instant::now() + Duration::from_secs(3600) } else { next_heartbeat };
            self.alarm.wait([], due);
            if self.shared.is_closing() {
                return;
            }
            if fate != Fate::Lost && self.shared.has_missed_poll() {
                tracing::debug!(group = &*self.terms.group, "left for want of polls");
                self.leave();
                fate = Fate::Lost;
            }
            let now = Instant::now();
            if fate != Fate::Lost && now >= next_heartbeat {
                let (told, pause) = self.heartbeat(&generation, &mut heard);
                // What has begun is not over because a later answer does not say so.
                fate = if told == Fate::Valid { fate } else { told };
                next_heartbeat = Instant::now() + pause;
            }
            if fate == Fate::Valid && self.shared.subscription().1 != subscription {
                fate = Fate::Rebalance;
            }
            if fate == Fate::Valid
                && let Some((due, counts)) = watch.as_mut().filter(|(due, _)| *due <= now)
            {
                *due = next_watch(counts);
                if self.have_changed(counts) {
                    fate = Fate::Rebalance;
                }
            }
            if self.shared.is_given_up(fate) {
                return;
            }
        }
    }

    /// A sign of life: what it tells of the membership, and how long to wait for the next.
    fn heartbeat(&mut self, generation: &Generation, heard: &mut Instant) -> (Fate, Duration) {
        let request = HeartbeatRequest::default()
            .with_group_id(GroupId(generation.group.clone()))
            .with_generation_id(generation.generation)
            .with_member_id(generation.member.clone());
        let left = self.terms.session_timeout.saturating_sub(heard.elapsed());
        // Before its session is over, another one may be answered.
        let answer = self.call(&request, 4, (left / 2).max(MIN_PAUSE)).and_then(|answer| {
            answer.error_code.err().map_or(Ok(()), |error| Err(CallError::Refused(error)))
        });
        let fate = match answer {
            Ok(()) => Fate::Valid,
            Err(CallError::Refused(ResponseError::RebalanceInProgress)) => Fate::Rebalance,
            Err(CallError::Refused(ResponseError::UnknownMemberId | ResponseError::FencedInstanceId)) => {
                self.member = None;
                Fate::Lost
            }
            Err(CallError::Refused(ResponseError::IllegalGeneration)) => Fate::Lost,
            Err(CallError::Interrupted) => return (Fate::Valid, Duration::ZERO),
            Err(error) => {
                self.cope("be heard by", &error);
                let is_expired = heard.elapsed() >= self.terms.session_timeout;
                return (if is_expired { Fate::Lost } else { Fate::Valid }, self.pause());
            }
        };
        self.succeeded();
        *heard = Instant::now();
        (fate, self.terms.heartbeat_interval)
    }

    /// Whether the topics have other partitions than they had.
    fn have_changed(&mut self, counts: &BTreeMap<Arc<str>, usize>) -> bool {
        match self.count_partitions(counts.keys()) {
            Ok(now) => now != *counts,
            Err(error) => {
                tracing::debug!(group = &*self.terms.group, %error, "the topics' partitions are not known");
                false
            }
        }
    }

    // ---- leaving ----

    fn leave(&mut self) {
        let Some(member) = self.member.take() else { return };
        let request = LeaveGroupRequest::default()
            .with_group_id(GroupId(self.terms.group.clone()))
            .with_members(vec![MemberIdentity::default().with_member_id(member)]);
        let deadline = Instant::now() + LEAVE_TIMEOUT;
        let patience = Patience { deadline, alarm: &self.alarm, until: &|| Some(deadline) };
        if let Err(error) = self.coordinator.call(&request, 4, patience) {
            tracing::debug!(group = &*self.terms.group, %error, "leaving");
        }
    }

    // ---- calls ----

    /// Calls the coordinator, unless nobody wants the membership any more.
    fn call<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        limit: Duration,
    ) -> Result<R::Response, CallError> {
        let shared = &self.shared;
        let until = || shared.wanted_until();
        let patience = Patience { deadline: Instant::now() + limit, alarm: &self.alarm, until: &until };
        self.coordinator.call(request, version, patience)
    }

    fn succeeded(&mut self) {
        self.failures = 0;
        self.is_outage_told = false;
    }

    /// Another attempt may help, or nothing will: then the worker is told.
    fn cope(&mut self, attempted: &str, error: &CallError) {
        let group = &*self.terms.group;
        match error {
            CallError::Refused(refused) if kind_of_refusal(*refused) == ErrorKind::Fatal => {
                let attempted = format!("{attempted} {group}");
                self.shared.fail(ClientError {
                    kind: ErrorKind::Fatal,
                    attempted,
                    reason: refused.to_string(),
                });
            }
            // Once an outage, not for each attempt.
            CallError::Unsent(error) if !self.is_outage_told => {
                self.is_outage_told = true;
                tracing::warn!(group, "the group's coordinator cannot be reached: {error}");
            }
            error => tracing::debug!(group, %error, attempted, "trying again"),
        }
        if !matches!(error, CallError::Refused(refused) if !is_elsewhere(*refused)) {
            self.coordinator.forget();
        }
        self.failures = self.failures.saturating_add(1);
    }

    /// How long to wait after a call that came to nothing.
    fn pause(&self) -> Duration {
        MIN_PAUSE.saturating_mul(1 << self.failures.saturating_sub(SOON).min(5)).min(MAX_PAUSE)
    }

    /// Waits, as long as the membership is wanted.
    fn rest_until(&self, end: Instant) {
        while Instant::now() < end && self.shared.wanted_until().is_some() {
            self.alarm.wait([], end);
        }
    }
}

fn next_watch(counts: &BTreeMap<Arc<str>, usize>) -> Instant {
    let is_missing = counts.values().any(|count| *count == 0);
    Instant::now() + if is_missing { MISSING_INTERVAL } else { WATCH_INTERVAL }
}

fn millis(duration: Duration) -> i32 {
    duration.as_millis().try_into().unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
