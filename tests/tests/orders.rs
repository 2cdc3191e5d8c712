//! Orders from POST to their final state, with every service as a process of its own.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::time::{Duration, Instant};

use domain::OrderRequest;
use pipeline_tests::{Deployment, check_exactly_once, order, order_of};
use serde_json::{Value, json};
use service::topics::ORDER_REQUESTS;

/// What the behaviours of Confluent's example come to, and more, on one deployment.
#[tokio::test(flavor = "multi_thread")]
async fn orders_are_judged_and_decided_exactly_once() {
    let mut pipeline = Deployment::new("orders");
    pipeline.start_all().await;
    let mut ids = Vec::new();
    one_order_is_validated(&pipeline, &mut ids).await;
    ten_orders_use_the_stock_up(&pipeline, &mut ids).await;
    ten_orders_without_stock_fail(&pipeline, &mut ids).await;
    lines_of_several_products_are_all_or_none(&pipeline, &mut ids).await;
    a_wrong_order_fails_with_its_reason(&pipeline, &mut ids).await;
    a_customer_over_the_limit_fails(&pipeline, &mut ids).await;
    a_misplaced_request_takes_no_stock(&pipeline, &mut ids).await;
    what_is_not_there_in_time_is_a_504(&pipeline).await;
    await_tiers(&pipeline, ids.len());
    check_exactly_once(&pipeline.log(), &ids);
}

/// The email service is the last to finish.
fn await_tiers(pipeline: &Deployment, count: usize) {
    let log = pipeline.log();
    let deadline = Instant::now() + pipeline_tests::PATIENCE;
    let written =
        || ["platinum", "gold", "silver", "bronze"].iter().map(|tier| log.records(tier).len()).sum::<usize>();
    while written() < count {
        assert!(Instant::now() < deadline, "{} tier records of {count}", written());
        std::thread::sleep(Duration::from_millis(50));
    }
}

async fn run(pipeline: &Deployment, ids: &mut Vec<String>, order: &Value) -> Value {
    let id = order["id"].as_str().unwrap();
    ids.push(id.to_string());
    pipeline.orders().create(order).await.expect_status(201);
    pipeline.orders().validated(id).await
}

async fn one_order_is_validated(pipeline: &Deployment, ids: &mut Vec<String>) {
    pipeline.stock("p-1", 5).await;
    let created = pipeline.orders().post("/v1/orders", &order("one", "p-1", 2)).await.expect_status(201);
    ids.push("one".to_string());
    assert_eq!(created.header("location"), Some("/v1/orders/one"));
    assert_eq!((&created.body["id"], &created.body["total"]), (&json!("one"), &json!("2.00")));
    let read = pipeline.orders().get("/v1/orders/one").await.expect_status(200);
    assert_eq!(read.body["lines"], created.body["lines"], "read your writes");

    let decided = pipeline.orders().validated("one").await;
    assert_eq!((&decided["state"], &decided["version"]), (&json!("VALIDATED"), &json!(2)));
    let mut checks: Vec<&str> =
        decided["validations"].as_array().unwrap().iter().filter_map(|v| v["check"].as_str()).collect();
    checks.sort_unstable();
    assert_eq!(checks, ["FRAUD_CHECK", "INVENTORY_CHECK", "ORDER_DETAILS_CHECK"]);
    await_stock(pipeline, "p-1", &json!({"productId": "p-1", "onHand": 3, "reserved": 0, "available": 3}))
        .await;
}

async fn ten_orders_use_the_stock_up(pipeline: &Deployment, ids: &mut Vec<String>) {
    pipeline.stock("p-2", 30).await;
    for n in 0..10 {
        let decided = run(pipeline, ids, &order(&format!("exact-{n}"), "p-2", 3)).await;
        assert_eq!(decided["state"], "VALIDATED", "{decided}");
    }
    let decided = run(pipeline, ids, &order("one-too-many", "p-2", 1)).await;
    assert_eq!(decided["reasons"][0]["code"], "OUT_OF_STOCK", "{decided}");
    await_stock(pipeline, "p-2", &json!({"productId": "p-2", "onHand": 0, "reserved": 0, "available": 0}))
        .await;
}

async fn ten_orders_without_stock_fail(pipeline: &Deployment, ids: &mut Vec<String>) {
    for n in 0..10 {
        let decided = run(pipeline, ids, &order(&format!("none-{n}"), "p-unknown", 1)).await;
        assert_eq!(decided["state"], "FAILED", "{decided}");
        assert_eq!(decided["reasons"][0]["code"], "OUT_OF_STOCK", "{decided}");
    }
}

async fn lines_of_several_products_are_all_or_none(pipeline: &Deployment, ids: &mut Vec<String>) {
    for product in ["m-1", "m-2", "m-3"] {
        pipeline.stock(product, 5).await;
    }
    let short = run(pipeline, ids, &order_of("short", &[("m-1", 5), ("m-2", 5), ("m-3", 6)])).await;
    assert_eq!(short["state"], "FAILED", "{short}");
    for product in ["m-1", "m-2", "m-3"] {
        let released = json!({"productId": product, "onHand": 5, "reserved": 0, "available": 5});
        await_stock(pipeline, product, &released).await;
    }
    let twice = run(pipeline, ids, &order_of("twice", &[("m-1", 3), ("m-1", 3)])).await;
    assert_eq!(twice["state"], "FAILED", "lines of one product count together: {twice}");
    await_stock(pipeline, "m-1", &json!({"productId": "m-1", "onHand": 5, "reserved": 0, "available": 5}))
        .await;
    let all = run(pipeline, ids, &order_of("all", &[("m-1", 2), ("m-2", 5), ("m-1", 3), ("m-3", 5)])).await;
    assert_eq!(all["state"], "VALIDATED", "{all}");
}

async fn a_wrong_order_fails_with_its_reason(pipeline: &Deployment, ids: &mut Vec<String>) {
    for (id, lines, code) in [
        ("no-lines", vec![], "NO_LINES"),
        ("negative", vec![("p-1", -1)], "QUANTITY_NOT_POSITIVE"),
        ("too-much", vec![("p-1", i64::MAX)], "TOTAL_OVERFLOW"),
    ] {
        let decided = run(pipeline, ids, &order_of(id, &lines)).await;
        assert_eq!(decided["state"], "FAILED", "{decided}");
        let codes: Vec<&str> = decided["validations"]
            .as_array()
            .unwrap()
            .iter()
            .chain(decided["reasons"].as_array().unwrap())
            .filter_map(|reason| reason["code"].as_str())
            .collect();
        assert!(codes.contains(&code) || codes.contains(&"INVALID_ORDER"), "{id}: {decided}");
    }
}

async fn a_customer_over_the_limit_fails(pipeline: &Deployment, ids: &mut Vec<String>) {
    pipeline.stock("p-3", 10).await;
    let costly = |id: &str, price: &str| {
        json!({ "id": id, "customerId": "big-spender", "currency": "EUR",
                "lines": [{ "productId": "p-3", "quantity": 1, "unitPrice": price }] })
    };
    let first = run(pipeline, ids, &costly("within", "1500.00")).await;
    assert_eq!(first["state"], "VALIDATED", "{first}");
    let second = run(pipeline, ids, &costly("at-the-limit", "500.00")).await;
    assert_eq!(second["reasons"][0]["code"], "LIMIT_EXCEEDED", "{second}");
}

/// Four pieces asked for where nobody would find the order; then one piece by an order of the same id.
async fn a_misplaced_request_takes_no_stock(pipeline: &Deployment, ids: &mut Vec<String>) {
    pipeline.stock("p-4", 9).await;
    let asked = order("misplaced", "p-4", 4).to_string();
    let order_asked_for = domain::parse_new_order(asked.as_bytes(), |_| unreachable!("it has an id"));
    let request = OrderRequest::Create {
        order: order_asked_for.unwrap(),
        requested_at: domain::timestamp_from_millis(1_772_359_201_000),
    };
    let key = request.order_id().unwrap().clone();
    let (home, partition) = pipeline.log().misplace(&ORDER_REQUESTS, &key, &request).await;

    let dead = pipeline.log().await_records("orders-service-dlq", 1);
    let reason = dead[0].headers.iter().find(|header| header.name == "__streams.errors.message").unwrap();
    let reason = String::from_utf8(reason.value.clone().unwrap().to_vec()).unwrap();
    let expected = format!("stands in partition {partition}, but its key belongs to partition {home} of 4");
    assert!(reason.contains(&expected), "{reason}");
    pipeline.orders().get("/v1/orders/misplaced").await.expect_status(404);

    let decided = run(pipeline, ids, &order("misplaced", "p-4", 1)).await;
    assert_eq!(decided["state"], "VALIDATED", "{decided}");
    await_stock(pipeline, "p-4", &json!({"productId": "p-4", "onHand": 8, "reserved": 0, "available": 8}))
        .await;
}

async fn what_is_not_there_in_time_is_a_504(pipeline: &Deployment) {
    let orders = pipeline.orders();
    orders.get("/v1/orders/nobody").await.expect_status(404);
    orders.get("/v1/orders/nobody?timeout=50").await.expect_status(504);
    orders.get("/v1/orders/nobody/validated?timeout=50").await.expect_status(504);
}

/// The stock follows the order's final state a moment later.
async fn await_stock(pipeline: &Deployment, product: &str, expected: &Value) {
    let deadline = Instant::now() + pipeline_tests::PATIENCE;
    let client = pipeline.client(pipeline_tests::Service::Inventory);
    loop {
        let stock = client.get(&format!("/v1/inventory/{product}")).await.expect_status(200).body;
        if stock == *expected {
            return;
        }
        assert!(Instant::now() < deadline, "{stock} and not {expected}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
