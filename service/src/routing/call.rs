//! A request that can be carried out here or elsewhere.

use std::future::{Ready, ready};
use std::str::FromStr;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::http::uri::PathAndQuery;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use tokio::time::Instant;

use super::headers::{ELAPSED, FORWARDED_BY, MADE_ID, PROGRESS};
use crate::problem::Problem;
use crate::shutdown::Shutdown;

/// What a client asks for, as an argument of a handler: all that another instance needs in order to answer in this
/// one's place.
#[derive(Clone, Debug)]
pub struct Call {
    /// Shared with who handles it: many that wait are to cost little.
    request: HttpRequest,
    pub(super) body: Bytes,
    pub(super) made_id: Option<String>,
    pub(super) progress: Option<String>,
    pub(super) is_forwarded: bool,
    pub(super) shutdown: Shutdown,
    came: Instant,
    elapsed_before: Duration,
}

impl Call {
    /// The same with its body. Its time begins when that is there: a client may be slow.
    #[must_use]
    pub fn with_body(self, body: Bytes) -> Self {
        Self { body, came: Instant::now(), ..self }
    }

    /// The id that was made for this call where it came in, if it was forwarded from there and has none of its own.
    pub fn made_id<T: FromStr>(&self) -> Option<T> {
        self.made_id.as_deref()?.parse().ok()
    }

    /// The same with the id that is made for it here, so that it goes by this id wherever it is sent.
    #[must_use]
    pub fn with_made_id(self, id: impl ToString) -> Self {
        Self { made_id: Some(id.to_string()), ..self }
    }

    /// What is left of the time that the call may take, from when it came to the first instance.
    pub fn time_left(&self, patience: Duration) -> Duration {
        patience.saturating_sub(self.elapsed())
    }

    /// The process's shutdown.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    pub(super) fn method(&self) -> &Method {
        self.request.method()
    }

    pub(super) fn path_and_query(&self) -> &str {
        self.request.uri().path_and_query().map_or("", PathAndQuery::as_str)
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.elapsed_before.saturating_add(self.came.elapsed())
    }

    fn of(request: &HttpRequest) -> Self {
        let headers = request.headers();
        // What instances say to each other is not listened to when it comes from somebody else.
        let is_forwarded = headers.contains_key(FORWARDED_BY);
        let said =
            |name: &HeaderName| headers.get(name).filter(|_| is_forwarded)?.to_str().ok().map(str::to_owned);
        let elapsed = said(&ELAPSED).and_then(|millis| millis.parse().ok());
        Self {
            made_id: said(&MADE_ID),
            progress: said(&PROGRESS),
            request: request.clone(),
            body: Bytes::new(),
            is_forwarded,
            shutdown: request.app_data::<Shutdown>().cloned().unwrap_or_default(),
            came: Instant::now(),
            elapsed_before: elapsed.map_or(Duration::ZERO, Duration::from_millis),
        }
    }
}

impl FromRequest for Call {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn what_instances_say_to_each_other_is_told_by_instances_only() {
        let said = [(ELAPSED, "60000"), (MADE_ID, "o-1"), (PROGRESS, "1.7")];
        let request = |forwarded: bool| {
            let request = TestRequest::post().uri("/v1/orders?x=%20y");
            let request = said.iter().fold(request, |request, header| request.insert_header(header.clone()));
            let by = forwarded.then_some((FORWARDED_BY, "a-1"));
            by.into_iter().fold(request, TestRequest::insert_header).to_http_request()
        };
        let minute = Duration::from_secs(60);

        let direct = Call::of(&request(false));
        assert_eq!(
            (direct.is_forwarded, direct.made_id::<String>(), direct.progress.as_deref()),
            (false, None, None)
        );
        assert!(!direct.time_left(minute).is_zero());

        let forwarded = Call::of(&request(true));
        assert_eq!(forwarded.path_and_query(), "/v1/orders?x=%20y");
        assert_eq!((forwarded.is_forwarded, forwarded.progress.as_deref()), (true, Some("1.7")));
        assert_eq!(forwarded.made_id::<String>().as_deref(), Some("o-1"));
        assert!(forwarded.time_left(minute).is_zero());
        assert!(!forwarded.time_left(2 * minute).is_zero());
    }
}
