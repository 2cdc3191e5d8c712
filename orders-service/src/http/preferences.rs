//! The header `Prefer` (RFC 7240): how long an answer may take.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use service::MAX_TIMEOUT;

/// What a client prefers. What is not understood is ignored: these are wishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preference {
    /// The answer as soon as the request is carried out.
    None,
    /// The answer as soon as Kafka has the request.
    RespondAsync,
    /// The answer when the order is decided, or after this time.
    Wait(Duration),
}

/// What the request prefers; `respond-async` counts for more than `wait`.
pub(super) fn preference(request: &HttpRequest) -> Preference {
    let values = request.headers().get_all(PREFER).filter_map(|value| value.to_str().ok());
    let mut preference = Preference::None;
    for (name, value) in values.flat_map(|value| value.split(',')).map(name_and_value) {
        match name.to_ascii_lowercase().as_str() {
            "respond-async" => return Preference::RespondAsync,
            // Of several the first counts.
            "wait" if preference == Preference::None => {
                preference = seconds(value).map_or(Preference::None, Preference::Wait);
            }
            _ => {}
        }
    }
    preference
}

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// One preference, without the parameters that may follow it.
fn name_and_value(preference: &str) -> (&str, &str) {
    let first = preference.split(';').next().unwrap_or_default();
    let (name, value) = first.split_once('=').unwrap_or((first, ""));
    (name.trim(), value.trim().trim_matches('"'))
}

fn seconds(text: &str) -> Option<Duration> {
    let digits =
        Some(text).filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))?;
    // More digits than a number can have are more than the longest wait, too.
    Some(Duration::from_secs(digits.parse().unwrap_or(u64::MAX)).min(MAX_TIMEOUT))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[track_caller]
    fn check(headers: &[&str], expected: Preference) {
        let request = headers
            .iter()
            .fold(TestRequest::post(), |request, header| request.append_header((PREFER, *header)));
        assert_eq!(preference(&request.to_http_request()), expected, "{headers:?}");
    }

    #[test]
    fn a_preference_is_read_or_ignored() {
        let wait = |seconds| Preference::Wait(Duration::from_secs(seconds));
        check(&[], Preference::None);
        check(&[""], Preference::None);
        check(&["return=minimal"], Preference::None);
        check(&["respond-async"], Preference::RespondAsync);
        check(&["Respond-Async; foo=bar"], Preference::RespondAsync);
        check(&["wait=5"], wait(5));
        check(&["WAIT = 5"], wait(5));
        check(&["wait=\"5\""], wait(5));
        check(&["wait=0"], wait(0));
        check(&["handling=lenient, wait=5; x"], wait(5));
        check(&["handling=lenient", "wait=5"], wait(5));
        check(&["wait=5, wait=6"], wait(5));
        check(&["wait=5", "respond-async"], Preference::RespondAsync);
        check(&["wait=100000"], wait(300));
        check(&["wait=99999999999999999999999"], wait(300));
        for wrong in ["wait", "wait=", "wait=-1", "wait=+1", "wait=1.5", "wait=5s", "waits=5"] {
            check(&[wrong], Preference::None);
        }
    }
}
