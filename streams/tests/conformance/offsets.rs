//! Where a group goes on.

use streams::{Cleanup, ErrorKind};

use crate::steps::{
    Owned, assigned_from_beginning, begun, create, create_in, member, place, producer, reader,
};
use crate::world::{World, retried, until};

pub(crate) fn pending_offsets_block_a_stable_fetch(world: &dyn World) {
    create(world, "in", 2, Cleanup::Delete);
    let (in_0, in_1) = (place("in", 0), place("in", 1));
    let both = [in_0.clone(), in_1.clone()];
    let mut reader = reader(world);
    assert_eq!(retried(world, "offsets", || reader.committed(&both)), [None, None]);

    let mut member = member(world, &["in"]);
    let metadata = assigned_from_beginning(world, &mut *member);
    let mut producer = producer(world, "p");
    producer.begin().unwrap();
    producer.send_offsets(&[(in_0.clone(), 2)], &metadata).unwrap();
    assert_eq!(reader.committed(&both).unwrap_err().kind, ErrorKind::Retriable);
    let other = retried(world, "the other's offset", || reader.committed(std::slice::from_ref(&in_1)));
    assert_eq!(other, [None], "nothing pends on it");
    producer.commit().unwrap();
    assert_eq!(retried(world, "offsets", || reader.committed(&both)), [Some(2), None]);
}

pub(crate) fn pending_offsets_go_with_their_transaction(world: &dyn World) {
    let in_0 = create_in(world);
    let mut reader = reader(world);
    let mut committed =
        |world| retried(world, "offsets", || reader.committed(std::slice::from_ref(&in_0)))[0];
    let mut member = member(world, &["in"]);
    let metadata = assigned_from_beginning(world, &mut *member);

    let mut first = producer(world, "p");
    begun(&mut *first, &in_0, "v");
    first.send_offsets(&[(in_0.clone(), 1)], &metadata).unwrap();
    first.commit().unwrap();
    assert_eq!(committed(world), Some(1));

    begun(&mut *first, &in_0, "v");
    first.send_offsets(&[(in_0.clone(), 2)], &metadata).unwrap();
    first.abort().unwrap();
    assert_eq!(committed(world), Some(1), "aborted");

    first.begin().unwrap();
    first.send_offsets(&[(in_0.clone(), 3)], &metadata).unwrap();
    let mut successor = producer(world, "p");
    assert_eq!(committed(world), Some(1), "fenced");
    assert_eq!(first.commit().unwrap_err().kind, ErrorKind::Fenced);

    successor.begin().unwrap();
    successor.send_offsets(&[(in_0.clone(), 4)], &metadata).unwrap();
    assert_eq!(committed(world), Some(1), "timed out");
    assert_eq!(successor.commit().unwrap_err().kind, ErrorKind::Fenced);
}

pub(crate) fn a_transaction_that_ends_late_does_not_undo_a_later_commit(world: &dyn World) {
    let in_0 = create_in(world);
    let mut member = member(world, &["in"]);
    let metadata = assigned_from_beginning(world, &mut *member);
    let mut producer = producer(world, "p");
    producer.begin().unwrap();
    producer.send_offsets(&[(in_0.clone(), 2)], &metadata).unwrap();
    member.commit(&[(in_0.clone(), 5)]).unwrap();
    producer.commit().unwrap();
    let mut reader = reader(world);
    let committed = retried(world, "offsets", || reader.committed(std::slice::from_ref(&in_0)));
    assert_eq!(committed, [Some(5)]);
}

pub(crate) fn offsets_of_different_groups_are_different(world: &dyn World) {
    let in_0 = create_in(world);
    let mut member = member(world, &["in"]);
    assigned_from_beginning(world, &mut *member);
    member.commit(&[(in_0.clone(), 1)]).unwrap();
    for (group, expected) in [("app", Some(1)), ("other", None)] {
        let mut reader = world.clients().reader(group).unwrap();
        let committed = retried(world, "offsets", || reader.committed(std::slice::from_ref(&in_0)));
        assert_eq!(committed, [expected], "{group}");
    }
}

pub(crate) fn a_stale_generation_is_refused(world: &dyn World) {
    create(world, "in", 2, Cleanup::Delete);
    let (in_0, in_1) = (place("in", 0), place("in", 1));
    let mut first = member(world, &["in"]);
    let stale = assigned_from_beginning(world, &mut *first);
    let mut second = member(world, &["in"]);
    let (mut of_first, mut of_second) =
        (Owned { partitions: vec![in_0.clone(), in_1.clone()], metadata: None }, Owned::default());
    let current = until(world, "both to have one", || {
        of_first.serve(&mut *first);
        of_second.serve(&mut *second);
        let has_one = of_first.partitions.len() == 1 && of_second.partitions.len() == 1;
        of_first.metadata.clone().filter(|_| has_one)
    });

    let mut producer = producer(world, "p");
    begun(&mut *producer, &in_0, "v");
    let refused = producer.send_offsets(&[(in_0.clone(), 1)], &stale).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Fenced, "{refused}");
    producer.abort().unwrap();

    let mut defiant = crate::steps::producer(world, "q");
    begun(&mut *defiant, &in_0, "v");
    defiant.send_offsets(&[(in_0.clone(), 1)], &stale).unwrap_err();
    assert_eq!(defiant.commit().unwrap_err().kind, ErrorKind::Fenced, "it can only be aborted");

    producer.begin().unwrap();
    producer.send_offsets(&[(of_first.partitions[0].clone(), 5)], &current).unwrap();
    producer.commit().unwrap();
    let mut reader = reader(world);
    let committed = retried(world, "offsets", || reader.committed(&[in_0.clone(), in_1.clone()]));
    assert_eq!(committed.iter().flatten().collect::<Vec<_>>(), [&5]);
}

pub(crate) fn a_zombie_commits_no_offsets(world: &dyn World) {
    let in_0 = create_in(world);
    let mut member = member(world, &["in"]);
    let metadata = assigned_from_beginning(world, &mut *member);
    let mut zombie = producer(world, "p");
    producer(world, "p");
    zombie.begin().unwrap();
    let refused = zombie.send_offsets(&[(in_0.clone(), 1)], &metadata).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Fenced, "{refused}");
    assert_eq!(zombie.abort().unwrap_err().kind, ErrorKind::Fenced);
    let mut reader = reader(world);
    assert_eq!(retried(world, "offsets", || reader.committed(std::slice::from_ref(&in_0))), [None]);
}
