//! One order, from the request to its final state.

use std::time::Duration;

use domain::{NewOrder, OrderState, Reason};
use reqwest::StatusCode;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use crate::client::{Answer, CallError, Client};

/// An order that was decided.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Journey {
    /// From the first request to the answer that the order is there.
    pub(crate) accepted: Duration,
    /// From the first request to the answer that shows its final state.
    pub(crate) decided: Duration,
    /// The code of the first reason why it failed, if it did.
    pub(crate) failed: Option<String>,
}

/// Why an order came to no end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("not accepted in time")]
    NotAccepted,
    #[error("not decided in time")]
    NotDecided,
    #[error("{request} answered {status}")]
    Refused { request: &'static str, status: StatusCode },
    #[error("the answer is no decided order: {0}")]
    Answer(#[from] serde_json::Error),
    #[error(transparent)]
    Call(#[from] CallError),
}

/// How long the server is asked to wait, so that a connection never stays silent for long.
const WAIT: Duration = Duration::from_secs(10);

/// Sends the order and waits for its final state, for `patience` at most.
pub(crate) async fn follow(
    client: &Client,
    order: &NewOrder,
    patience: Duration,
) -> Result<Journey, Trouble> {
    let sent = Instant::now();
    let deadline = sent + patience;
    timeout_at(deadline, place(client, order)).await.map_err(|_| Trouble::NotAccepted)??;
    let accepted = sent.elapsed();
    let failed = timeout_at(deadline, decision(client, order)).await.map_err(|_| Trouble::NotDecided)??;
    Ok(Journey { accepted, decided: sent.elapsed(), failed })
}

/// A repeated request finds its own order and gets 200 instead of 201.
async fn place(client: &Client, order: &NewOrder) -> Result<(), Trouble> {
    let answer = client.post("/v1/orders", order).await?;
    match answer.status {
        StatusCode::CREATED | StatusCode::OK => Ok(()),
        status => Err(Trouble::Refused { request: "POST", status }),
    }
}

async fn decision(client: &Client, order: &NewOrder) -> Result<Option<String>, Trouble> {
    let path = format!("/v1/orders/{}/validated?timeout={}", order.id, WAIT.as_millis());
    loop {
        let Answer { status, body } = client.get(&path).await?;
        match status {
            StatusCode::OK => return Ok(failure(&body)?),
            StatusCode::GATEWAY_TIMEOUT => {}
            status => return Err(Trouble::Refused { request: "GET", status }),
        }
    }
}

/// What is needed of an order.
#[derive(Deserialize)]
struct Decided {
    state: OrderState,
    reasons: Vec<Reason>,
}

fn failure(body: &[u8]) -> serde_json::Result<Option<String>> {
    let Decided { state, reasons } = serde_json::from_slice(body)?;
    let code =
        || reasons.first().map_or_else(|| "without a reason".to_owned(), |reason| reason.code.to_string());
    match state {
        OrderState::Validated => Ok(None),
        OrderState::Failed => Ok(Some(code())),
        OrderState::Unknown(state) => Err(serde::de::Error::custom(format!(
            "its state is {:?}, which is not known here",
            state.as_str()
        ))),
        OrderState::Created => Err(serde::de::Error::custom("its state is still CREATED")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fake_server::FakeServer;
    use crate::seed::{CUSTOMERS, PRODUCTS};
    use crate::simulate::orders::Orders;

    /// What becomes of an order when requests are answered so, one after the other, and the last answer for
    /// ever.
    async fn check(answers: &'static [(u16, &'static str)], expected: Result<Option<&str>, &str>) {
        let server = FakeServer::start(|call| {
            let (status, body) = answers[call.number.min(answers.len() - 1)];
            (status, serde_json::from_str(body).unwrap())
        });
        let order = Orders::new(7, &CUSTOMERS, &PRODUCTS).next().unwrap();
        let journey = follow(&server.client(), &order, Duration::from_secs(1)).await;
        let found = journey.map(|journey| journey.failed).map_err(|trouble| trouble.to_string());
        match (&found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.as_deref(), expected, "{answers:?}"),
            (Err(found), Err(expected)) => assert!(found.starts_with(expected), "{answers:?}: {found}"),
            _ => panic!("{answers:?}: {found:?}"),
        }
    }

    const VALIDATED: &str = r#"{"state":"VALIDATED","reasons":[]}"#;
    const FAILED: &str =
        r#"{"state":"FAILED","reasons":[{"check":"INVENTORY_CHECK","code":"OUT_OF_STOCK","detail":"p-1"}]}"#;
    const CREATED: &str = r#"{"state":"CREATED","reasons":[]}"#;

    #[tokio::test]
    async fn an_order_is_followed_to_its_final_state() {
        check(&[(201, CREATED), (200, VALIDATED)], Ok(None)).await;
        check(&[(201, CREATED), (200, FAILED)], Ok(Some("OUT_OF_STOCK"))).await;
        check(&[(201, CREATED), (504, "{}"), (504, "{}"), (200, VALIDATED)], Ok(None)).await;
    }

    #[tokio::test]
    async fn what_is_not_available_is_asked_again_under_the_same_id() {
        check(&[(503, "{}"), (503, "{}"), (200, CREATED), (503, "{}"), (200, VALIDATED)], Ok(None)).await;
    }

    #[tokio::test]
    async fn what_comes_to_no_end_is_told() {
        check(&[(503, "{}")], Err("not accepted in time")).await;
        check(&[(201, CREATED), (503, "{}")], Err("not decided in time")).await;
        check(&[(409, "{}")], Err("POST answered 409 Conflict")).await;
        check(&[(201, CREATED), (404, "{}")], Err("GET answered 404 Not Found")).await;
        check(&[(201, CREATED), (200, CREATED)], Err("the answer is no decided order: its state")).await;
        check(&[(201, CREATED), (200, "[]")], Err("the answer is no decided order")).await;
    }

    #[tokio::test]
    async fn the_request_is_the_order_and_repeats_it() {
        let server = FakeServer::start(|call| match call.number {
            0 => (503, json!({})),
            1 => (201, json!({})),
            _ => (200, serde_json::from_str(VALIDATED).unwrap()),
        });
        let order = Orders::new(7, &CUSTOMERS, &PRODUCTS).next().unwrap();
        follow(&server.client(), &order, Duration::from_secs(5)).await.unwrap();
        let post = ("POST".to_owned(), "/v1/orders".to_owned(), serde_json::to_value(&order).unwrap());
        let get = ("GET".to_owned(), format!("/v1/orders/{}/validated?timeout=10000", order.id), Value::Null);
        assert_eq!(server.calls(), [post.clone(), post, get]);
    }
}
