//! How processes start: with kept state, without, in the wrong place, or not at all.

use std::process::Command;

use local_kafka::{Config, LocalKafka};
use pipeline_tests::{Deployment, Process, Service, order};
use serde_json::json;
use service::topics::ORDERS;
use streams::{Cleanup, TopicSpec};

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_goes_on_with_kept_state_and_with_none() {
    let mut pipeline = Deployment::new("kept");
    pipeline.start_all().await;
    pipeline.stock("p-1", 3).await;
    pipeline.orders().create(&order("first", "p-1", 1)).await.expect_status(201);
    let first = pipeline.orders().validated("first").await;
    for service in Service::ALL {
        pipeline.stop(service, 0);
    }
    pipeline.start_all().await;
    assert_eq!(pipeline.orders().get("/v1/orders/first").await.expect_status(200).body, first);
    pipeline.orders().create(&order("second", "p-1", 1)).await.expect_status(201);
    assert_eq!(pipeline.orders().validated("second").await["state"], "VALIDATED");

    for service in Service::ALL {
        pipeline.kill(service, 0);
        std::fs::remove_dir_all(pipeline.state_directory(service, 0)).unwrap();
    }
    pipeline.start_all().await;
    assert_eq!(pipeline.orders().get("/v1/orders/first").await.expect_status(200).body, first);
    pipeline.orders().create(&order("third", "p-1", 2)).await.expect_status(201);
    let third = pipeline.orders().validated("third").await;
    assert_eq!(third["reasons"][0]["code"], "OUT_OF_STOCK", "one piece is left: {third}");
    pipeline.stock("p-1", 3).await;
    pipeline.orders().create(&order("fourth", "p-1", 2)).await.expect_status(201);
    let fourth = pipeline.orders().validated("fourth").await;
    assert_eq!(fourth["state"], "FAILED", "the same adjustment again adds nothing: {fourth}");
}

#[tokio::test(flavor = "multi_thread")]
async fn state_of_another_cluster_is_given_up() {
    let first = LocalKafka::start(Config::from_env()).unwrap();
    let mut pipeline = Deployment::on("moved", &first.bootstrap_servers());
    pipeline.start_all().await;
    pipeline.orders().create(&order("old", "p-1", 1)).await.expect_status(201);
    pipeline.orders().validated("old").await;
    for service in Service::ALL {
        pipeline.stop(service, 0);
    }
    drop(first);

    let second = LocalKafka::start(Config::from_env()).unwrap();
    let mut pipeline = pipeline.moved_to(&second.bootstrap_servers());
    pipeline.start_all().await;
    pipeline.orders().get("/v1/orders/old").await.expect_status(404);
    pipeline.stock("p-1", 1).await;
    pipeline.orders().create(&order("new", "p-1", 1)).await.expect_status(201);
    assert_eq!(pipeline.orders().validated("new").await["state"], "VALIDATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_kafka_says_so_and_waits() {
    // A port that was free a moment ago and that nobody serves.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut pipeline = Deployment::on("nowhere", &format!("127.0.0.1:{port}"));
    pipeline.launch(Service::Orders, 0);
    let ready = pipeline.orders().get("/readyz").await.expect_status(503);
    assert!(ready.body.to_string().contains("orders-service"), "{ready:?}");
    pipeline.orders().get("/healthz").await.expect_status(200);
    let refused = pipeline.orders().post("/v1/orders", &order("early", "p-1", 1)).await.expect_status(503);
    assert!(refused.header("retry-after").is_some());
    pipeline.stop(Service::Orders, 0);
}

#[test]
fn topics_that_do_not_fit_are_refused_with_both_values() {
    let three = (ORDERS.spec(), 3, ["partitions", "3", "4"]);
    let deleted =
        (TopicSpec { cleanup: Cleanup::Delete, ..ORDERS.spec() }, 4, ["cleanup.policy", "delete", "compact"]);
    for (number, (topic, partitions, named)) in [three, deleted].into_iter().enumerate() {
        let mut pipeline = Deployment::new(&format!("misfit-{number}"));
        pipeline.log().create(&topic, partitions);
        pipeline.launch(Service::Orders, 0);
        let process = pipeline.process(Service::Orders, 0);
        assert!(!process.await_end().success());
        let said = process.said();
        let refusal =
            said.lines().rfind(|line| line.contains("topic orders has")).unwrap_or_else(|| panic!("{said}"));
        assert!(named.iter().all(|value| refusal.contains(value)), "{refusal}");
    }
}

#[test]
fn a_second_process_on_one_directory_is_refused() {
    let mut pipeline = Deployment::new("second");
    pipeline.launch(Service::Details, 0);
    let mut command = Command::new(pipeline_tests::binary("details-service"));
    command.args(["--http", "127.0.0.1:0", "--data-dir"]).arg(pipeline.state_directory(Service::Details, 0));
    let mut second = Process::start("second", &mut command, &pipeline.directory().join("second.log"));
    second.await_line("in use by another process");
    assert!(!second.await_end().success());
}

#[test]
fn unknown_flags_and_unreadable_values_are_refused() {
    for (arguments, said) in [
        (&["--colour", "red"][..], "unexpected argument '--colour'"),
        (&["--partitions", "none"], "invalid value 'none' for '--partitions"),
        (&["--partitions", "0"], "0 is not in 1..="),
        (&["--http", "nowhere"], "invalid value 'nowhere' for '--http"),
    ] {
        let output = Command::new(pipeline_tests::binary("orders-service")).args(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_what_is_wrong_with_its_request() {
    let mut pipeline = Deployment::new("wrong");
    pipeline.launch(Service::Orders, 0);
    let wrong = json!({"id": "🦀", "customerId": "c-1", "currency": "EUR", "state": "VALIDATED",
                       "lines": [{"productId": "p-1", "quantity": 1.5, "unitPrice": "1.005"}]});
    let answer = pipeline.orders().post("/v1/orders", &wrong).await.expect_status(422);
    let mut pointers: Vec<&str> = answer.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|error| error["pointer"].as_str())
        .collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/id", "/lines/0/quantity", "/lines/0/unitPrice", "/state"], "{answer:?}");
}
