//! From the first start to the second stop.

use serde_json::json;

use crate::pipeline::Up;

#[tokio::test(flavor = "multi_thread")]
async fn a_life_and_the_next() {
    let directory = tempfile::tempdir().unwrap();

    let pipeline = Up::start(directory.path(), &[]).ready();
    assert_eq!(pipeline.get("/readyz").await.status(), 200);
    assert_eq!(pipeline.get("/v1/customers/c-6").await.status(), 200);
    let order = pipeline.order("first").await;
    assert_eq!(order["state"], "VALIDATED", "{order}");

    let simulated = pipeline.simulate(&["--orders", "50", "--seed", "7"]);
    let report = String::from_utf8(simulated.stdout).unwrap();
    assert!(simulated.status.success(), "{report}");
    assert!(report.starts_with("50 of 50 orders"), "{report}");
    let sold = pipeline.stock("p-1").await;
    assert!(sold["onHand"].as_i64().unwrap() < 10_000 && sold["reserved"] == json!(0), "{sold}");
    pipeline.stop("TERM");

    let pipeline = Up::start(directory.path(), &[]).ready();
    assert_eq!(pipeline.stock("p-1").await, sold);
    assert_eq!(pipeline.get("/v1/orders/first").await.json::<serde_json::Value>().await.unwrap(), order);
    let order = pipeline.order("second").await;
    assert_eq!(order["state"], "VALIDATED", "{order}");
    pipeline.stop("INT");
}
