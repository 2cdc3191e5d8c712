use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::cli::{Cli, Command};
use crate::fake_server::FakeServer;

fn args(arguments: &str) -> SimulateArgs {
    let command_line = ["pipeline", "simulate"].into_iter().chain(arguments.split_whitespace());
    match Cli::parse(command_line).unwrap().command {
        Command::Simulate(args) => args,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_order_is_followed_and_never_more_at_once_than_allowed() {
    let under_way = AtomicUsize::new(0);
    let server = FakeServer::start(move |call| match call.method.as_str() {
        "POST" if under_way.fetch_add(1, Ordering::SeqCst) < 3 => (201, json!({})),
        "POST" => (500, json!("too many at once")),
        _ => {
            under_way.fetch_sub(1, Ordering::SeqCst);
            (200, json!({ "state": "VALIDATED", "reasons": [] }))
        }
    });
    let args = args("--orders 40 --concurrency 3 --seed 7");
    let client = server.client();
    let orders = Orders::new(7, args.customers(), args.products()).take(args.orders);
    let ended: Vec<_> = journeys(&client, orders, &args).collect().await;
    assert_eq!(ended.len(), 40);
    assert!(ended.iter().all(|(_, journey)| journey.as_ref().is_ok_and(|journey| journey.failed.is_none())));
    assert_eq!(server.calls().len(), 80);
}

#[test]
fn the_progress_bar_has_a_well_formed_template() {
    assert_eq!(progress_bar(7).length(), Some(7));
}
