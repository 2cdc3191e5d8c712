//! Taking the bytes of a JSON body.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::web::{Bytes, PayloadConfig};
use actix_web::{FromRequest, HttpRequest};
use tokio::time::timeout;

use crate::problem::{Kind, Problem};

/// The bytes of a body that says it is JSON in UTF-8, as an argument of a handler, without a byte order mark; whether
/// it is one is seen when it is parsed. 415 for another type, 413 beyond [`MAX_BODY_SIZE`], 408 if it does not come.
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
                Ok(Ok(bytes)) => Ok(Self(without_mark(bytes))),
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
    let mut codings =
        request.headers().get_all(CONTENT_ENCODING).flat_map(|list| list.as_bytes().split(|&b| b == b','));
    if codings.any(|coding| {
        !coding.trim_ascii().is_empty() && !coding.trim_ascii().eq_ignore_ascii_case(b"identity")
    }) {
        return Err(Problem::new(
            Kind::UnsupportedCoding,
            "Content-Encoding must not be there, or be identity",
        ));
    }
    let refuse = |detail: &str| Err(Problem::new(Kind::UnsupportedMediaType, detail));
    let mut types = request.headers().get_all(CONTENT_TYPE);
    let (Some(media_type), None) = (types.next(), types.next()) else {
        return refuse("Content-Type must be there once and say application/json");
    };
    let Ok(media_type) = media_type.to_str() else { return refuse("Content-Type must be application/json") };
    match (is_json(media_type), charsets(media_type).all(|charset| is_utf_8(&charset))) {
        (true, true) => Ok(()),
        (true, false) => refuse("charset must be utf-8, or not be there: JSON is written in UTF-8"),
        (false, _) => refuse("Content-Type must be application/json"),
    }
}

fn is_json(media_type: &str) -> bool {
    let (name, _) = media_type.split_once(';').unwrap_or((media_type, ""));
    let name = name.trim_matches(BLANK).to_ascii_lowercase();
    name.strip_prefix("application/").is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

/// The values of the parameter `charset`: there may be blanks around a `;`, and quotes around a value (RFC 9110, 5.6.6).
fn charsets(media_type: &str) -> impl Iterator<Item = String> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parameters = media_type.split(move |letter| {
        is_quoted ^= letter == '"' && !is_escaped;
        is_escaped = is_quoted && !is_escaped && letter == '\\';
        letter == ';' && !is_quoted
    });
    parameters.skip(1).filter_map(|parameter| {
        let (name, value) = parameter.trim_matches(BLANK).split_once('=')?;
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        name.eq_ignore_ascii_case("charset").then(|| unquoted.unwrap_or(value).replace('\\', ""))
    })
}

const BLANK: [char; 2] = [' ', '\t'];

/// By the names that are in use. ASCII is UTF-8, too.
fn is_utf_8(charset: &str) -> bool {
    ["utf-8", "utf8", "us-ascii", "ascii"].iter().any(|name| charset.eq_ignore_ascii_case(name))
}

/// Editors and some clients begin with one, which is no JSON.
fn without_mark(bytes: Bytes) -> Bytes {
    const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
    if bytes.starts_with(BYTE_ORDER_MARK) { bytes.slice(BYTE_ORDER_MARK.len()..) } else { bytes }
}

#[cfg(test)]
mod tests;
