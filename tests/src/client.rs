//! A client that knows nothing but HTTP.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::PATIENCE;

/// Speaks with one address.
pub struct Client {
    url: String,
    http: reqwest::Client,
}

/// A status, the headers and the body, which is null where there is none.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body as JSON.
    pub body: Value,
}

impl Client {
    /// Speaks with `url`: scheme, host and port.
    pub fn new(url: &str) -> Self {
        let http = service::http_client().timeout(PATIENCE).build().expect("a client can be made");
        Self { url: url.trim_end_matches('/').to_string(), http }
    }

    /// The address it speaks with.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    /// GET of what is no JSON.
    pub async fn text(&self, path: &str) -> String {
        let response = self.http.get(format!("{}{path}", self.url)).send().await;
        let text = async { response?.text().await };
        text.await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// POST with JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[], Some(body)).await
    }

    /// PUT with JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, &[], Some(body)).await
    }

    /// Any request.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        self.try_send(method, path, headers, body).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Any request, of an address at which perhaps nobody is.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> reqwest::Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_slice(&response.bytes().await?).unwrap_or(Value::Null);
        Ok(Answer { status, headers, body })
    }

    /// Creates an order. As long as the answer is 503, or none comes, it is asked again, as the contract allows.
    pub async fn create(&self, order: &Value) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.try_send(Method::POST, "/v1/orders", &[], Some(order)).await;
            match answer {
                Ok(answer) if answer.status != StatusCode::SERVICE_UNAVAILABLE.as_u16() => return answer,
                _ => assert!(Instant::now() < deadline, "{order} is not taken: {answer:?}"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Waits for an order's final state and returns the order.
    pub async fn validated(&self, id: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let path = format!("/v1/orders/{id}/validated?timeout=20000");
        loop {
            let answer = self.try_send(Method::GET, &path, &[], None).await;
            match answer {
                Ok(Answer { status: 200, body, .. }) => return body,
                _ => assert!(Instant::now() < deadline, "{id} is never decided: {answer:?}"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Waits until /readyz says 200.
    pub async fn await_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.try_send(Method::GET, "/readyz", &[], None).await;
            if matches!(answer, Ok(Answer { status: 200, .. })) {
                return;
            }
            assert!(Instant::now() < deadline, "{} is never ready: {answer:?}", self.url);
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// Between two questions of something that can only be asked.
const RETRY: Duration = Duration::from_millis(20);

impl Answer {
    /// Fails with the whole answer when the status is another one.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// An order of one line, at 1.00 EUR apiece.
pub fn order(id: &str, product: &str, quantity: i64) -> Value {
    order_of(id, &[(product, quantity)])
}

/// An order of several lines, at 1.00 EUR apiece. Each id has a customer of its own.
pub fn order_of(id: &str, lines: &[(&str, i64)]) -> Value {
    let line = |(product, quantity): &(&str, i64)| json!({ "productId": product, "quantity": quantity, "unitPrice": "1.00" });
    let lines: Vec<Value> = lines.iter().map(line).collect();
    json!({ "id": id, "customerId": format!("c-{id}"), "currency": "EUR", "lines": lines })
}
