//! The header `Idempotency-Key`, and the ids that the server makes.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use domain::{CustomerId, OrderId};
use service::{Place, Problem};
use uuid::Uuid;

/// What a client calls its request, so that it can be sent again without a second order: 1–255 characters of ASCII,
/// none of which controls. In quotes it is the same key as without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key that the request has, if it has one.
    pub(super) fn of(request: &HttpRequest) -> Result<Option<Self>, Problem> {
        let mut values = request.headers().get_all(HEADER);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => parse(value.as_bytes()).map(Some),
            (Some(_), Some(_)) => Err(invalid("must be there at most once")),
        }
    }
}

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// A string in quotes (RFC 8941, 3.3.3), as the HTTP working group's draft has it, or bare, as many clients send it.
fn parse(value: &[u8]) -> Result<IdempotencyKey, Problem> {
    let (key, form) = match value.strip_prefix(b"\"") {
        Some(quoted) => (unquoted(quoted), QUOTED),
        None => (bare(value), BARE),
    };
    key.filter(|key| (1..=255).contains(&key.len())).map(IdempotencyKey).ok_or_else(|| invalid(form))
}

const QUOTED: &str = "must be 1 to 255 characters of ASCII in quotes, with a backslash before each quote and backslash \
    among them, and nothing behind the closing quote (RFC 8941)";

const BARE: &str =
    "must be 1 to 255 visible ASCII characters without spaces and quotes, or a string in quotes (RFC 8941)";

/// What stands before the closing quote, if nothing stands behind it.
fn unquoted(quoted: &[u8]) -> Option<String> {
    let (mut key, mut bytes) = (String::new(), quoted.iter());
    loop {
        match bytes.next()? {
            b'"' => return bytes.as_slice().is_empty().then_some(key),
            b'\\' => key.push(char::from(*bytes.next().filter(|byte| matches!(byte, b'"' | b'\\'))?)),
            byte @ b' '..=b'~' => key.push(char::from(*byte)),
            _ => return None,
        }
    }
}

fn bare(value: &[u8]) -> Option<String> {
    let is_bare = value.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'"');
    is_bare.then(|| String::from_utf8_lossy(value).into_owned())
}

fn invalid(detail: &str) -> Problem {
    Problem::invalid(Place::Header("Idempotency-Key".to_owned()), detail)
}

/// The id of an order that comes without one. With a key it follows from customer and key (UUIDv5 of
/// `<customer>/<key>` in [`NAMESPACE`]), so that the same request sent again, to whatever instance, means the
/// same order; otherwise it is new (UUIDv7).
pub(super) fn make_id(customer: &CustomerId, key: Option<&IdempotencyKey>) -> OrderId {
    let uuid = match key {
        // A customer's id has no slash: different pairs have different names.
        Some(IdempotencyKey(key)) => Uuid::new_v5(&NAMESPACE, format!("{customer}/{key}").as_bytes()),
        None => Uuid::now_v7(),
    };
    uuid.hyphenated().to_string().parse().expect("a UUID is 36 of 0-9 a-f and -, which an id may be")
}

/// The namespace of ids made of idempotency keys. Must never change: a request sent again after an update
/// would make a second order.
const NAMESPACE: Uuid = Uuid::from_u128(0x6e9c_5d0b_3a52_4c1e_9b7d_0f6f_52d1_84a7);

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use service::Kind;

    use super::*;

    #[track_caller]
    fn check(headers: &[&[u8]], expected: Option<Option<&str>>) {
        use actix_web::http::header::HeaderValue;
        let values = headers.iter().map(|value| HeaderValue::from_bytes(value).unwrap());
        let request =
            values.fold(TestRequest::post(), |request, value| request.append_header((HEADER, value)));
        let found = IdempotencyKey::of(&request.to_http_request()).map_err(|problem| problem.kind());
        let expected = expected.map(|key| key.map(|key| IdempotencyKey(key.to_owned()))).ok_or(Kind::Invalid);
        assert_eq!(found, expected, "{headers:?}");
    }

    #[test]
    fn a_key_is_1_to_255_characters_in_quotes_or_without() {
        check(&[], Some(None));
        check(&[b"k"], Some(Some("k")));
        check(&[br"!\/~"], Some(Some(r"!\/~")));
        check(&[&[b'x'; 255]], Some(Some(&"x".repeat(255))));
        check(&[&[b'x'; 256]], None);
        check(&[b""], None);
        check(&[b"a b"], None);
        check(&[b"a\tb"], None);
        check(&["schlüssel".as_bytes()], None);
        check(&[b"\xff"], None);
        check(&[b"a", b"a"], None);
        check(&[b"a", b"\"a\""], None);
    }

    #[test]
    fn quotes_and_escapes_are_not_of_the_key() {
        let quoted = |key: &str| format!("\"{key}\"").into_bytes();
        check(&[&quoted("k")], Some(Some("k")));
        check(&[&quoted("a b!#[]~")], Some(Some("a b!#[]~")));
        check(&[&quoted(r#"\"a\\b\""#)], Some(Some(r#""a\b""#)));
        check(&[&quoted(&"x".repeat(255))], Some(Some(&"x".repeat(255))));
        check(&[&quoted(&r"\\".repeat(255))], Some(Some(&r"\".repeat(255))));
        check(&[&quoted(&"x".repeat(256))], None);
        for wrong in [
            "\"",
            "\"\"",
            "\"k",
            "k\"",
            "k\"k",
            "\"k\"k",
            "\"k\" ",
            "\"k\";a=1",
            "\"k\", \"l\"",
            "\"\"k\"\"",
            "'\"k'",
        ] {
            check(&[wrong.as_bytes()], None);
        }
        for wrong in [r#""\""#, r#""\k""#, r#""k\"#, "\"a\tb\"", "\"schlüssel\""] {
            check(&[wrong.as_bytes()], None);
        }
    }

    #[test]
    fn an_id_follows_from_customer_and_key() {
        let id = |customer: &str, key: &str| {
            make_id(&customer.parse().unwrap(), Some(&IdempotencyKey(key.to_owned())))
        };
        // Written down, because it must never change.
        assert_eq!(id("c-1", "k").as_str(), "9218aab2-c0aa-527f-9534-c3a35aa17c05");
        assert_ne!(id("c-1", "k"), id("c-2", "k"));
        assert_ne!(id("c-1", "k"), id("c-1", "l"));
        assert_ne!(id("c", "1/k"), id("c-1", "k"));
        let customer = "c-1".parse().unwrap();
        assert_ne!(make_id(&customer, None), make_id(&customer, None));
    }
}
