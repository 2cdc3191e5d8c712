//! From the first start to the second stop.

use std::time::{Duration, Instant};

use local_kafka::{Config, LocalKafka};
use serde_json::{Value, json};

use crate::pipeline::{Ready, Up, send};

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_that_is_interrupted_tells_what_there_is() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = Up::start(directory.path(), &[]).ready();

    let simulation = pipeline.simulation(&["--orders", "1000", "--rate", "10", "--products", "p-3"]);
    // Ten orders at least: the first of them have been told to be decided.
    while pipeline.stock("p-3").await["onHand"].as_i64().unwrap() > 10_000 - 30 {}
    send("INT", simulation.id());
    let output = simulation.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(128 + 2));
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains(" of 1000 orders") && report.contains("decided"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_and_the_next() {
    let directory = tempfile::tempdir().unwrap();

    let pipeline = Up::start(directory.path(), &[]).ready();
    let said = pipeline.up.said();
    let created: Vec<&str> = said.lines().filter(|line| line.contains("creating")).collect();
    // On a machine that takes long for it, the services do not wait for the rest.
    if !said.contains("start while topics are being made") {
        assert!(created.len() == 1 && created[0].contains("partitions=4"), "all at once: {created:?}");
    }
    assert_eq!(pipeline.get("/readyz").await.status(), 200);
    assert_eq!(pipeline.get("/v1/customers/c-6").await.status(), 200);
    let first = pipeline.order("first").await;
    assert_eq!(first["state"], "VALIDATED", "{first}");

    let order: Value =
        serde_json::from_str(&pipeline.try_next("A first order, and what becomes of it:")).unwrap();
    assert_eq!(order["state"], "VALIDATED", "{order}");
    let report = pipeline.try_next("A hundred orders:");
    assert!(report.starts_with("100 of 100 orders"), "{report}");
    let validated = report.lines().find_map(|line| line.strip_prefix("VALIDATED")).unwrap();
    assert!(
        validated.trim().parse::<usize>().unwrap() > 90,
        "most of the customers are below the limit: {report}"
    );
    let sold = settled_stock(&pipeline, "p-1").await;
    assert!(sold["onHand"].as_i64().unwrap() < 10_000, "{sold}");
    pipeline.stop("TERM");

    let pipeline = Up::start(directory.path(), &[]).ready();
    assert_eq!(settled_stock(&pipeline, "p-1").await, sold);
    assert_eq!(pipeline.get("/v1/orders/first").await.json::<Value>().await.unwrap(), first);
    let order = pipeline.order("second").await;
    assert_eq!(order["state"], "VALIDATED", "{order}");
    pipeline.stop("INT");
}

/// The mail server takes connections and says nothing. Orchestrators give a process 10 s.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_over_in_time_though_a_mail_is_under_way() {
    let directory = tempfile::tempdir().unwrap();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", silent.local_addr().unwrap());
    let pipeline = Up::start(directory.path(), &["--smtp-url", &url, "--shutdown-timeout", "5s"]).ready();
    pipeline.order("first").await;
    let _connection = silent.accept().await.unwrap();
    let begun = Instant::now();
    pipeline.stop("TERM");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn either_of_two_on_one_cluster_answers() {
    let kafka = LocalKafka::start(Config::from_env()).unwrap();
    let servers = kafka.bootstrap_servers();
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [first, second] = directories
        .each_ref()
        .map(|directory| Up::start(directory.path(), &["--bootstrap-servers", &servers, "--seed"]).ready());

    for number in 0..6 {
        let id = format!("o-{number}");
        let order = first.order(&id).await;
        assert_eq!(order["state"], "VALIDATED", "{order}");
        let found = second.get(&format!("/v1/orders/{id}?timeout=60000")).await;
        assert_eq!(found.json::<Value>().await.unwrap(), order);
    }
    // What was the second one's is the first one's now.
    second.stop("TERM");
    let order = first.order("alone").await;
    assert_eq!(order["state"], "VALIDATED", "{order}");
    first.stop("TERM");
}

/// A stock when all decided orders have reached it: shortly after they were decided.
async fn settled_stock(pipeline: &Ready, product: &str) -> Value {
    loop {
        let stock = pipeline.stock(product).await;
        if stock["reserved"] == json!(0) {
            return stock;
        }
    }
}
