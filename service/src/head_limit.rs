//! How large a request's head may be: somewhat smaller than the server could read, so that what this instance takes can
//! be forwarded with what is said beside it, and is taken there too.

use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;

use crate::problem::{Kind, Problem};
use crate::routing::FORWARDED_BY;

/// The server reads 96.
const MOST_HEADERS: usize = 80;

/// In bytes. The server reads 128 KiB.
const LARGEST_HEAD: usize = 120 * 1024;

/// Why a request is not taken, if its head is too large. What was forwarded was taken already.
pub(crate) fn refusal(request: &ServiceRequest) -> Option<Problem> {
    let headers = request.headers();
    if headers.contains_key(FORWARDED_BY) {
        return None;
    }
    let refuse =
        |detail| Some(Problem::new(Kind::Other(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE), detail));
    if headers.len() > MOST_HEADERS {
        return refuse(format!("the request has {} headers, and {MOST_HEADERS} are the most", headers.len()));
    }
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    // Between name and value, and behind the value, stand two bytes each.
    let lines = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let size = target + lines.sum::<usize>();
    if size > LARGEST_HEAD {
        return refuse(format!("the request's head has {size} bytes, and {LARGEST_HEAD} are the most"));
    }
    None
}
