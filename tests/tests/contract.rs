//! The HTTP contract where it needs a real Kafka: what happens at once, what waits, and what its description says.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use domain::{Decision, Outcome};
use futures::future::join_all;
use pipeline_tests::{Answer, Client, Deployment, PATIENCE, Service, order};
use reqwest::Method;
use serde_json::{Value, json};
use service::topics::{ORDER_OUTCOMES, ORDERS};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_twenty_times_at_once_is_done_once() {
    let pipeline = orders_alone("twenty").await;
    let orders = pipeline.orders();

    let named = order("twenty", "p-1", 1);
    let id = the_one_of(twenty(orders, &named, &[]).await);
    assert_eq!(id, "twenty");
    let mut other = named.clone();
    other["lines"][0]["quantity"] = json!(2);
    for answer in twenty(orders, &other, &[]).await {
        let problem = answer.expect_status(409).body;
        assert_eq!(problem["type"], "urn:order-pipeline:conflict");
    }

    let mut nameless = named.clone();
    nameless.as_object_mut().unwrap().remove("id");
    let key = [("idempotency-key", "twenty")];
    let id = the_one_of(twenty(orders, &nameless, &key).await);
    let mut ids = BTreeSet::from(["twenty".to_owned(), id]);
    for answer in twenty(orders, &nameless, &[]).await {
        ids.insert(answer.expect_status(201).body["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 22, "without a key each is an order of its own");
    let written: Vec<_> = pipeline.log().entries(&ORDERS).into_iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(written.len(), 22, "each order was written once: {written:?}");
    assert_eq!(written.into_iter().collect::<BTreeSet<_>>(), ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_is_adjusted_once_for_each_id() {
    let mut pipeline = Deployment::new("stock");
    pipeline.log().create(&ORDERS.spec(), 4);
    pipeline.start(Service::Inventory, 0).await;
    let inventory = pipeline.client(Service::Inventory);
    let adjust = |body: Value| async move { inventory.post("/v1/inventory/p-1/adjustments", &body).await };
    let stock =
        |on_hand: i64| json!({"productId": "p-1", "onHand": on_hand, "reserved": 0, "available": on_hand});

    inventory.get("/v1/inventory/p-1").await.expect_status(404);
    let ten = json!({"id": "delivery", "quantity": 10});
    for answer in join_all((0..20).map(|_| adjust(ten.clone()))).await {
        assert_eq!(answer.expect_status(200).body, stock(10));
    }
    assert_eq!(adjust(json!({"quantity": 5})).await.expect_status(200).body, stock(15));
    assert_eq!(
        adjust(json!({"quantity": 5})).await.expect_status(200).body,
        stock(20),
        "without an id it is another"
    );
    assert_eq!(adjust(ten).await.expect_status(200).body, stock(10), "the answer that was given");
    for (body, status, kind) in [
        (json!({"id": "delivery", "quantity": 11}), 409, "conflict"),
        (json!({"id": "loss", "quantity": -21}), 409, "conflict"),
        (json!({"id": "flood", "quantity": i64::MAX}), 409, "conflict"),
        (json!({"id": "..", "quantity": 1}), 422, "invalid"),
        (json!({"id": "a", "quantity": 1, "onHand": 7}), 422, "invalid"),
        (json!({"id": "a", "quantity": 1.5}), 422, "invalid"),
        (json!([]), 422, "invalid"),
    ] {
        let problem = adjust(body).await.expect_status(status).body;
        assert_eq!(problem["type"], format!("urn:order-pipeline:{kind}"));
    }
    let read = inventory.get("/v1/inventory/p-1").await.expect_status(200);
    assert_eq!(read.body, stock(20), "nothing of that has changed anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_read_as_written() {
    let mut pipeline = Deployment::new("customers");
    pipeline.log().create(&ORDERS.spec(), 4);
    pipeline.start(Service::Email, 0).await;
    let email = pipeline.client(Service::Email);
    let path = "/v1/customers/c-1";
    email.get(path).await.expect_status(404);
    for level in ["platinum", "bronze"] {
        let customer = json!({"name": "Ada", "email": "ada@example.org", "level": level});
        assert_eq!(email.put(path, &customer).await.expect_status(200).body, customer);
        assert_eq!(email.get(path).await.expect_status(200).body, customer);
    }
    let wrong = json!({"id": "c-2", "name": "", "email": "nobody", "level": "gold "});
    let problem = email.put(path, &wrong).await.expect_status(422).body;
    let pointers: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(pointers, ["/id", "/name", "/email", "/level"]);
    assert_eq!(email.get(path).await.body["level"], "bronze");
}

/// What is stored and cannot be read is the service's own fault, however often it is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_500_and_no_dead_letter() {
    let mut pipeline = Deployment::new("unreadable");
    pipeline.log().create(&ORDERS.spec(), 4);
    pipeline.start(Service::Inventory, 0).await;
    let adjust = |id: &str| json!({"id": id, "quantity": 5});
    let (path, other) = ("/v1/inventory/p-1/adjustments", "/v1/inventory/p-2/adjustments");
    let before = pipeline.client(Service::Inventory).post(path, &adjust("a-1")).await.expect_status(200);

    pipeline.process(Service::Inventory, 0).stop();
    pipeline.log().damage("inventory-service-changelog", "stock/p-1").await;
    pipeline.relaunch(Service::Inventory, 0);
    let inventory = pipeline.client(Service::Inventory);
    inventory.await_ready().await;
    inventory.get("/v1/inventory/p-1").await.expect_status(500);
    for body in [adjust("a-2"), adjust("a-2"), adjust("a-3"), json!({"quantity": 5})] {
        let problem = inventory.post(path, &body).await.expect_status(500).body;
        assert_eq!(problem["type"], "urn:order-pipeline:internal", "{problem}");
    }
    assert_eq!(inventory.post(path, &adjust("a-1")).await.expect_status(200).body, before.body);
    inventory.post(other, &adjust("a-1")).await.expect_status(200);
    let dead = pipeline.log().records("inventory-service-dlq");
    assert!(dead.is_empty(), "{dead:?}");
}

/// orders-service without those who judge, so that what is waited for does not come unless the test says so.
async fn orders_alone(test: &str) -> Deployment {
    let mut pipeline = Deployment::new(test);
    pipeline.log().create(&ORDER_OUTCOMES.spec(), 4);
    pipeline.start(Service::Orders, 0).await;
    pipeline
}

async fn twenty(client: &Client, order: &Value, headers: &[(&str, &str)]) -> Vec<Answer> {
    join_all((0..20).map(|_| client.send(Method::POST, "/v1/orders", headers, Some(order)))).await
}

/// One 201 and nineteen 200, all with the same order, whose id is returned.
#[track_caller]
fn the_one_of(answers: Vec<Answer>) -> String {
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200; 19], vec![201]].concat());
    assert!(answers.iter().all(|answer| answer.body == answers[0].body), "{answers:?}");
    for answer in &answers {
        assert_eq!(answer.header("location").is_some(), answer.status == 201);
        assert_eq!(answer.header("etag"), Some("\"1.1\""));
    }
    answers[0].body["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_waits_as_long_as_it_wants_to() {
    let pipeline = orders_alone("waits").await;
    let orders = pipeline.orders();
    let post = |id: &'static str, prefer: &'static str| async move {
        orders.send(Method::POST, "/v1/orders", &[("prefer", prefer)], Some(&order(id, "p-1", 1))).await
    };

    let in_vain = post("in-vain", "wait=1").await.expect_status(201);
    assert_eq!(
        (in_vain.header("preference-applied"), &in_vain.body["state"]),
        (Some("wait=1"), &json!("CREATED"))
    );
    let accepted = post("accepted", "respond-async").await.expect_status(202);
    assert_eq!(accepted.header("preference-applied"), Some("respond-async"));
    let location = accepted.header("location").unwrap();
    orders.get(&format!("{location}?timeout=60000")).await.expect_status(200);
    assert_eq!(post("accepted", "respond-async").await.status, 202, "what comes of it shows in the order");

    let known = [("if-none-match", "\"1.1\"")];
    let get = |path: &'static str| orders.send(Method::GET, path, &known, None);
    get("/v1/orders/in-vain").await.expect_status(304);
    get("/v1/orders/in-vain?timeout=1").await.expect_status(304);
    let decided = async {
        await_waiters(orders, 3).await;
        decide(&pipeline, "in-vain").await;
    };
    let (changed, validated, replay, ()) = tokio::join!(
        get("/v1/orders/in-vain?timeout=60000"),
        get("/v1/orders/in-vain/validated?timeout=60000"),
        post("in-vain", "wait=60"),
        decided
    );
    for (answer, status) in [(changed, 200), (validated, 200), (replay, 200)] {
        let answer = answer.expect_status(status);
        assert_eq!((answer.header("etag"), &answer.body["state"]), (Some("\"1.2\""), &json!("VALIDATED")));
    }
    get("/v1/orders/in-vain").await.expect_status(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_leaves_nothing_behind() {
    let pipeline = orders_alone("gone").await;
    let orders = pipeline.orders();
    orders.create(&order("gone", "p-1", 1)).await.expect_status(201);
    let address = orders.url().trim_start_matches("http://");
    let gone = order("gone", "p-1", 1).to_string();
    let post = format!(
        "POST /v1/orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nprefer: wait=300\r\n\
         content-length: {}\r\n\r\n{gone}",
        gone.len()
    );
    let get = |path: &str, header: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n{header}\r\n");
    let requests = [
        post,
        get("/v1/orders/gone?timeout=300000", "if-none-match: *\r\n"),
        get("/v1/orders/gone/validated?timeout=300000", ""),
        get("/v1/orders/nobody?timeout=300000", ""),
    ];
    let connect = |request: &String| {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        connection
    };
    let connections: Vec<_> = (0..25).flat_map(|_| &requests).map(connect).collect();
    await_waiters(orders, 100).await;
    drop(connections);
    await_waiters(orders, 0).await;
    // The metrics' own request is all that is under way.
    await_metric(orders, "http_requests_under_way 0").await;
}

/// An open transaction of another program on an input: the service is ready, and says what it waits for.
#[tokio::test(flavor = "multi_thread")]
async fn what_holds_an_input_up_is_told() {
    let mut pipeline = Deployment::new("held-up");
    pipeline.log().create(&ORDERS.spec(), 4);
    pipeline.start(Service::Details, 0).await;
    let details = pipeline.client(Service::Details);
    let ready = details.get("/readyz").await.expect_status(200);
    assert_eq!(ready.body, json!({"status": "ready"}));

    let open = pipeline.open_transaction(ORDERS.name(), 2);
    let expected =
        "details-service: orders-2 is held up by an open transaction: nothing from offset 0 on is read";
    let deadline = Instant::now() + PATIENCE;
    let detail = loop {
        let ready = details.get("/readyz").await.expect_status(200);
        assert_eq!(ready.body["status"], "ready");
        if let Some(detail) = ready.body["details"][0].as_str() {
            break detail.to_owned();
        }
        assert!(Instant::now() < deadline, "nothing is told: {}", ready.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(detail.starts_with(expected) && detail.contains("; since 20"), "{detail}");
    let gauge = r#"streams_held_up_seconds{application="details-service",topic="orders",partition="2"}"#;
    let page = details.text("/metrics").await;
    assert!(page.lines().any(|line| line.starts_with(gauge)), "{page}");

    drop(open);
    let deadline = Instant::now() + PATIENCE;
    while !details.get("/readyz").await.expect_status(200).body["details"].is_null() {
        assert!(Instant::now() < deadline, "it is told for ever");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Validates an order as the aggregator would.
async fn decide(pipeline: &Deployment, id: &str) {
    let outcome = Outcome {
        order_id: id.parse().unwrap(),
        attempt: 1,
        decision: Decision::Validated,
        reasons: vec![],
        validations: vec![],
        decided_at: domain::timestamp_from_millis(1_772_359_201_000),
    };
    pipeline.log().write(&ORDER_OUTCOMES, &outcome.order_id, &outcome).await;
}

/// Returns when so many requests wait for an order.
async fn await_waiters(client: &Client, count: usize) {
    await_metric(client, &format!("streams_waiters{{application=\"orders-service\"}} {count}")).await;
}

async fn await_metric(client: &Client, line: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = client.text("/metrics").await;
        if page.lines().any(|found| found == line) {
            return;
        }
        assert!(Instant::now() < deadline, "{line} is never in\n{page}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
