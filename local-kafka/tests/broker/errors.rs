//! What a caller is told when there can be no broker.

use std::net::TcpListener;
use std::path::PathBuf;

use local_kafka::{Config, LocalKafka};

#[track_caller]
fn check(config: Config, expected: &[&str]) {
    let error = LocalKafka::start(config).expect_err("a broker started").to_string();
    for part in expected {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

#[test]
fn java_that_is_missing_or_something_else() {
    let java = |java: &str| Config { java: java.into(), ..Config::from_env() };
    check(java("/no/java"), &["cannot run `/no/java`; Kafka 4.2.1 needs Java 17 or newer"]);
    check(java("true"), &["`true` does not say which Java it is"]);
}

#[test]
fn an_installation_without_kafka() {
    let config = Config { kafka_home: Some(PathBuf::from("/no/kafka")), ..Config::from_env() };
    check(config, &["no Kafka installation in /no/kafka"]);
}

#[test]
fn a_port_that_is_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Config { port: Some(port), ..Config::from_env() };
    check(config, &[&format!("port {port} on 127.0.0.1 is taken")]);
}

#[test]
fn a_setting_that_kafka_refuses() {
    let settings = [("num.io.threads".to_owned(), "0".to_owned())].into();
    let config = Config { settings, ..Config::from_env() };
    check(config, &["num.io.threads"]);
}

#[test]
fn a_start_that_takes_too_long() {
    let config = Config { start_timeout: std::time::Duration::ZERO, ..Config::from_env() };
    check(config, &["Kafka did not answer on 127.0.0.1:", "within 0ns"]);
}
