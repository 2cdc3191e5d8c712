//! Several instances of the services that answer HTTP: any of them answers, whichever owns the key.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::time::{Duration, Instant};

use pipeline_tests::{Answer, Client, Deployment, PATIENCE, RoundRobin, Service, check_exactly_once, order};
use reqwest::Method;
use serde_json::json;
use service::topics;

/// By this an instance knows that it is another one that asks.
const FORWARDED: (&str, &str) = ("order-pipeline-forwarded-by", "a-test");

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_answered_by_any_instance() {
    let mut pipeline = Deployment::new("any-orders");
    // Makes a topic that orders-service reads, and decides nothing while there are no validators.
    pipeline.launch(Service::Aggregator, 0);
    pipeline.start(Service::Orders, 0).await;
    pipeline.start(Service::Orders, 1).await;
    pipeline.await_ready(Service::Orders, 0).await;
    let either = [0, 1].map(|instance| Client::new(pipeline.client_of(Service::Orders, instance).url()));

    post_to_one_and_get_from_either(&either).await;
    answers_are_the_same_from_either(&either).await;
    nothing_is_forwarded_twice(&either).await;
    a_wait_through_the_other_ends_with_its_client(&either).await;
    a_wait_through_the_other_survives_the_owners_sigterm(&mut pipeline, &either).await;
    a_wait_at_the_owner_survives_its_sigterm(&mut pipeline, &either).await;
    a_wait_through_the_other_survives_the_owners_kill_9(&mut pipeline, &either).await;
}

/// Confluent's example has such a test: two instances, one is posted to, either is asked.
async fn post_to_one_and_get_from_either(either: &[Client; 2]) {
    let mut owned = [0, 0];
    for number in 0..16 {
        let (to, id) = (number % 2, format!("either-{number}"));
        let path = format!("/v1/orders/{id}");
        let long_poll = format!("{path}?timeout=30000");
        // Who asked before the order was there gets it too.
        let waiting = async { tokio::join!(either[0].get(&long_poll), either[1].get(&long_poll)) };
        let posting = async { either[to].post("/v1/orders", &order(&id, "p-1", 1)).await };
        let (posted, waited) = tokio::join!(posting, waiting);
        let posted = posted.expect_status(201);
        assert_eq!(posted.header("location"), Some(&*path));
        for answer in [waited.0, waited.1, either[0].get(&path).await, either[1].get(&path).await] {
            let answer = answer.expect_status(200);
            assert_eq!((&answer.body, answer.header("etag")), (&posted.body, posted.header("etag")));
        }
        owned[owner(either, &id).await] += 1;
    }
    println!("orders by owner: {owned:?}");
    assert!(owned.iter().all(|count| *count > 0), "both have some: {owned:?}");
}

async fn answers_are_the_same_from_either(either: &[Client; 2]) {
    let there = order("either-1", "p-1", 1);
    let mut other = there.clone();
    other["currency"] = json!("JPY");
    other["lines"][0]["unitPrice"] = json!("1");
    let (known, json_body) = (("if-none-match", r#""1.1""#), "application/json");
    for (method, path, headers, body, expected) in [
        (Method::POST, "/v1/orders", vec![], Some(&there), 200),
        (Method::POST, "/v1/orders", vec![], Some(&other), 409),
        (Method::POST, "/v1/orders", vec![("prefer", "wait=0")], Some(&there), 200),
        (Method::POST, "/v1/orders", vec![], Some(&json!({"id": "x"})), 422),
        (Method::GET, "/v1/orders/either-1", vec![known], None, 304),
        (Method::GET, "/v1/orders/either-1?timeout=50", vec![known], None, 304),
        (Method::GET, "/v1/orders/either-1/validated?timeout=50", vec![], None, 504),
        (Method::HEAD, "/v1/orders/either-1", vec![("accept", json_body)], None, 200),
        (Method::GET, "/v1/orders/nobody", vec![], None, 404),
        (Method::GET, "/v1/orders/nobody?timeout=50", vec![], None, 504),
        (Method::GET, "/v1/orders/nobody?timeout=x", vec![], None, 422),
    ] {
        let mut answers = Vec::new();
        for client in either {
            let answer = client.send(method.clone(), path, &headers, body).await.expect_status(expected);
            let names = ["content-type", "content-length", "etag", "location", "preference-applied"];
            answers.push((names.map(|name| answer.header(name).map(str::to_owned)), answer.body));
        }
        assert_eq!(answers[0], answers[1], "{method} {path} {headers:?}");
    }

    let mut without_id = order("x", "p-1", 1);
    without_id.as_object_mut().unwrap().remove("id");
    let key = [("idempotency-key", "key-1")];
    let first = either[0].send(Method::POST, "/v1/orders", &key, Some(&without_id)).await.expect_status(201);
    let again = either[1].send(Method::POST, "/v1/orders", &key, Some(&without_id)).await.expect_status(200);
    assert_eq!(first.body, again.body);
    for client in either.iter().cycle().take(8) {
        let made = client.post("/v1/orders", &without_id).await.expect_status(201);
        let path = made.header("location").unwrap().to_owned();
        for client in either {
            assert_eq!(client.get(&path).await.expect_status(200).body, made.body);
        }
    }
    let prefer = [("prefer", "respond-async")];
    for (number, client) in either.iter().cycle().take(8).enumerate() {
        let order = order(&format!("async-{number}"), "p-1", 1);
        let accepted =
            client.send(Method::POST, "/v1/orders", &prefer, Some(&order)).await.expect_status(202);
        let path = format!("{}?timeout=30000", accepted.header("location").unwrap());
        either[(number + 1) % 2].get(&path).await.expect_status(200);
    }
}

async fn nothing_is_forwarded_twice(either: &[Client; 2]) {
    let id = "either-0";
    let not_owner = 1 - owner(either, id).await;
    for path in [format!("/v1/orders/{id}"), format!("/v1/orders/{id}/validated?timeout=60000")] {
        let answer = either[not_owner].send(Method::GET, &path, &[FORWARDED], None).await.expect_status(503);
        assert_eq!(answer.header("order-pipeline-not-mine"), Some("true"));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    let answer =
        either[not_owner].send(Method::POST, "/v1/orders", &[FORWARDED], Some(&order(id, "p-1", 1))).await;
    assert_eq!(answer.expect_status(503).header("order-pipeline-not-mine"), Some("true"));
}

async fn a_wait_through_the_other_ends_with_its_client(either: &[Client; 2]) {
    let id = id_of_second(either, "leaves").await;
    let waiting = wait_at(&either[0], &id);
    until_waiting(&either[1], 1).await;
    waiting.abort();
    until_waiting(&either[1], 0).await;
}

async fn a_wait_through_the_other_survives_the_owners_sigterm(
    pipeline: &mut Deployment,
    either: &[Client; 2],
) {
    let id = id_of_second(either, "sigterm").await;
    let waiting = wait_at(&either[0], &id);
    until_waiting(&either[1], 1).await;
    let begun = Instant::now();
    pipeline.process(Service::Orders, 1).stop();
    posted_and_answered(either, &id, waiting).await;
    println!("through the other, SIGTERM of the owner: posted and answered after {:?}", begun.elapsed());
    come_back(pipeline, either).await;
}

async fn a_wait_at_the_owner_survives_its_sigterm(pipeline: &mut Deployment, either: &[Client; 2]) {
    let id = id_of_second(either, "at-owner").await;
    let waiting = wait_at(&either[1], &id);
    until_waiting(&either[1], 1).await;
    let begun = Instant::now();
    pipeline.process(Service::Orders, 1).signal("TERM");
    posted_and_answered(either, &id, waiting).await;
    println!("at the owner, SIGTERM of the owner: posted and answered after {:?}", begun.elapsed());
    assert!(pipeline.process(Service::Orders, 1).await_end().success());
    come_back(pipeline, either).await;
}

async fn a_wait_through_the_other_survives_the_owners_kill_9(
    pipeline: &mut Deployment,
    either: &[Client; 2],
) {
    let id = id_of_second(either, "kill").await;
    let waiting = wait_at(&either[0], &id);
    until_waiting(&either[1], 1).await;
    let begun = Instant::now();
    pipeline.kill(Service::Orders, 1);
    // The group takes the dead one for its member for a while: there is no owner.
    let without_time = either[0].get(&format!("/v1/orders/{id}")).await.expect_status(503);
    assert_eq!(without_time.header("retry-after"), Some("1"));
    assert_eq!(without_time.header("content-type"), Some("application/problem+json"));
    posted_and_answered(either, &id, waiting).await;
    println!("through the other, kill -9 of the owner: posted and answered after {:?}", begun.elapsed());
}

type Waiting = tokio::task::JoinHandle<Answer>;

fn wait_at(client: &Client, id: &str) -> Waiting {
    let (client, path) = (Client::new(client.url()), format!("/v1/orders/{id}?timeout=80000"));
    tokio::spawn(async move { client.get(&path).await })
}

/// Posts an order to the first instance, which has to get it where it belongs, and has it come to who waits.
async fn posted_and_answered(either: &[Client; 2], id: &str, waiting: Waiting) {
    let posted = either[0].create(&order(id, "p-1", 1)).await.expect_status(201);
    let answer =
        tokio::time::timeout(PATIENCE, waiting).await.expect("the wait ends").unwrap().expect_status(200);
    assert_eq!(answer.body, posted.body);
}

async fn come_back(pipeline: &mut Deployment, either: &[Client; 2]) {
    pipeline.relaunch(Service::Orders, 1);
    for client in either {
        client.await_ready().await;
    }
}

/// Which of them owns an order, told by themselves.
async fn owner(either: &[Client; 2], id: &str) -> usize {
    let path = format!("/v1/orders/{id}");
    let deadline = Instant::now() + PATIENCE;
    loop {
        for (number, client) in either.iter().enumerate() {
            let answer = client.send(Method::GET, &path, &[FORWARDED], None).await;
            if answer.status != 503 {
                return number;
            }
        }
        assert!(Instant::now() < deadline, "nobody owns {id}");
    }
}

/// An id of an order that is not there and that the second instance owns.
async fn id_of_second(either: &[Client; 2], prefix: &str) -> String {
    for number in 0.. {
        let id = format!("{prefix}-{number}");
        if owner(either, &id).await == 1 {
            return id;
        }
    }
    unreachable!("the second owns some")
}

/// Returns when so many requests wait at an instance.
async fn until_waiting(client: &Client, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    let line = format!("streams_waiters{{application=\"orders-service\"}} {count}");
    while !client.text("/metrics").await.lines().any(|found| found == line) {
        assert!(Instant::now() < deadline, "{count} should wait");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stocks_are_answered_by_any_instance() {
    let mut pipeline = Deployment::new("any-stock");
    // What it reads is made by other services.
    for service in [Service::Orders, Service::Inventory] {
        pipeline.launch(service, 0);
    }
    pipeline.start(Service::Inventory, 1).await;
    pipeline.await_ready(Service::Inventory, 0).await;
    let either = [0, 1].map(|instance| Client::new(pipeline.client_of(Service::Inventory, instance).url()));
    for number in 0..8 {
        let (to, product) = (number % 2, format!("p-{number}"));
        let stock =
            |on_hand| json!({"productId": product, "onHand": on_hand, "reserved": 0, "available": on_hand});
        let path = format!("/v1/inventory/{product}");
        let adjust = format!("{path}/adjustments");
        let adjustment = |quantity| json!({"id": "a-1", "quantity": quantity});
        for client in &either {
            client.get(&path).await.expect_status(404);
        }
        assert_eq!(either[to].post(&adjust, &adjustment(5)).await.expect_status(200).body, stock(5));
        for client in &either {
            assert_eq!(client.get(&path).await.expect_status(200).body, stock(5), "read your writes");
            assert_eq!(
                client.post(&adjust, &adjustment(5)).await.expect_status(200).body,
                stock(5),
                "the same"
            );
            client.post(&adjust, &adjustment(6)).await.expect_status(409);
            client.post(&adjust, &json!({"id": "a-2", "quantity": -6})).await.expect_status(409);
            client.post(&adjust, &json!({"quantity": "6"})).await.expect_status(422);
        }
        // Each without an id is another one.
        for (client, on_hand) in either.iter().zip([6, 7]) {
            let answer = client.post(&adjust, &json!({"quantity": 1})).await.expect_status(200);
            assert_eq!(answer.body, stock(on_hand));
        }
    }
    let forwarded = |page: &str| {
        page.lines().find_map(|line| {
            line.strip_prefix("streams_forwarded_calls_total{application=\"inventory-service\"} ")?
                .parse::<u64>()
                .ok()
        })
    };
    for client in &either {
        let count = forwarded(&client.text("/metrics").await);
        println!("forwarded calls: {count:?}");
        assert!(count.is_some_and(|count| count > 0), "{count:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_are_answered_by_any_instance() {
    let mut pipeline = Deployment::new("any-customer");
    pipeline.log().create(&topics::ORDERS.spec(), 4);
    for instance in [0, 1] {
        pipeline.start(Service::Email, instance).await;
    }
    let either = [0, 1].map(|instance| Client::new(pipeline.client_of(Service::Email, instance).url()));
    let customer = |name: &str| json!({"name": name, "email": "ada@example.org", "level": "gold"});
    for number in 0..40 {
        let path = format!("/v1/customers/c-{}", number / 4);
        let (to, written) = (&either[number % 2], customer(&format!("Ada {number}")));
        to.put(&path, &written).await.expect_status(200);
        for from in [&either[1 - number % 2], to] {
            assert_eq!(from.get(&path).await.expect_status(200).body, written, "{path}: read your writes");
        }
    }
    // One that has just come has read them before it answers, also where nothing more is written.
    pipeline.process(Service::Email, 1).stop();
    either[0].put("/v1/customers/c-0", &customer("Ada")).await.expect_status(200);
    for _ in 0..2 {
        pipeline.relaunch(Service::Email, 1);
        let answer = once_available(&either[1], "/v1/customers/c-0").await;
        assert_eq!(answer.expect_status(200).body, customer("Ada"));
        once_available(&either[1], "/v1/customers/nobody").await.expect_status(404);
        either[1].await_ready().await;
        pipeline.process(Service::Email, 1).stop();
    }
}

/// Asks again as long as the answer is 503.
async fn once_available(client: &Client, path: &str) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = client.get(path).await;
        if answer.status != 503 {
            return answer;
        }
        assert!(Instant::now() < deadline, "{path} is never answered: {answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many orders the run has.
const ORDERS: usize = 400;
const CONCURRENCY: usize = 10;

/// Three instances, asked in turn while one is stopped and one is killed.
#[tokio::test(flavor = "multi_thread")]
async fn three_instances_answer_right_while_they_come_and_go() {
    let mut pipeline = Deployment::new("three");
    pipeline.start_all().await;
    for instance in [1, 2] {
        pipeline.start(Service::Orders, instance).await;
    }
    pipeline.stock("p-1", 10_000).await;
    let urls = [0, 1, 2].map(|instance| pipeline.client_of(Service::Orders, instance).url().to_owned());
    let clients = RoundRobin::of(&urls);
    let mut run = clients.run(ORDERS, CONCURRENCY, |number| order(&format!("o-{number}"), "p-1", 1));

    run.reach(ORDERS / 5).await;
    pipeline.process(Service::Orders, 1).stop();
    run.reach(ORDERS * 2 / 5).await;
    pipeline.relaunch(Service::Orders, 1);
    run.reach(ORDERS * 3 / 5).await;
    pipeline.kill(Service::Orders, 2);
    run.reach(ORDERS * 4 / 5).await;
    pipeline.relaunch(Service::Orders, 2);
    let tally = run.finish().await;

    // Nothing is lost: every order stands where it should, once, and any instance shows it.
    let ids: Vec<String> = (0..ORDERS).map(|number| format!("o-{number}")).collect();
    let mut lost = 0;
    for id in &ids {
        let seen = clients.decided(id).await;
        lost += usize::from(seen["state"] != "VALIDATED" || seen["version"] != 2);
    }
    println!("{tally}, lost: {lost}");
    assert_eq!((tally.wrong.as_slice(), lost), (&[] as &[String], 0), "{tally}");
    let log = pipeline.log();
    let deadline = Instant::now() + PATIENCE;
    while ["platinum", "gold", "silver", "bronze"].iter().map(|tier| log.records(tier).len()).sum::<usize>()
        < ORDERS
    {
        assert!(Instant::now() < deadline, "the email service has not written all");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(check_exactly_once(&log, &ids).validated, ORDERS);
}
