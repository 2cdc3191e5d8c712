//! Starting, stopping, crashing, and what stays.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use local_kafka::{Config, LocalKafka, SignalError};

use crate::client::{answers, consume, create_topic, produce};

#[test]
fn records_survive_every_kind_of_end() {
    let parent = tempfile::tempdir().unwrap();
    let config = Config { data_dir: Some(parent.path().join("a broker")), ..Config::from_env() };
    let mut kafka = LocalKafka::start(config.clone()).unwrap();
    let (servers, cluster) = (kafka.bootstrap_servers(), kafka.cluster_id().to_owned());
    create_topic(&kafka);
    produce(&kafka, "before any end");

    kafka.stop().unwrap();
    assert_eq!(kafka.pid(), None);
    assert!(matches!(kafka.stop(), Err(SignalError::NotRunning)));
    kafka.restart().unwrap();
    produce(&kafka, "after a stop");

    kafka.kill().unwrap();
    kafka.restart().unwrap();
    produce(&kafka, "after a kill");
    assert_eq!(kafka.bootstrap_servers(), servers);
    drop(kafka);

    let kafka = LocalKafka::start(config).unwrap();
    assert_eq!(kafka.cluster_id(), cluster);
    assert_eq!(consume(&kafka), ["before any end", "after a stop", "after a kill"]);
}

#[test]
fn nothing_is_left_of_a_temporary_broker() {
    let mut kafka = LocalKafka::start(Config::from_env()).unwrap();
    let process = process(&kafka);
    let data_dir = kafka.data_dir().to_owned();
    assert!(kafka.log_file().exists());

    kafka.pause().unwrap();
    assert!(!answers(&kafka, Duration::from_millis(500)), "a paused broker answered");
    kafka.resume().unwrap();
    assert!(answers(&kafka, Duration::from_secs(20)), "a resumed broker did not answer");

    drop(kafka);
    assert!(!Path::new(&process).exists(), "{process} is still there");
    assert!(!data_dir.exists(), "{} is still there", data_dir.display());
}

#[test]
fn a_crash_is_seen_and_a_paused_broker_can_be_stopped() {
    let mut kafka = LocalKafka::start(Config::from_env()).unwrap();
    assert!(kafka.is_running());
    assert_eq!(kafka.try_wait().unwrap(), None);

    let pid = kafka.pid().unwrap().to_string();
    assert!(Command::new("/bin/sh").args(["-c", "kill -9 $0", &pid]).status().unwrap().success());
    let status = std::iter::repeat_with(|| kafka.try_wait().unwrap()).find_map(|status| status);
    assert_eq!(status.unwrap().to_string(), "signal: 9 (SIGKILL)");
    assert!(!kafka.is_running());

    kafka.restart().unwrap();
    assert!(answers(&kafka, Duration::from_secs(20)));
    kafka.pause().unwrap();
    kafka.stop().unwrap();
}

fn process(kafka: &LocalKafka) -> String {
    format!("/proc/{}", kafka.pid().unwrap())
}
