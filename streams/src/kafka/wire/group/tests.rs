use bytes::Bytes;
use kafka_protocol::messages::find_coordinator_response::Coordinator as Found;
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{
    BrokerId, FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatResponse, LeaveGroupResponse,
    MetadataResponse, SyncGroupResponse,
};

use super::super::fake_broker::{Asked, BROKER, FakeBroker};
use super::super::link::alarm;
use super::super::rebalance::Rebalance;
use super::super::servers::Servers;
use super::*;
use crate::record::TopicPartition;

const PATIENCE: Duration = Duration::from_secs(60);
const GROUP: StrBytes = StrBytes::from_static_str("g");
const MEMBER: StrBytes = StrBytes::from_static_str("m");

/// A member, the broker it talks to, and the worker's side of it.
struct Played {
    broker: FakeBroker,
    shared: Arc<Shared>,
    alarm: Alarm,
    ended: mpsc::Receiver<()>,
}

impl Played {
    fn new() -> Self {
        let broker = FakeBroker::new();
        let ((for_worker, alarm), (for_group, alarm_of_group)) =
            (super::super::link::alarm().unwrap(), self::alarm().unwrap());
        let terms = Terms {
            group: GROUP,
            session_timeout: PATIENCE,
            heartbeat_interval: Duration::from_millis(1),
            max_poll_interval: PATIENCE,
        };
        let shared = Arc::new(Shared::new(terms.max_poll_interval, for_worker, for_group));
        shared.subscribe(vec!["t".into()]);
        let coordinator = Coordinator::new(&Servers::new(&broker.address()), "test".into(), GROUP);
        let ended = spawn(terms, coordinator, shared.clone(), alarm_of_group).unwrap();
        Self { broker, shared, alarm, ended }
    }

    #[track_caller]
    fn next(&mut self) -> Asked {
        self.broker.next(|| {})
    }

    #[track_caller]
    fn is_asked_for_the_coordinator(&mut self) {
        let asked = self.next();
        let request: FindCoordinatorRequest = asked.request();
        assert_eq!((request.key_type, &request.coordinator_keys[..]), (0, &[GROUP][..]));
        let (host, port) =
            self.broker.address().split_once(':').map(|(h, p)| (h.to_string(), p.to_string())).unwrap();
        let found = Found::default()
            .with_key(GROUP)
            .with_node_id(BrokerId(BROKER))
            .with_host(host.into())
            .with_port(port.parse().unwrap());
        asked.answer::<FindCoordinatorRequest>(
            &FindCoordinatorResponse::default().with_coordinators(vec![found]),
        );
    }

    /// A request to join, by somebody of this id.
    #[track_caller]
    fn is_asked_to_join(&mut self, member: &str) -> Asked {
        let asked = self.next();
        let request: JoinGroupRequest = asked.request();
        assert_eq!(&*request.member_id, member);
        asked
    }

    #[track_caller]
    fn has_new_member(&mut self) {
        let asked = self.is_asked_to_join("");
        refuse_join(asked, ResponseError::MemberIdRequired);
    }

    /// Joins, led by somebody else.
    #[track_caller]
    fn has_member(&mut self, generation: i32) {
        self.is_given(generation, subscription::assignment(&[TopicPartition::new("t", 3)]));
    }

    /// The same, and is given these bytes.
    #[track_caller]
    fn is_given(&mut self, generation: i32, assignment: Bytes) {
        let asked = self.is_asked_to_join(&MEMBER);
        let joined = JoinGroupResponse::default()
            .with_generation_id(generation)
            .with_protocol_type(Some(PROTOCOL_TYPE))
            .with_protocol_name(Some(PROTOCOL))
            .with_leader("other".into())
            .with_member_id(MEMBER);
        asked.answer::<JoinGroupRequest>(&joined);
        let asked = self.next();
        let request: SyncGroupRequest = asked.request();
        assert_eq!((request.generation_id, request.assignments.len()), (generation, 0));
        let synced = SyncGroupResponse::default().with_assignment(assignment);
        asked.answer::<SyncGroupRequest>(&synced);
    }

    /// Takes the next event, while all heartbeats are answered like this.
    #[track_caller]
    fn event(&mut self, code: i16) -> Result<Rebalance, ClientError> {
        let start = Instant::now();
        loop {
            if let Some(event) = self.shared.take()? {
                return Ok(event);
            }
            if let Some(asked) = self.broker.look() {
                answer_heartbeat(asked, code);
            }
            assert!(start.elapsed() < PATIENCE, "nothing happens");
            self.alarm.wait([], Instant::now() + Duration::from_millis(1));
        }
    }

    /// Joins as the leader of these members, each with what it has written as its subscription.
    #[track_caller]
    fn leads(&mut self, members: &[(&'static str, Bytes)]) {
        let asked = self.is_asked_to_join(&MEMBER);
        let member = |(id, metadata): &(&'static str, Bytes)| {
            JoinGroupResponseMember::default().with_member_id((*id).into()).with_metadata(metadata.clone())
        };
        let joined = JoinGroupResponse::default()
            .with_generation_id(1)
            .with_protocol_type(Some(PROTOCOL_TYPE))
            .with_protocol_name(Some(PROTOCOL))
            .with_leader(MEMBER)
            .with_member_id(MEMBER)
            .with_members(members.iter().map(member).collect());
        asked.answer::<JoinGroupRequest>(&joined);
    }

    /// Asks how many partitions these topics have, of which `refused` is not to be had.
    #[track_caller]
    fn is_asked_for_partitions(&mut self, of: &[&str], refused: (&str, ResponseError)) {
        let asked = self.next();
        let request: MetadataRequest = asked.request();
        let names: Vec<TopicName> =
            request.topics.unwrap().into_iter().map(|topic| topic.name.unwrap()).collect();
        assert_eq!(names.iter().map(|name| &***name).collect::<Vec<_>>(), of);
        let topic = |name: TopicName| {
            let answer = MetadataResponseTopic::default();
            let is_refused = &**name == refused.0;
            let answer = answer.with_name(Some(name));
            match is_refused {
                true => answer.with_error_code(refused.1.code()),
                false => answer.with_partitions(vec![MetadataResponsePartition::default()]),
            }
        };
        let answer = MetadataResponse::default().with_topics(names.into_iter().map(topic).collect());
        asked.answer::<MetadataRequest>(&answer);
    }

    #[track_caller]
    fn is_assigned(&mut self, generation: i32) {
        match self.event(0) {
            Ok(Rebalance::Assigned(partitions, as_of)) => {
                assert_eq!(partitions, [("t".to_string(), 3)]);
                assert_eq!(*as_of, Generation { group: GROUP, member: MEMBER, generation });
            }
            other => panic!("{other:?}"),
        }
        self.shared.assigned();
    }

    /// A member with partitions.
    fn steady() -> Self {
        let mut played = Self::new();
        played.is_asked_for_the_coordinator();
        played.has_new_member();
        played.has_member(1);
        played.is_assigned(1);
        played
    }

    /// The next request but heartbeats, which are answered like this.
    #[track_caller]
    fn next_but_heartbeats(&mut self, code: i16) -> Asked {
        loop {
            let asked = self.next();
            if asked.api as i16 != HeartbeatRequest::KEY {
                return asked;
            }
            answer_heartbeat(asked, code);
        }
    }

    #[track_caller]
    fn ends(self) {
        assert_eq!(self.ended.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
    }
}

fn answer_heartbeat(asked: Asked, code: i16) {
    asked.answer::<HeartbeatRequest>(&HeartbeatResponse::default().with_error_code(code));
}

fn refuse_join(asked: Asked, error: ResponseError) {
    let answer = JoinGroupResponse::default().with_error_code(error.code()).with_member_id(MEMBER);
    asked.answer::<JoinGroupRequest>(&answer);
}

#[track_caller]
fn check_leaves(asked: Asked) {
    let request: LeaveGroupRequest = asked.request();
    let members: Vec<_> = request.members.iter().map(|member| &member.member_id).collect();
    assert_eq!(members, [&MEMBER]);
    asked.answer::<LeaveGroupRequest>(&LeaveGroupResponse::default());
}

#[track_caller]
fn check_revoked(error: ResponseError, is_lost: bool, joins_as: &str) {
    let mut played = Played::steady();
    match played.event(error.code()) {
        Ok(Rebalance::Revoked { lost }) => assert_eq!(lost, is_lost, "{error:?}"),
        other => panic!("{other:?}"),
    }
    played.shared.unassigned();
    let asked = played.next_but_heartbeats(error.code());
    let request: JoinGroupRequest = asked.request();
    assert_eq!(&*request.member_id, joins_as, "{error:?}");
    played.shared.close();
    refuse_join(asked, ResponseError::MemberIdRequired);
    // It may have given up the call, and leave on another connection.
    check_leaves(played.next());
    played.ends();
}

#[test]
fn a_membership_ends_in_several_ways() {
    check_revoked(ResponseError::RebalanceInProgress, false, "m");
    check_revoked(ResponseError::IllegalGeneration, true, "m");
    check_revoked(ResponseError::UnknownMemberId, true, "");
    check_revoked(ResponseError::FencedInstanceId, true, "");
}

#[test]
fn a_membership_outlives_its_coordinator() {
    let mut played = Played::steady();
    for error in [ResponseError::NotCoordinator, ResponseError::CoordinatorNotAvailable] {
        answer_heartbeat(played.next(), error.code());
        played.is_asked_for_the_coordinator();
    }
    played.next().hang_up();
    played.is_asked_for_the_coordinator();
    let request: HeartbeatRequest = played.next().request();
    assert_eq!((&request.member_id, request.generation_id), (&MEMBER, 1));
    assert!(played.shared.take().unwrap().is_none(), "the worker hears nothing of it");
    played.shared.close();
    check_leaves(played.next());
    played.ends();
}

#[test]
fn who_is_about_to_get_an_id_waits_for_it_to_leave() {
    let mut played = Played::new();
    played.is_asked_for_the_coordinator();
    let asked = played.is_asked_to_join("");
    played.shared.close();
    refuse_join(asked, ResponseError::MemberIdRequired);
    check_leaves(played.next());
    played.ends();
}

#[test]
fn who_waits_for_the_others_leaves_at_once() {
    let mut played = Played::new();
    played.is_asked_for_the_coordinator();
    played.has_new_member();
    let _unanswered = played.is_asked_to_join(&MEMBER);
    played.shared.close();
    check_leaves(played.next());
    played.ends();
}

#[test]
fn a_group_that_cannot_be_joined_is_told() {
    let mut played = Played::new();
    played.is_asked_for_the_coordinator();
    let asked = played.is_asked_to_join("");
    refuse_join(asked, ResponseError::InconsistentGroupProtocol);
    let failure = played.event(0).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Fatal);
    assert_eq!(failure.attempted, "join g");
    played.shared.close();
    played.ends();
}

/// Two billion topics, in six bytes.
const ENDLESS: Bytes = Bytes::from_static(b"\0\x01\x7f\xff\xff\xff");

#[test]
fn a_member_that_asks_for_what_cannot_be_had_keeps_no_other_from_its_partitions() {
    let mut played = Played::new();
    played.is_asked_for_the_coordinator();
    played.has_new_member();
    let subscription = |topic: &'static str| subscription::subscription(&[topic.into()]);
    played.leads(&[("hostile", ENDLESS), ("m", subscription("t")), ("odd", subscription("no/topic"))]);
    for _ in 0..=LOOKS {
        played
            .is_asked_for_partitions(&["no/topic", "t"], ("no/topic", ResponseError::InvalidTopicException));
    }
    let asked = played.next();
    let request: SyncGroupRequest = asked.request();
    let given: Vec<_> = request.assignments.iter().map(|of| (&*of.member_id, &of.assignment[..])).collect();
    let nothing = &subscription::assignment(&[])[..];
    let something = &subscription::assignment(&[TopicPartition::new("t", 0)])[..];
    assert_eq!(given, [("hostile", nothing), ("m", something), ("odd", nothing)]);
    played.shared.close();
}

#[test]
fn a_leader_that_may_not_read_its_own_topic_says_so() {
    let mut played = Played::new();
    played.is_asked_for_the_coordinator();
    played.has_new_member();
    played.leads(&[("m", subscription::subscription(&["t".into()]))]);
    played.is_asked_for_partitions(&["t"], ("t", ResponseError::TopicAuthorizationFailed));
    assert_eq!(played.event(0).unwrap_err().kind, ErrorKind::Fatal);
    played.shared.close();
}

#[test]
fn an_assignment_that_cannot_be_read_ends_nobody() {
    let mut played = Played::new();
    played.is_asked_for_the_coordinator();
    played.has_new_member();
    played.is_given(1, ENDLESS);
    played.has_member(2);
    played.is_assigned(2);
    played.shared.close();
}
