//! The entity tag of an order: which of its versions a client has.

use actix_web::HttpRequest;
use actix_web::http::header::{EntityTag, Header as _, IfNoneMatch};
use domain::Order;

/// The tag of the order as it is: attempt and version.
pub(super) fn tag(order: &Order) -> EntityTag {
    EntityTag::new_strong(format!("{}.{}", order.attempt, order.version))
}

/// The versions that the client does not want to see again. A header that is not well formed names none.
pub(super) fn known_versions(request: &HttpRequest) -> KnownVersions {
    KnownVersions(IfNoneMatch::parse(request).ok())
}

/// What `If-None-Match` says.
pub(super) struct KnownVersions(Option<IfNoneMatch>);

impl KnownVersions {
    /// Whether the client has the order as it is. Compared weakly, as RFC 9110 wants it for this header.
    pub(super) fn contain(&self, order: &Order) -> bool {
        match &self.0 {
            None => false,
            Some(IfNoneMatch::Any) => true,
            Some(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag(order))),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::IF_NONE_MATCH;
    use actix_web::test::TestRequest;

    use super::*;
    use crate::http::tests::{created, decided};

    #[track_caller]
    fn check(headers: &[&str], known: bool) {
        let request = headers
            .iter()
            .fold(TestRequest::get(), |request, header| request.append_header((IF_NONE_MATCH, *header)));
        let versions = known_versions(&request.to_http_request());
        assert_eq!(versions.contain(&created("o-1")), known, "{headers:?}");
    }

    #[test]
    fn a_version_is_known_by_its_tag() {
        assert_eq!(tag(&created("o-1")).to_string(), r#""1.1""#);
        assert_eq!(tag(&decided("o-1")).to_string(), r#""1.2""#);
        check(&[], false);
        check(&[r#""1.1""#], true);
        check(&[r#"W/"1.1""#], true);
        check(&[r#""1.2""#], false);
        check(&[r#""1.0", "1.1""#], true);
        check(&[r#""1.0""#, r#""1.1""#], true);
        check(&["*"], true);
        check(&["1.1"], false);
        check(&["\""], false);
        check(&[""], false);
    }
}
