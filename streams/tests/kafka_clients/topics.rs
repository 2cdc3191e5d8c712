//! What the admin client makes and sees.

use std::sync::Arc;
use std::time::Duration;

use streams::{Cleanup, ClientSupplier, ErrorKind, TopicDescription, TopicSpec};

use crate::cluster::Cluster;

#[test]
fn topics_are_created_once_and_described() {
    let cluster = Cluster::of("topics");
    let mut admin = cluster.kafka.admin().unwrap();
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
}

#[test]
fn a_topic_that_cannot_be_had_is_an_error() {
    let cluster = Cluster::of("impossible");
    let mut admin = cluster.kafka.admin().unwrap();
    let spec = TopicSpec { name: "in".into(), cleanup: Cleanup::Delete };
    let refused = admin.create(&[spec], 1, 3).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Fatal, "one broker holds no three replicas: {refused}");
}

#[test]
fn the_cluster_has_an_id() {
    let cluster = Cluster::of("id");
    let mut admin = cluster.kafka.admin().unwrap();
    let id = admin.cluster_id().unwrap();
    assert_eq!(id.len(), 22, "{id}");
    assert_eq!(admin.cluster_id().unwrap(), id);
}
