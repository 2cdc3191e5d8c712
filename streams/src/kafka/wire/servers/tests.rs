use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use kafka_protocol::messages::find_coordinator_response::Coordinator as Found;
use kafka_protocol::messages::{ApiKey, BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use super::super::cluster::Cluster;
use super::super::coordinator::{Coordinator, Patience};
use super::super::fake_broker::{Asked, BROKER, FakeBroker};
use super::super::leaders::{Leader, Leaders};
use super::super::link::alarm;
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

const TOPIC: StrBytes = StrBytes::from_static_str("t");

/// A broker, and its cluster as somebody knows it who has named first a server that takes all and says nothing.
struct World {
    broker: FakeBroker,
    servers: Servers,
    silent: TcpListener,
}

impl World {
    fn new() -> Self {
        let (broker, silent) = (FakeBroker::new(), TcpListener::bind("127.0.0.1:0").unwrap());
        let servers = Servers::new(&format!("{},{}", silent.local_addr().unwrap(), broker.address()));
        Self { broker, servers, silent }
    }

    /// Has the broker answer on a thread of its own, while the client does what it does.
    fn played<T>(mut self, client: impl FnOnce(&Servers) -> T) -> T {
        let servers = self.servers.clone();
        let (stop, stopped) = mpsc::channel::<()>();
        let broker = thread::spawn(move || {
            while stopped.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
                match self.broker.look() {
                    Some(asked) => answer(&self.broker, asked),
                    None => thread::sleep(Duration::from_millis(1)),
                }
            }
            drop(self.silent);
        });
        let outcome = client(&servers);
        drop(stop);
        broker.join().unwrap();
        outcome
    }
}

fn answer(broker: &FakeBroker, asked: Asked) {
    match asked.api {
        ApiKey::Metadata => broker.answer_metadata(asked, 1),
        _ => {
            let port = broker.address().rsplit_once(':').unwrap().1.parse().unwrap();
            let found = Found::default()
                .with_node_id(BrokerId(BROKER))
                .with_host(StrBytes::from_static_str("127.0.0.1"))
                .with_port(port);
            asked.answer::<FindCoordinatorRequest>(
                &FindCoordinatorResponse::default().with_coordinators(vec![found]),
            );
        }
    }
}

/// What one call of a reader or an administrator has.
const BUDGET: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_call_gets_its_answer_from_the_second_server() {
    let leader = World::new().played(|servers| {
        let mut cluster = Cluster::new(servers, "test");
        cluster.leader(&TOPIC, 0, Instant::now() + BUDGET).unwrap()
    });
    assert_eq!(leader, Some(BROKER));
}

#[test]
fn a_groups_coordinator_is_found_through_the_second_server() {
    World::new().played(|servers| {
        let (_waker, alarm) = alarm().unwrap();
        let deadline = Instant::now() + BUDGET;
        let patience = Patience { deadline, alarm: &alarm, until: &|| Some(deadline) };
        Coordinator::new(servers, "test".into(), "g".into()).find(patience).unwrap();
    });
}

#[test]
fn leaders_are_asked_for_at_the_second_server() {
    World::new().played(|servers| {
        let mut leaders = Leaders::new(servers, "test".into());
        let (start, mut now) = (Instant::now(), Instant::now());
        while leaders.of(&TOPIC, 0) != Leader::Broker(BROKER) {
            leaders.look(now);
            leaders.ask([TOPIC].into_iter(), now);
            now += Duration::from_millis(1);
            thread::sleep(Duration::from_millis(1));
            assert!(start.elapsed() < PATIENCE, "nobody answers");
        }
    });
}
