//! How long a client wants to wait: the query parameter `timeout`.

use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::web::Query;
use actix_web::{FromRequest, HttpRequest};

use crate::problem::{Place, Problem};

/// The query parameter `timeout`, in milliseconds, as an argument of a handler; none if it is not there.
/// 422 if it is no number from 0 to [`MAX_TIMEOUT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(pub Option<Duration>);

/// The longest that a client may ask for: five minutes.
pub const MAX_TIMEOUT: Duration = Duration::from_millis(300_000);

impl FromRequest for Timeout {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(of_query(request.query_string()))
    }
}

fn of_query(query: &str) -> Result<Timeout, Problem> {
    // A query that is not well formed has no parameter; other parameters are not our concern.
    let parameters =
        Query::<Vec<(String, String)>>::from_query(query).map(Query::into_inner).unwrap_or_default();
    let mut values = parameters.iter().filter(|(name, _)| name == NAME).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (None, _) => Ok(Timeout(None)),
        (Some(value), None) => parse(value).map(|timeout| Timeout(Some(timeout))),
        (Some(_), Some(_)) => Err(invalid("must be there at most once".to_owned())),
    }
}

const NAME: &str = "timeout";

fn parse(text: &str) -> Result<Duration, Problem> {
    let millis = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let timeout = millis.and_then(|millis| millis.parse().ok()).map(Duration::from_millis);
    timeout.filter(|timeout| *timeout <= MAX_TIMEOUT).ok_or_else(|| {
        let max = MAX_TIMEOUT.as_millis();
        invalid(format!("must be a whole number of milliseconds from 0 to {max}, not {text:?}"))
    })
}

fn invalid(detail: String) -> Problem {
    Problem::invalid(Place::Parameter(NAME.to_owned()), detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Kind;

    #[track_caller]
    fn check(query: &str, expected: Option<Option<u64>>) {
        let found = of_query(query);
        if let Err(problem) = &found {
            assert_eq!(problem.kind(), Kind::Invalid, "{query}");
        }
        let expected = expected.map(|timeout| Timeout(timeout.map(Duration::from_millis)));
        assert_eq!(found.ok(), expected, "{query}");
    }

    #[test]
    fn a_timeout_is_a_whole_number_of_milliseconds() {
        check("", Some(None));
        check("timeout=0", Some(Some(0)));
        check("timeout=300000", Some(Some(300_000)));
        check("timeout=007", Some(Some(7)));
        check("a=b&timeout=5&c", Some(Some(5)));
        check("time%6fut=%35", Some(Some(5)));
        check("Timeout=5", Some(None));
        check("timeouts=x", Some(None));
        for wrong in ["", "-1", "300001", "1.5", "1e3", "5s", "%2B5", "+5", " 5", "99999999999999999999", "٣"]
        {
            check(&format!("timeout={wrong}"), None);
        }
        check("timeout", None);
        check("timeout=5&timeout=5", None);
    }
}
