//! What becomes of the Kafka that was started.

use crate::pipeline::{Up, is_alive, send, wait};

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_died_is_started_again() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = Up::start(directory.path(), &[]).ready();
    let first = pipeline.order("first").await;

    let [broker] = pipeline.up.children()[..] else { panic!("{:?}", pipeline.up.children()) };
    send("KILL", broker);
    wait("another broker", || pipeline.up.children().into_iter().find(|pid| *pid != broker));

    // What has been committed can be read meanwhile; what is written finds its way.
    let again = pipeline.simulate(&["--orders", "5"]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stdout));
    let found: serde_json::Value = pipeline.get("/v1/orders/first").await.json().await.unwrap();
    assert_eq!(found, first);
    pipeline.stop("TERM");
}

#[test]
fn a_stop_while_kafka_is_starting_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut up = Up::start(directory.path(), &[]);
    let starting = wait("a child", || up.children().first().copied());
    up.signal("TERM");
    assert_eq!(up.end().code(), Some(0));
    wait("its end", || (!is_alive(starting)).then_some(()));
}

#[test]
fn a_killed_pipeline_takes_its_broker_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut pipeline = Up::start(directory.path(), &[]).ready();
    let [broker] = pipeline.up.children()[..] else { panic!("{:?}", pipeline.up.children()) };
    pipeline.up.signal("KILL");
    pipeline.up.end();
    wait("its end", || (!is_alive(broker)).then_some(()));
}
