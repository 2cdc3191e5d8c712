//! Services that die, sleep or move in the middle of a stream of orders: nothing is lost, nothing doubled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use local_kafka::LocalKafka;
use pipeline_tests::{Client, Deployment, PATIENCE, Service, check_exactly_once, order_of};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How many orders a stream has; every fourth wants what is not there.
const ORDERS: usize = 240;
const CONCURRENCY: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_each_service_in_the_middle_of_a_stream() {
    let mut pipeline = Deployment::new("kill");
    pipeline.start_all().await;
    pipeline.stock("p-1", 10_000).await;
    pipeline.stock("p-2", 10_000).await;
    let mut stream = Stream::of(pipeline.orders());
    for (number, service) in Service::ALL.into_iter().filter(|s| *s != Service::Orders).enumerate() {
        stream.reach((number + 1) * ORDERS / 8).await;
        pipeline.kill(service, 0);
        pipeline.launch(service, 0);
    }
    let ids = stream.finish(pipeline.orders()).await;
    check_stream(&pipeline, &ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_the_orders_service_in_the_middle_of_a_stream() {
    let mut pipeline = Deployment::new("kill-orders");
    pipeline.start_all().await;
    pipeline.stock("p-1", 10_000).await;
    pipeline.stock("p-2", 10_000).await;
    let mut stream = Stream::of(pipeline.orders());
    stream.reach(ORDERS / 3).await;
    pipeline.kill(Service::Orders, 0);
    pipeline.relaunch(Service::Orders, 0);
    let ids = stream.finish(pipeline.orders()).await;
    check_stream(&pipeline, &ids);
}

/// Invariant 4: a worker that slept through its session and wakes up must not commit as if it still owned its
/// partitions, which another instance has taken over meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_sleeps_through_its_session() {
    let mut pipeline = Deployment::new("sleep");
    pipeline.start_all().await;
    pipeline.stock("p-1", 10_000).await;
    pipeline.stock("p-2", 10_000).await;
    for service in [Service::Inventory, Service::Aggregator] {
        pipeline.start(service, 1).await;
    }
    let mut stream = Stream::of(pipeline.orders());
    stream.reach(ORDERS / 4).await;
    for service in [Service::Inventory, Service::Aggregator] {
        pipeline.process(service, 0).signal("STOP");
    }
    // The second instances take over when the session has timed out, and the stream goes on with them alone.
    stream.reach(ORDERS * 3 / 4).await;
    for service in [Service::Inventory, Service::Aggregator] {
        pipeline.process(service, 0).signal("CONT");
    }
    let ids = stream.finish(pipeline.orders()).await;
    check_stream(&pipeline, &ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_come_and_go() {
    let mut pipeline = Deployment::new("come-and-go");
    pipeline.start_all().await;
    pipeline.stock("p-1", 10_000).await;
    pipeline.stock("p-2", 10_000).await;
    let mut stream = Stream::of(pipeline.orders());
    let moving = [Service::Fraud, Service::Inventory, Service::Aggregator, Service::Email];
    stream.reach(ORDERS / 4).await;
    for service in moving {
        pipeline.launch(service, 1);
    }
    stream.reach(ORDERS / 2).await;
    for service in moving {
        pipeline.await_ready(service, 1).await;
        pipeline.stop(service, 0);
    }
    let ids = stream.finish(pipeline.orders()).await;
    check_stream(&pipeline, &ids);
}

/// Whatever is under way fails at once, or nobody knows whether it has: transactions, commits, requests.
#[tokio::test(flavor = "multi_thread")]
async fn kafka_dies_in_the_middle_of_a_stream() {
    let mut kafka = LocalKafka::start(local_kafka::Config::from_env()).expect("Kafka starts");
    let mut pipeline = Deployment::on("kafka-dies", &kafka.bootstrap_servers())
        // The outage is not to decide any order.
        .with(Service::Aggregator, &["--deadline", "300s"]);
    pipeline.start_all().await;
    pipeline.stock("p-1", 10_000).await;
    pipeline.stock("p-2", 10_000).await;
    let mut stream = Stream::of(pipeline.orders());
    for part in [1, 2] {
        stream.reach(ORDERS * part / 3).await;
        kafka = tokio::task::spawn_blocking(move || {
            kafka.kill().expect("Kafka can be killed");
            kafka.restart().expect("Kafka starts again");
            kafka
        })
        .await
        .expect("the broker is at hand");
    }
    let ids = stream.finish(pipeline.orders()).await;
    check_stream(&pipeline, &ids);
    drop(pipeline);
    kafka.stop().expect("Kafka stops");
}

#[track_caller]
fn check_stream(pipeline: &Deployment, ids: &[String]) {
    let log = pipeline.log();
    let deadline = Instant::now() + PATIENCE;
    let tiers = ["platinum", "gold", "silver", "bronze"];
    let written = || tiers.iter().map(|tier| log.records(tier).len()).sum::<usize>();
    while written() < ids.len() {
        assert!(Instant::now() < deadline, "{} tier records of {}", written(), ids.len());
        std::thread::sleep(Duration::from_millis(100));
    }
    let outcomes = check_exactly_once(&log, ids);
    assert_eq!((outcomes.validated, outcomes.failed), (ORDERS * 3 / 4, ORDERS / 4));
}

/// Orders that are posted one after the other, several at a time.
struct Stream {
    posted: watch::Receiver<usize>,
    task: JoinHandle<Vec<String>>,
}

impl Stream {
    fn of(client: &Client) -> Self {
        let client = Arc::new(Client::new(client.url()));
        let (count, posted) = watch::channel(0);
        let task = tokio::spawn(async move {
            let post = async |number: usize| {
                let id = format!("o-{number}");
                let product = if number % 4 == 3 { "p-none" } else { "p-2" };
                let order = order_of(&id, &[("p-1", 1), (product, 2)]);
                let answer = client.create(&order).await;
                // After a retry of a request whose answer was lost, the order is there already.
                assert!(matches!(answer.status, 200 | 201), "{answer:?}");
                count.send_modify(|count| *count += 1);
                id
            };
            futures::stream::iter(0..ORDERS).map(post).buffer_unordered(CONCURRENCY).collect().await
        });
        Self { posted, task }
    }

    /// Waits until so many orders are accepted.
    async fn reach(&mut self, count: usize) {
        let reached = self.posted.wait_for(|posted| *posted >= count);
        tokio::time::timeout(PATIENCE, reached)
            .await
            .expect("orders are accepted")
            .expect("the stream goes on");
    }

    /// Waits until all orders are accepted and decided; their ids.
    async fn finish(self, client: &Client) -> Vec<String> {
        let ids = self.task.await.expect("all orders are accepted");
        let mut decided: FuturesUnordered<_> = ids.iter().map(|id| client.validated(id)).collect();
        while decided.next().await.is_some() {}
        drop(decided);
        ids
    }
}
