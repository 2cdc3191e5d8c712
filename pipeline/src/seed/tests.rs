use std::collections::BTreeSet;
use std::sync::Mutex;

use domain::{AdjustmentId, CustomerId, ProductId};
use serde_json::Value;

use super::*;
use crate::fake_server::{Call, FakeServer};

/// A pipeline that knows what was written to it, and `known` from the start.
fn shop(known: &[&str]) -> FakeServer {
    let known: Mutex<BTreeSet<String>> = Mutex::new(known.iter().map(|path| (*path).to_owned()).collect());
    FakeServer::start(move |call| {
        let mut known = known.lock().unwrap();
        let path = call.path.trim_end_matches("/adjustments");
        match call.method.as_str() {
            "GET" if known.contains(path) => (200, json!({})),
            "GET" => (404, json!({})),
            _ => {
                known.insert(path.to_owned());
                (200, json!({}))
            }
        }
    })
}

fn writes(server: &FakeServer) -> Vec<(String, String, Value)> {
    server.calls().into_iter().filter(|(method, ..)| method != "GET").collect()
}

const EVERYTHING: Seeded = Seeded { customers: CUSTOMERS.len(), stocks: PRODUCTS.len() };

#[tokio::test]
async fn a_second_run_adds_nothing() {
    let server = shop(&[]);
    let client = server.client();
    assert_eq!(seed(&client).await.unwrap(), EVERYTHING);
    let written = writes(&server);
    assert_eq!(written.len(), CUSTOMERS.len() + PRODUCTS.len());
    assert!(written.contains(&(
        "PUT".to_owned(),
        "/v1/customers/c-1".to_owned(),
        json!({ "name": "Ada Lovelace", "email": "ada@example.org", "level": "platinum" }),
    )));
    assert!(written.contains(&(
        "POST".to_owned(),
        "/v1/inventory/p-10/adjustments".to_owned(),
        json!({ "id": "seed-p-10", "quantity": 250 }),
    )));

    assert_eq!(seed(&client).await.unwrap(), Seeded::default());
    assert_eq!(writes(&server), written);
}

#[tokio::test]
async fn what_is_there_stays_as_it_is() {
    let server = shop(&["/v1/customers/c-1", "/v1/inventory/p-1", "/v1/inventory/p-2"]);
    let expected = Seeded { customers: EVERYTHING.customers - 1, stocks: EVERYTHING.stocks - 2 };
    assert_eq!(seed(&server.client()).await.unwrap(), expected);
    assert!(writes(&server).iter().all(|(_, path, _)| !path.contains("/p-1/") && !path.ends_with("/c-1")));
}

#[tokio::test]
async fn a_pipeline_that_is_not_available_yet_is_waited_for() {
    let server = FakeServer::start(|call| match call.number {
        0..20 => (503, json!({})),
        _ => (200, json!({})),
    });
    assert_eq!(seed(&server.client()).await.unwrap(), Seeded::default());
}

/// The seeds are refused when the pipeline answers so, and the error says where.
async fn check_refused(answer: fn(&Call) -> (u16, Value), expected: &str) {
    let server = FakeServer::start(answer);
    let error = seed(&server.client()).await.unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[tokio::test]
async fn what_is_refused_is_told() {
    check_refused(|_| (500, json!("broken")), "answered 500 Internal Server Error: \"broken\"").await;
    check_refused(
        |call| match (call.method.as_str(), call.path.as_str()) {
            ("GET", _) => (404, json!({})),
            ("POST", "/v1/inventory/p-3/adjustments") => (409, json!({})),
            _ => (200, json!({})),
        },
        "/v1/inventory/p-3/adjustments answered 409",
    )
    .await;
}

#[test]
fn the_table_is_well_formed() {
    for SeedCustomer { id, name, email, .. } in CUSTOMERS {
        assert!(id.parse::<CustomerId>().is_ok(), "{id}");
        assert!(name.parse::<domain::CustomerName>().is_ok(), "{name}");
        assert!(email.parse::<domain::EmailAddress>().is_ok(), "{email}");
    }
    for SeedProduct { id, stock, price } in PRODUCTS {
        assert!(
            id.parse::<ProductId>().is_ok() && format!("seed-{id}").parse::<AdjustmentId>().is_ok(),
            "{id}"
        );
        assert!(stock > 0 && price > 0, "{id}");
    }
    let levels: BTreeSet<_> = CUSTOMERS.iter().map(|customer| customer.level).collect();
    assert_eq!(levels.len(), 4);
}
