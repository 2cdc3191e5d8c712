//! What cannot run says why and leaves nothing behind.

use std::net::TcpListener;

use crate::pipeline::{Up, command};

/// Runs to its end, which is an error that says all of this.
#[track_caller]
fn check(up: Up, expected: &[&str]) {
    let (status, stderr) = up.refused();
    assert_eq!(status.code(), Some(1), "{stderr}");
    let last = stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("pipeline: "), "{stderr}");
    for expected in expected {
        assert!(last.contains(expected), "{expected:?} is not in {last:?}");
    }
}

#[test]
fn an_address_that_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    check(Up::start(directory.path(), &["--http", &address]), &[&address, "Address already in use"]);
}

#[test]
fn a_port_for_kafka_that_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    check(Up::start(directory.path(), &["--kafka-port", &port]), &["could not start Kafka", &port, "taken"]);
}

#[test]
fn a_mail_server_that_is_none() {
    let directory = tempfile::tempdir().unwrap();
    check(Up::start(directory.path(), &["--smtp-url", "nonsense"]), &["not the URL of a mail server"]);
}

#[test]
fn a_directory_that_another_process_uses_and_partitions_that_do_not_match() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let pipeline = Up::start(directory.path(), &["--partitions", "2"]).ready();
    check(Up::start(directory.path(), &[]), &[data.to_str().unwrap(), "in use by another process"]);
    pipeline.stop("TERM");

    check(Up::start(directory.path(), &["--partitions", "3"]), &["2", "3", "partitions"]);
}

#[test]
fn a_pipeline_that_is_not_there() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = command("simulate").args(["--url", &format!("http://{free}")]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with(&format!("pipeline: nobody answers at http://{free}")), "{stderr}");
}
