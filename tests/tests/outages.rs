//! Services that are away, and records that nobody can read.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::time::{Duration, Instant};

use domain::topics;
use pipeline_tests::{Deployment, Service, order};

/// The deadline of an order in these tests: long enough for everything that is up.
const DEADLINE: &[&str] = &["--deadline", "4s"];

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_is_down_is_named() {
    let mut pipeline = Deployment::new("down").with(Service::Aggregator, DEADLINE);
    pipeline.start_all().await;
    pipeline.stock("p-1", 100).await;
    pipeline.stop(Service::Fraud, 0);
    pipeline.orders().create(&order("late", "p-1", 60)).await.expect_status(201);
    let decided = pipeline.orders().validated("late").await;
    assert_eq!(decided["state"], "FAILED", "{decided}");
    assert_eq!(decided["reasons"].as_array().unwrap().len(), 1, "{decided}");
    assert_eq!(decided["reasons"][0]["code"], "TIMED_OUT", "{decided}");
    assert_eq!(decided["reasons"][0]["check"], "FRAUD_CHECK", "{decided}");
    pipeline.start(Service::Fraud, 0).await;
    pipeline.orders().create(&order("after", "p-1", 60)).await.expect_status(201);
    let after = pipeline.orders().validated("after").await;
    assert_eq!(after["state"], "VALIDATED", "the stock of the failed order is released: {after}");
    let late = pipeline.orders().get("/v1/orders/late").await.expect_status(200);
    assert_eq!(late.body["state"], "FAILED", "a late verdict changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregator_that_was_away_for_longer_than_the_deadline_fails_nothing() {
    let mut pipeline = Deployment::new("away").with(Service::Aggregator, DEADLINE);
    pipeline.start_all().await;
    pipeline.stock("p-1", 100).await;
    pipeline.kill(Service::Aggregator, 0);
    pipeline.orders().create(&order("patient", "p-1", 1)).await.expect_status(201);
    let verdicts = pipeline.log().await_records(topics::ORDER_VALIDATIONS, 3);
    assert_eq!(verdicts.len(), 3);
    // The deadline is over by every clock when the aggregator comes back.
    tokio::time::sleep(Duration::from_secs(5)).await;
    pipeline.start(Service::Aggregator, 0).await;
    let decided = pipeline.orders().validated("patient").await;
    assert_eq!(decided["state"], "VALIDATED", "{decided}");
}

/// In each topic that somebody reads as a stream, a record that is none of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_poison_record_in_each_topic_goes_to_the_dead_letters_and_the_rest_goes_on() {
    let mut pipeline = Deployment::new("poison");
    pipeline.start_all().await;
    pipeline.stock("p-1", 100).await;
    let log = pipeline.log();
    let inputs = [
        (topics::ORDER_REQUESTS, &["orders-service"][..]),
        (
            topics::ORDERS,
            &[
                "fraud-service",
                "inventory-service",
                "details-service",
                "validation-aggregator",
                "email-service",
            ],
        ),
        (topics::ORDER_VALIDATIONS, &["validation-aggregator"]),
        (topics::ORDER_OUTCOMES, &["orders-service"]),
        (topics::WAREHOUSE_INVENTORY, &["inventory-service"]),
        (topics::GOLD, &["email-service"]),
    ];
    const POISON: &[u8] = b"\x00\xff{]";
    for (topic, _) in inputs {
        log.write_bytes(topic, b"healthy", POISON).await;
    }
    pipeline.orders().create(&order("healthy", "p-1", 1)).await.expect_status(201);
    let decided = pipeline.orders().validated("healthy").await;
    assert_eq!(decided["state"], "VALIDATED", "{decided}");
    for service in Service::ALL {
        let letters: Vec<&str> = inputs
            .iter()
            .filter(|(_, readers)| readers.contains(&service.name()))
            .map(|(topic, _)| *topic)
            .collect();
        let dead = log.await_records(&format!("{}-dlq", service.name()), letters.len());
        let mut from: Vec<String> =
            dead.iter().map(|record| header(record, "__streams.errors.topic")).collect();
        from.sort();
        let mut expected = letters.clone();
        expected.sort_unstable();
        assert_eq!(from, expected, "{service:?}");
        for record in dead {
            assert_eq!(record.value.as_deref(), Some(POISON), "raw bytes");
            assert_eq!(record.key.as_deref(), Some(&b"healthy"[..]));
        }
    }
}

fn header(record: &streams::ConsumerRecord, name: &str) -> String {
    let header = record.headers.iter().find(|header| header.name == name);
    let value = header.and_then(|header| header.value.clone()).unwrap_or_else(|| panic!("no {name}"));
    String::from_utf8(value.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_get_503_while_kafka_is_away_and_nothing_accepted_is_lost() {
    let mut kafka = local_kafka::LocalKafka::start(local_kafka::Config::from_env()).unwrap();
    let mut pipeline = Deployment::on("outage", &kafka.bootstrap_servers());
    pipeline.start_all().await;
    pipeline.stock("p-1", 100).await;
    pipeline.orders().create(&order("before", "p-1", 1)).await.expect_status(201);
    pipeline.orders().validated("before").await;
    kafka.kill().unwrap();

    let asked = Instant::now();
    let refused = pipeline.orders().post("/v1/orders", &order("during", "p-1", 1)).await.expect_status(503);
    assert!(asked.elapsed() < pipeline_tests::PATIENCE, "an answer, not a hang");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));

    let mut kafka = tokio::task::spawn_blocking(move || {
        kafka.restart().unwrap();
        kafka
    })
    .await
    .unwrap();
    let again = pipeline.orders().create(&order("during", "p-1", 1)).await;
    assert!(matches!(again.status, 200 | 201), "{again:?}");
    assert_eq!(pipeline.orders().validated("during").await["state"], "VALIDATED");
    assert_eq!(pipeline.orders().validated("before").await["state"], "VALIDATED");
    drop(pipeline);
    kafka.stop().unwrap();
}
