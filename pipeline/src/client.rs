//! HTTP to a pipeline, with patience: whoever is not there or not available now is asked again.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use tokio::time::timeout;

/// The pipeline closes connections that are idle for 5 s: no request must meet that.
const KEEP_IDLE_FOR: Duration = Duration::from_secs(4);

/// Sends requests to one pipeline. Every request is tried again for as long as it takes, so that callers set
/// the limit; each may therefore arrive more than once and has to bear it.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The server is there and cannot answer now.
    #[error("the server says that it is not available")]
    Unavailable { retry_after: Option<Duration> },
    /// The request did not come through, or its answer did not come back.
    #[error(transparent)]
    Transport(#[from] reqwest::Error),
    /// Somebody is there and says nothing.
    #[error("no answer within {} s", ALIVE_WITHIN.as_secs())]
    Silent,
    /// The body cannot be written as JSON.
    #[error("could not write a request: {0}")]
    Body(#[from] serde_json::Error),
}

/// The first pause and the longest one, where the server asks for no other.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// How long a server may take to say that it is there.
const ALIVE_WITHIN: Duration = Duration::from_secs(5);

impl Client {
    /// A client of the pipeline at `base`.
    pub(crate) fn new(base: &Url) -> Result<Self, CallError> {
        // The pipeline stands near: a proxy for the world outside does not lead to it.
        let http = service::http_client().pool_idle_timeout(KEEP_IDLE_FOR).build()?;
        Ok(Self { http, base: base.as_str().trim_end_matches('/').to_owned() })
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, CallError> {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> Result<Answer, CallError> {
        self.call(Method::POST, path, Some(serde_json::to_vec(body)?.into())).await
    }

    pub(crate) async fn put(&self, path: &str, body: &impl Serialize) -> Result<Answer, CallError> {
        self.call(Method::PUT, path, Some(serde_json::to_vec(body)?.into())).await
    }

    /// Whether somebody answers at all; asked once.
    pub(crate) async fn alive(&self) -> Result<(), CallError> {
        let answer = timeout(ALIVE_WITHIN, self.attempt(Method::GET, "/healthz", None)).await;
        answer.unwrap_or(Err(CallError::Silent)).map(drop)
    }

    async fn call(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Answer, CallError> {
        let attempt = || self.attempt(method.clone(), path, body.clone());
        let [first, longest] = PAUSES;
        let backoff = ExponentialBuilder::new()
            .with_min_delay(first)
            .with_max_delay(longest)
            .with_jitter()
            .without_max_times();
        attempt
            .retry(backoff)
            .when(CallError::is_temporary)
            .adjust(|error, pause| error.retry_after().or(pause))
            .notify(|error, pause| tracing::debug!(path, %error, ?pause, "asking again"))
            .await
    }

    async fn attempt(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Answer, CallError> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let response = request.send().await?;
        let status = response.status();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return Err(CallError::Unavailable { retry_after: retry_after(response.headers()) });
        }
        Ok(Answer { status, body: response.bytes().await? })
    }
}

impl CallError {
    fn is_temporary(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Transport(error) => !error.is_builder(),
            Self::Silent | Self::Body(_) => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after } => *retry_after,
            Self::Transport(_) | Self::Silent | Self::Body(_) => None,
        }
    }
}

/// The pause that the server asks for; its other form, a date, is not taken.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fake_server::FakeServer;

    #[tokio::test]
    async fn what_is_not_available_is_asked_again() {
        let server = FakeServer::start(|call| match call.number {
            0 | 1 => (503, json!({})),
            _ => (200, json!({ "called": call.number })),
        });
        let answer = server.client().get("/x").await.unwrap();
        assert_eq!(&answer.body[..], br#"{"called":2}"#);
        assert_eq!(server.calls().len(), 3);
    }

    #[tokio::test]
    async fn any_other_answer_is_an_answer() {
        for status in [200, 201, 404, 409, 422, 500, 504] {
            let server = FakeServer::start(move |_| (status, json!({})));
            let answer = server.client().put("/x", &json!({ "a": 1 })).await.unwrap();
            assert_eq!(answer.status, status);
            assert_eq!(server.calls(), [("PUT".to_owned(), "/x".to_owned(), json!({ "a": 1 }))]);
        }
    }

    #[tokio::test]
    async fn whether_somebody_is_there_is_asked_once() {
        let server = FakeServer::start(|_| (200, json!({})));
        server.client().alive().await.unwrap();
        let client = server.client();
        server.stop().await;
        assert!(matches!(client.alive().await, Err(CallError::Transport(_))));
    }

    #[test]
    fn the_server_s_pause_is_taken() {
        for (value, expected) in [("1", Some(1)), ("0", Some(0)), ("soon", None), ("-1", None)] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            assert_eq!(retry_after(&headers), expected.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
