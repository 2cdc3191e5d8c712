//! What the admin client makes and sees.

use std::sync::Arc;
use std::time::Duration;

use streams::kafka::Kafka;
use streams::{Cleanup, ClientSupplier, ErrorKind, TopicDescription, TopicSpec};

use crate::cluster::{Cluster, place};
use crate::members::through_librdkafka;

/// The test on a cluster of its own: through the protocol, and through librdkafka.
fn both_ways(test: &str, check: impl Fn(&Cluster, &Kafka)) {
    let cluster = Cluster::of(test);
    check(&cluster, &cluster.kafka);
    let cluster = Cluster::of(&format!("{test}-librdkafka"));
    check(&cluster, &through_librdkafka(&cluster, "statistics.interval.ms", "0"));
}

#[test]
fn topics_are_created_once_and_described() {
    both_ways("topics", |_, kafka| created_once_and_described(kafka));
}

fn created_once_and_described(kafka: &Kafka) {
    let mut admin = kafka.admin().unwrap();
    let names: [Arc<str>; 4] = ["gone".into(), "plain".into(), "table".into(), "purged".into()];
    assert_eq!(admin.describe(&names).unwrap(), [None, None, None, None]);

    let cleanups = [Cleanup::Delete, Cleanup::Compact { min_lag: Duration::from_secs(7) }, Cleanup::Purged];
    for _ in 0..2 {
        for (name, cleanup) in names[1..].iter().zip(cleanups) {
            admin.create(&[TopicSpec { name: name.clone(), cleanup }], 3, 1).unwrap();
        }
    }
    let described = |cleanup_policy: &str| {
        let delete_retention = Duration::from_secs(24 * 3600);
        Some(TopicDescription { partitions: 3, cleanup_policy: cleanup_policy.to_string(), delete_retention })
    };
    let expected = [None, described("delete"), described("compact"), described("delete")];
    assert_eq!(admin.describe(&names).unwrap(), expected);
    assert_eq!(admin.describe(&[]).unwrap(), []);
}

#[test]
fn a_topic_that_cannot_be_had_is_an_error() {
    both_ways("impossible", |_, kafka| {
        let mut admin = kafka.admin().unwrap();
        let spec = |name: &str| TopicSpec { name: name.into(), cleanup: Cleanup::Delete };
        for (specs, partitions, replication, named) in [
            (vec![spec("three-times")], 1, 3, "three-times"),
            (vec![spec("fine"), spec("not a name")], 1, 1, "not a name"),
            (vec![spec("without-partitions")], 0, 1, "without-partitions"),
        ] {
            let refused = admin.create(&specs, partitions, replication).unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Fatal, "{refused}");
            assert!(refused.attempted.contains(named), "{refused}");
        }
    });
}

#[test]
fn the_cluster_has_an_id() {
    both_ways("id", |_, kafka| {
        let mut admin = kafka.admin().unwrap();
        let id = admin.cluster_id().unwrap();
        assert_eq!(id.len(), 22, "{id}");
        assert_eq!(admin.cluster_id().unwrap(), id);
    });
}

#[test]
fn records_are_deleted_up_to_an_offset() {
    both_ways("deleting", |cluster, kafka| {
        cluster.create("in", 2);
        let (first, second) = (place("in", 0), place("in", 1));
        cluster.write(&first, &["a", "b", "c"]);
        cluster.write(&second, &["d"]);
        let mut admin = kafka.admin().unwrap();
        admin.delete_records(&[]).unwrap();
        admin.delete_records(&[(first.clone(), 2), (second.clone(), 1)]).unwrap();
        let watermarks = cluster.reader().watermarks(&[first.clone(), second]).unwrap();
        assert_eq!(watermarks.iter().map(|w| (w.low, w.high)).collect::<Vec<_>>(), [(2, 3), (1, 1)]);
        let beyond = admin.delete_records(&[(first, 9)]).unwrap_err();
        assert_eq!(beyond.kind, ErrorKind::OffsetOutOfRange, "{beyond}");
    });
}

#[test]
fn a_group_that_nobody_has_joined_has_no_members() {
    both_ways("nobody", |_, kafka| {
        assert_eq!(kafka.admin().unwrap().members("never-heard-of").unwrap(), []);
    });
}
