//! The header `Idempotency-Key`, and the ids that the server makes.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use domain::{CustomerId, OrderId};
use service::{Place, Problem};
use uuid::Uuid;

/// What a client calls its request, so that it can be sent again without a second order: 1–255 visible ASCII.
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

fn parse(value: &[u8]) -> Result<IdempotencyKey, Problem> {
    let visible = value.iter().all(u8::is_ascii_graphic).then(|| String::from_utf8_lossy(value).into_owned());
    let key = visible.filter(|key| (1..=255).contains(&key.len()));
    key.map(IdempotencyKey)
        .ok_or_else(|| invalid("must be 1 to 255 visible ASCII characters, without spaces"))
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
    fn a_key_is_1_to_255_visible_ascii() {
        check(&[], Some(None));
        check(&[b"k"], Some(Some("k")));
        check(&[b"!\"/~"], Some(Some("!\"/~")));
        check(&[&[b'x'; 255]], Some(Some(&"x".repeat(255))));
        check(&[&[b'x'; 256]], None);
        check(&[b""], None);
        check(&[b"a b"], None);
        check(&[b"a\tb"], None);
        check(&["schlüssel".as_bytes()], None);
        check(&[b"\xff"], None);
        check(&[b"a", b"a"], None);
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
