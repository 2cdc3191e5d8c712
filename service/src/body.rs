//! Taking the bytes of a JSON body.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_ENCODING;
use actix_web::web::{Bytes, PayloadConfig};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use tokio::time::timeout;

use crate::problem::{Kind, Problem};

/// The bytes of a body that says it is JSON in UTF-8, as an argument of a handler; whether it is one is seen
/// when it is parsed. 415 for another type, 413 beyond [`MAX_BODY_SIZE`], 408 if it does not come.
#[derive(Clone, Debug)]
pub struct JsonBody(pub Bytes);

/// How many bytes a body may have: 256 KiB.
pub const MAX_BODY_SIZE: usize = 256 * 1024;

/// For whoever is slow; for whoever sends nothing too. Enough for the largest body at 26 KB a second.
const PATIENCE: Duration = Duration::from_secs(10);

impl FromRequest for JsonBody {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let checked = check_media_type(request);
        let bytes = Bytes::from_request(request, payload);
        Box::pin(async move {
            checked?;
            match timeout(PATIENCE, bytes).await {
                Ok(Ok(bytes)) => Ok(Self(bytes)),
                Ok(Err(error)) => Err(refused(error.as_response_error().status_code(), &error)),
                Err(_) => Err(refused(StatusCode::REQUEST_TIMEOUT, &"the body did not come in time")),
            }
        })
    }
}

/// The limit, for the server to know.
pub(crate) fn payload_config() -> PayloadConfig {
    PayloadConfig::new(MAX_BODY_SIZE)
}

fn refused(status: StatusCode, reason: &dyn std::fmt::Display) -> Problem {
    let detail = match status {
        StatusCode::PAYLOAD_TOO_LARGE => format!("the body has more than {MAX_BODY_SIZE} bytes"),
        _ => reason.to_string(),
    };
    Problem::new(Kind::of(status), detail)
}

fn check_media_type(request: &HttpRequest) -> Result<(), Problem> {
    let refuse = |detail: &str| Err(Problem::new(Kind::UnsupportedMediaType, detail));
    let coding = request.headers().get(CONTENT_ENCODING);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return refuse("the body must not be compressed");
    }
    let Ok(Some(media_type)) = request.mime_type() else {
        return refuse("Content-Type must be there and say application/json");
    };
    let is_json = media_type.type_() == "application"
        && (media_type.subtype() == "json" || media_type.suffix().is_some_and(|suffix| suffix == "json"));
    let is_utf_8 = media_type.get_param("charset").is_none_or(|charset| charset == "utf-8");
    match (is_json, is_utf_8) {
        (true, true) => Ok(()),
        (true, false) => refuse("JSON is written in UTF-8"),
        (false, _) => refuse("Content-Type must be application/json"),
    }
}

#[cfg(test)]
mod tests;
