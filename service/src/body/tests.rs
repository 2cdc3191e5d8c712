use actix_web::http::header::CONTENT_TYPE;
use actix_web::test::TestRequest;

use super::*;

#[track_caller]
fn check(content_type: Option<&str>, coding: Option<&str>, accepted: bool) {
    let head = [(CONTENT_TYPE, content_type), (CONTENT_ENCODING, coding)];
    let request = head
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .fold(TestRequest::post(), TestRequest::insert_header)
        .to_http_request();
    let result = check_media_type(&request).map_err(|problem| problem.kind());
    let refusal = if coding.is_some() { Kind::UnsupportedCoding } else { Kind::UnsupportedMediaType };
    assert_eq!(result, if accepted { Ok(()) } else { Err(refusal) }, "{content_type:?} {coding:?}");
}

#[test]
fn a_body_must_say_that_it_is_json() {
    for yes in [
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
        "application/json ; charset=utf-8",
        "application/json\t;\tcharset=UTF8 ;",
        "application/json; charset=us-ascii",
        "application/json; profile=\"a;charset=latin1\"; charset=\"utf\\-8\"",
        "application/json; profile=\"\\\"; charset=latin1\"",
        "application/vnd.order+json",
        "application/problem+json",
    ] {
        check(Some(yes), None, true);
    }
    for no in [
        "",
        "json",
        "text/plain",
        "text/json",
        "application/xml",
        "application/jsonp",
        "application/json; charset=latin1",
        "application/json; charset=utf-8; charset=latin1",
        "application/json; profile=\"x\\\\\"; charset=latin1",
        "application/json; charset=\"utf-16\"",
        "application/+json/x",
        "application /json",
        "application/x-www-form-urlencoded",
    ] {
        check(Some(no), None, false);
    }
    check(None, None, false);
    check(Some("application/json"), Some("identity"), true);
    check(Some("application/json"), Some("gzip"), false);
    check(Some("application/json"), Some("Identity , identity"), true);
    check(Some("application/json"), Some("identity,gzip"), false);
}
