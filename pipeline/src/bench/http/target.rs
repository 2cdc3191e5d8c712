//! The pipeline's HTTP, asked without patience: what is not answered at once and as it should be counts.

use std::time::Duration;

use domain::{NewOrder, OrderId};
use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, StatusCode, Url};

/// Sends requests over connections that it keeps.
#[derive(Clone)]
pub(super) struct Target {
    http: reqwest::Client,
    orders: String,
}

/// Longer than the longest poll.
const ANSWER_WITHIN: Duration = Duration::from_secs(150);

/// Shorter than the server keeps a connection without requests: a request could meet its end.
const IDLE_CONNECTION: Duration = Duration::from_secs(5);

/// How long a poll waits at most: longer than an order can be undecided, and what stands before it.
pub(super) const POLL: Duration = Duration::from_secs(120);

impl Target {
    pub(super) fn new(base: &Url) -> anyhow::Result<Self> {
        let http =
            service::http_client().timeout(ANSWER_WITHIN).pool_idle_timeout(IDLE_CONNECTION).build()?;
        Ok(Self { http, orders: base.join("/v1/orders")?.into() })
    }

    /// Creates an order; anything but 201 is an error.
    pub(super) async fn post(&self, order: &NewOrder) -> Result<(), String> {
        let body = serde_json::to_vec(order).map_err(|error| error.to_string())?;
        let request = self.http.post(&self.orders).header(CONTENT_TYPE, "application/json").body(body);
        expect(request, StatusCode::CREATED).await
    }

    /// Reads an order; anything but 200 is an error.
    pub(super) async fn get(&self, id: &OrderId) -> Result<(), String> {
        expect(self.http.get(format!("{}/{id}", self.orders)), StatusCode::OK).await
    }

    /// Waits for an order's final state; anything but 200 is an error.
    pub(super) async fn poll(&self, id: &OrderId) -> Result<(), String> {
        let url = format!("{}/{id}/validated?timeout={}", self.orders, POLL.as_millis());
        expect(self.http.get(url), StatusCode::OK).await
    }
}

/// Reads the answer to its end: only then is its connection free for the next.
async fn expect(request: RequestBuilder, status: StatusCode) -> Result<(), String> {
    let response = request.send().await.map_err(told)?;
    let found = response.status();
    response.bytes().await.map_err(told)?;
    if found == status { Ok(()) } else { Err(found.to_string()) }
}

/// Without the URL, so that the same errors are the same text.
fn told(error: reqwest::Error) -> String {
    crate::explain(&error.without_url().into())
}
