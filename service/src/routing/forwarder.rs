//! The way of a call to another instance, and of its answer back.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use reqwest::header::{CONNECTION, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use super::call::Call;
use super::directory::Peer;
use super::headers::{ANSWERED_BY, ELAPSED, FORWARDED_BY, MADE_ID, NOT_MINE, PROGRESS};
use crate::http_client::http_client;

/// Sends calls to other instances, over connections that are kept. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forwarder {
    /// Made when it is first needed: to read all certificates that the system trusts takes as long as much else of a start.
    client: Arc<OnceLock<Client>>,
}

/// What came of it.
pub(super) enum Forwarded {
    /// The answer.
    Answer(HttpResponse),
    /// The other one cannot answer.
    NotThere {
        /// Why.
        reason: String,
        /// How far it has carried the call out.
        progress: Option<String>,
    },
}

/// Mark of an answer that another instance has given, which is to go out as it is.
pub(crate) struct AsItIs;

/// Another instance on the network answers faster.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// The server closes connections that are idle for 5 s.
const KEEP_IDLE_FOR: Duration = Duration::from_secs(4);

impl Forwarder {
    fn client(&self) -> reqwest::Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = http_client()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_WITHIN)
            .pool_idle_timeout(KEEP_IDLE_FOR)
            .build()?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Has `peer` answer `call`, as `instance`, within a time.
    pub(super) async fn forward(
        &self,
        call: &Call,
        progress: Option<&str>,
        instance: &str,
        peer: &Peer,
        within: Duration,
    ) -> Forwarded {
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => return not_there(error),
        };
        let request = request(client, call, progress, instance, peer).timeout(within);
        match request.send().await {
            Ok(response) => answer(response, peer).await,
            Err(error) => not_there(error),
        }
    }
}

fn request(
    client: &Client,
    call: &Call,
    progress: Option<&str>,
    instance: &str,
    peer: &Peer,
) -> reqwest::RequestBuilder {
    // The answer to HEAD is that to GET, of which the server sends no body.
    let method = if call.method() == Method::HEAD { &Method::GET } else { call.method() };
    let method = reqwest::Method::from_bytes(method.as_str().as_bytes()).unwrap_or(reqwest::Method::GET);
    let url = format!("{}{}", peer.url.as_str().trim_end_matches('/'), call.path_and_query());
    let mut request = client.request(method, url).body(call.body.clone());
    let on_the_way = OnTheWay::of(call.headers().get_all(CONNECTION.as_str()).map(|value| value.as_bytes()));
    for (name, value) in call.headers().iter().filter(|(name, _)| !on_the_way.has(name.as_str())) {
        request = request.header(name.as_str(), value.as_bytes());
    }
    let said = [
        (FORWARDED_BY, Some(instance)),
        (MADE_ID, call.made_id.as_deref()),
        (PROGRESS, progress),
        (ELAPSED, Some(&*call.elapsed().as_millis().to_string())),
    ];
    for (name, value) in said {
        request = value.into_iter().fold(request, |request, value| request.header(name.as_str(), value));
    }
    request
}

/// The headers of a message that are for the next one on the way, and not for who answers or asks (RFC 9110, 7.6.1):
/// always the same ones, those that `Connection` names, and what instances say to each other.
struct OnTheWay(Vec<String>);

const ALWAYS: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl OnTheWay {
    /// Of a message with these values of `Connection`.
    fn of<'a>(connection: impl Iterator<Item = &'a [u8]>) -> Self {
        let values: Vec<_> = connection.map(String::from_utf8_lossy).collect();
        let names = values.iter().flat_map(|value| value.split(','));
        Self(names.map(|name| name.trim().to_ascii_lowercase()).collect())
    }

    /// Whether a header, by its name in lower case, is one of them.
    fn has(&self, name: &str) -> bool {
        ALWAYS.contains(&name)
            || name.starts_with("order-pipeline-")
            || self.0.iter().any(|named| named == name)
    }
}

async fn answer(response: Response, peer: &Peer) -> Forwarded {
    let said = |name: HeaderName| Some(response.headers().get(name.as_str())?.to_str().ok()?.to_owned());
    // At the address that it had there may be another one by now, whose 404 would be a wrong answer.
    if said(ANSWERED_BY).as_deref() != Some(&peer.instance) {
        return Forwarded::NotThere { reason: "somebody else is at its address".to_owned(), progress: None };
    }
    if said(NOT_MINE).is_some() {
        return Forwarded::NotThere { reason: "the key is not its own".to_owned(), progress: said(PROGRESS) };
    }
    let (status, headers) = (response.status(), response.headers().clone());
    match response.bytes().await {
        Ok(body) => Forwarded::Answer(build(status, &headers, body)),
        Err(error) => not_there(error),
    }
}

fn not_there(error: reqwest::Error) -> Forwarded {
    Forwarded::NotThere { reason: explain(&error), progress: None }
}

/// The error with its causes.
fn explain(error: &reqwest::Error) -> String {
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

fn build(status: reqwest::StatusCode, headers: &HeaderMap, body: actix_web::web::Bytes) -> HttpResponse {
    let status = StatusCode::from_u16(status.as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = HttpResponse::build(status);
    let on_the_way = OnTheWay::of(headers.get_all(CONNECTION).iter().map(|value| value.as_bytes()));
    for (name, value) in headers.iter().filter(|(name, _)| !on_the_way.has(name.as_str())) {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            response.append_header((name, value));
        }
    }
    let mut response = response.body(body);
    response.extensions_mut().insert(AsItIs);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(connection: &[&str], names: &[&str], expected: bool) {
        let on_the_way = OnTheWay::of(connection.iter().map(|value| value.as_bytes()));
        for name in names {
            assert_eq!(on_the_way.has(name), expected, "{connection:?}: {name}");
        }
    }

    #[test]
    fn what_is_for_the_next_one_on_the_way_ends_there() {
        let of_the_answer =
            ["accept", "content-type", "etag", "idempotency-key", "if-none-match", "location", "prefer"];
        check(&[], &of_the_answer, false);
        check(&[], &["retry-after", "traceparent", "x-request-id", "authorization", "x-hop"], false);
        check(&[], &ALWAYS, true);
        check(&[], &[FORWARDED_BY.as_str()], true);
        check(&["keep-alive"], &["keep-alive", "connection"], true);
        check(&["close, X-Hop ,x-other"], &["x-hop", "x-other"], true);
        check(&["close", "x-hop"], &["x-hop"], true);
        check(&["", ",", "x", "hop"], &["x-hop", "accept"], false);
    }
}
