//! Coming into a group, and leaving it.

use std::time::Duration;

use streams::{Cleanup, ErrorKind, GroupEvent, GroupMember};

use crate::steps::{
    Owned, assigned_from_beginning, assignment, create, create_in, event, member, member_named, place,
    producer, reader, value, write,
};
use crate::world::{MAX_POLL_INTERVAL, WAIT, World, never, retried, until};

pub(crate) fn a_rebalance_hands_partitions_over(world: &dyn World) {
    for topic in ["a", "b"] {
        create(world, topic, 4, Cleanup::Delete);
    }
    let (mut first, mut of_first) = (member(world, &["a", "b"]), Owned::default());
    until(world, "the first to have all", || {
        of_first.serve(&mut *first);
        (of_first.partitions.len() == 8).then_some(())
    });
    let (mut second, mut of_second) = (member(world, &["a", "b"]), Owned::default());
    until(world, "both to have half", || {
        of_first.serve(&mut *first);
        of_second.serve(&mut *second);
        (of_first.partitions.len() == 4 && of_second.partitions.len() == 4).then_some(())
    });
    let numbers = |owned: &Owned, topic: &str| -> Vec<i32> {
        let of_topic = owned.partitions.iter().filter(|of| &*of.topic == topic);
        of_topic.map(|of| of.partition).collect()
    };
    let mut ranges = Vec::new();
    for owned in [&of_first, &of_second] {
        assert_eq!(numbers(owned, "a"), numbers(owned, "b"), "what belongs together stays together");
        ranges.push(numbers(owned, "a"));
    }
    ranges.sort();
    assert_eq!(ranges, [[0, 1], [2, 3]]);

    let start = world.now();
    first.close();
    until(world, "the second to have all", || {
        of_second.serve(&mut *second);
        (of_second.partitions.len() == 8).then_some(())
    });
    let waited = world.now().since(start);
    assert!(waited < Duration::from_secs(4), "leaving does not wait for the session to time out: {waited:?}");
}

pub(crate) fn a_revoked_member_commits_before_it_answers(world: &dyn World) {
    let in_0 = create_in(world);
    write(world, &in_0, &["a"]);
    let mut first = member(world, &["in"]);
    let metadata = assigned_from_beginning(world, &mut *first);
    let GroupEvent::Record(record) = event(world, &mut *first) else { panic!("not a record") };
    assert_eq!(value(&record), "a");
    let mut second = member(world, &["in"]);
    let told = until(world, "a revocation", || {
        second.poll(WAIT).unwrap();
        first.poll(WAIT).unwrap()
    });
    assert!(matches!(told, GroupEvent::Revoked { lost: false }), "{told:?}");
    never(world, "the first has not answered", || second.poll(WAIT).unwrap());

    let mut producer = producer(world, "p");
    producer.begin().unwrap();
    producer.send_offsets(&[(in_0.clone(), 1)], &metadata).unwrap();
    producer.commit().unwrap();
    first.unassign().unwrap();
    let (mut of_first, mut of_second) = (Owned::default(), Owned::default());
    until(world, "one to have it", || {
        of_first.serve(&mut *first);
        of_second.serve(&mut *second);
        (of_first.metadata.is_some() && of_second.metadata.is_some()).then_some(())
    });
    let owned = [of_first.partitions, of_second.partitions].concat();
    assert_eq!(owned, std::slice::from_ref(&in_0), "one member has it, the other one nothing");
    let mut reader = reader(world);
    assert_eq!(retried(world, "offsets", || reader.committed(std::slice::from_ref(&in_0))), [Some(1)]);
}

pub(crate) fn a_member_that_does_not_poll_loses_its_partitions(world: &dyn World) {
    let in_0 = create_in(world);
    let mut lazy = member(world, &["in"]);
    let stale = assigned_from_beginning(world, &mut *lazy);
    lazy.commit(&[(in_0.clone(), 1)]).unwrap();
    world.pass(MAX_POLL_INTERVAL);
    let refused = until(world, "a refusal", || lazy.commit(&[(in_0.clone(), 2)]).err());
    assert_eq!(refused.kind, ErrorKind::Fenced, "{refused}");
    let mut producer = producer(world, "p");
    producer.begin().unwrap();
    let refused = producer.send_offsets(&[(in_0.clone(), 2)], &stale).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Fenced, "{refused}");

    let told = event(world, &mut *lazy);
    assert!(matches!(told, GroupEvent::Revoked { lost: true }), "{told:?}");
    lazy.unassign().unwrap();
    let (partitions, _) = assignment(world, &mut *lazy);
    assert_eq!(partitions, [in_0], "it may come back");
}

pub(crate) fn a_member_that_misses_a_rebalance_cannot_commit(world: &dyn World) {
    let in_0 = create_in(world);
    let mut lazy = member(world, &["in"]);
    assigned_from_beginning(world, &mut *lazy);
    let start = world.now();
    let mut other = member(world, &["in"]);
    let (partitions, _) = assignment(world, &mut *other);
    assert_eq!(partitions, std::slice::from_ref(&in_0));
    let waited = world.now().since(start);
    assert!(waited > MAX_POLL_INTERVAL / 2, "the group waits for all its members: {waited:?}");
    other.assign(&[(in_0.clone(), 0)]).unwrap();

    let refused = lazy.commit(&[(in_0, 1)]).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Fenced, "{refused}");
    // Queued when the rebalance began; what became of it later is not added.
    let told = event(world, &mut *lazy);
    assert!(matches!(told, GroupEvent::Revoked { lost: false }), "{told:?}");
}

pub(crate) fn a_member_that_never_answers_is_left_behind(world: &dyn World) {
    let in_0 = create_in(world);
    let mut silent = member(world, &["in"]);
    assigned_from_beginning(world, &mut *silent);
    let (mut other, mut of_other) = (member(world, &["in"]), Owned::default());
    let mut told = Vec::new();
    until(world, "the other to have it", || {
        told.extend(silent.poll(WAIT).unwrap());
        of_other.serve(&mut *other);
        (!of_other.partitions.is_empty()).then_some(())
    });
    assert!(matches!(told[..], [GroupEvent::Revoked { lost: false }]), "{told:?}");
    let refused = silent.commit(&[(in_0, 1)]).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Fenced, "{refused}");
}

pub(crate) fn a_member_with_nothing_to_read_stays(world: &dyn World) {
    let in_0 = create_in(world);
    let mut idle = member(world, &["in"]);
    assigned_from_beginning(world, &mut *idle);
    let start = world.now();
    // Longer than the session lasts.
    while world.now().since(start) < MAX_POLL_INTERVAL + Duration::from_secs(2) {
        let event = idle.poll(WAIT).unwrap();
        assert!(event.is_none(), "{event:?}");
        world.turn();
    }
    idle.commit(&[(in_0, 0)]).unwrap();
}

pub(crate) fn members_leave_whatever_they_have_not_answered(world: &dyn World) {
    let in_0 = create_in(world);
    let mut never_polled = member(world, &["in"]);
    never_polled.close();

    let mut unanswered_assignment = member(world, &["in"]);
    assignment(world, &mut *unanswered_assignment);
    unanswered_assignment.close();

    let mut unanswered_revocation = member(world, &["in"]);
    assigned_from_beginning(world, &mut *unanswered_revocation);
    let mut other = member(world, &["in"]);
    let told = until(world, "a revocation", || {
        other.poll(WAIT).unwrap();
        unanswered_revocation.poll(WAIT).unwrap()
    });
    assert!(matches!(told, GroupEvent::Revoked { lost: false }), "{told:?}");
    let start = world.now();
    drop(unanswered_revocation);
    let (partitions, _) = assignment(world, &mut *other);
    assert_eq!(partitions, [in_0], "the others are gone");
    let waited = world.now().since(start);
    assert!(waited < Duration::from_secs(4), "no session has to time out: {waited:?}");

    other.close();
    other.close();
    assert_eq!(other.poll(WAIT).unwrap_err().kind, ErrorKind::Fatal, "closed is closed");
}

pub(crate) fn an_assignment_changes_while_the_group_lives_on(world: &dyn World) {
    create(world, "in", 2, Cleanup::Delete);
    let (in_0, in_1) = (place("in", 0), place("in", 1));
    write(world, &in_0, &["a", "b"]);
    write(world, &in_1, &["x"]);
    let mut member = member(world, &["in"]);
    assignment(world, &mut *member);
    member.assign(&[]).unwrap();
    never(world, "nothing is assigned", || member.poll(WAIT).unwrap());
    let mut next = |positions: &[_]| {
        member.assign(positions).unwrap();
        match event(world, &mut *member) {
            GroupEvent::Record(record) => value(&record),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(next(&[(in_0.clone(), 1)]), "b");
    assert_eq!(next(&[(in_0.clone(), 2), (in_1.clone(), 0)]), "x");
    assert_eq!(next(&[(in_0.clone(), 0)]), "a");
    member.commit(&[(in_1, 1)]).unwrap();
}

pub(crate) fn a_group_tells_who_has_what(world: &dyn World) {
    create(world, "in", 2, Cleanup::Delete);
    let mut admin = world.clients().admin().unwrap();
    let mut who_has_what = || {
        let mut members = retried(world, "the members", || admin.members("app"));
        members.sort();
        let told = |member: GroupMember| {
            let partitions: Vec<String> = member.partitions.iter().map(ToString::to_string).collect();
            format!("{}: {}", member.client_id, partitions.join(" "))
        };
        members.into_iter().map(told).collect::<Vec<_>>()
    };
    assert!(who_has_what().is_empty(), "of a group that nobody has joined");

    let (mut first, mut of_first) = (member_named(world, "a@http://a:1", &["in"]), Owned::default());
    until(world, "the first to have all", || {
        of_first.serve(&mut *first);
        (!of_first.partitions.is_empty()).then_some(())
    });
    assert_eq!(who_has_what(), ["a@http://a:1: in-0 in-1"]);

    let (mut second, mut of_second) = (member_named(world, "b@http://b:1", &["in"]), Owned::default());
    let told = until(world, "a revocation", || {
        of_second.serve(&mut *second);
        first.poll(WAIT).unwrap()
    });
    assert!(matches!(told, GroupEvent::Revoked { .. }), "{told:?}");
    let told = who_has_what();
    assert!(told.iter().all(|told| told.ends_with(": ")), "as long as it is being given out: {told:?}");

    first.unassign().unwrap();
    of_first = Owned::default();
    until(world, "both to have one", || {
        of_first.serve(&mut *first);
        of_second.serve(&mut *second);
        (of_first.partitions.len() == 1 && of_second.partitions.len() == 1).then_some(())
    });
    let mut expected = [("a@http://a:1", &of_first), ("b@http://b:1", &of_second)]
        .map(|(client_id, owned)| format!("{client_id}: {}", owned.partitions[0]));
    expected.sort();
    assert_eq!(who_has_what(), expected);

    first.close();
    second.close();
    assert!(who_has_what().is_empty(), "of a group that all have left");
}
