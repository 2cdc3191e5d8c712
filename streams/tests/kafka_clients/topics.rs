//! What the admin client says of topics that cannot be had. What it does, streams/tests/conformance holds to.

use streams::{Cleanup, ClientSupplier, ErrorKind, TopicSpec};

use crate::cluster::Cluster;
use crate::members::through_librdkafka;

#[test]
fn a_refusal_names_its_topic() {
    let cluster = Cluster::of("impossible");
    let librdkafka = through_librdkafka(&cluster, "statistics.interval.ms", "0");
    for (way, kafka) in [("the protocol", &cluster.kafka), ("librdkafka", &librdkafka)] {
        let mut admin = kafka.admin().unwrap();
        let spec = |name: &str| TopicSpec { name: name.into(), cleanup: Cleanup::Delete };
        for (specs, partitions, replication, named) in [
            (vec![spec("three-times")], 1, 3, "three-times"),
            (vec![spec("fine"), spec("not a name")], 1, 1, "not a name"),
            (vec![spec("without-partitions")], 0, 1, "without-partitions"),
        ] {
            let refused = admin.create(&specs, partitions, replication).unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Fatal, "{way}: {refused}");
            assert!(refused.attempted.contains(named), "{way}: {refused}");
        }
    }
}
