//! The one door for errors: whatever goes wrong in a handler, in an extractor or in routing leaves as a
//! problem that names its request.

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;

use crate::problem::{Kind, Problem};
use crate::routing::AsItIs;

/// Middleware that turns every answer from 400 up into a problem. What another instance has answered is one.
pub(crate) async fn as_problems(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let response = next.call(request).await?;
    if response.response().extensions().contains::<AsItIs>() {
        return Ok(response.map_into_boxed_body());
    }
    let Some(problem) = problem_of(&response) else { return Ok(response.map_into_boxed_body()) };
    let mut answer = problem.response(instance(response.request().path()));
    if let Some(allow) = response.headers().get(ALLOW) {
        answer.headers_mut().insert(ALLOW, with_head(allow));
    }
    Ok(response.into_response(answer))
}

/// What a problem says of the request's path: what is longer is not worth being sent back.
pub(crate) fn instance(path: &str) -> Option<&str> {
    (path.len() <= LONGEST_INSTANCE).then_some(path)
}

const LONGEST_INSTANCE: usize = 1024;

/// Where GET is answered, HEAD is.
fn with_head(allow: &HeaderValue) -> HeaderValue {
    let names = allow.to_str().unwrap_or_default();
    let has = |method: &str| names.split(',').any(|name| name.trim() == method);
    match has("GET") && !has("HEAD") {
        true => HeaderValue::from_str(&format!("{names}, HEAD")).unwrap_or_else(|_| allow.clone()),
        false => allow.clone(),
    }
}

fn problem_of<B>(response: &ServiceResponse<B>) -> Option<Problem> {
    let status = response.status();
    if status.as_u16() < 400 {
        return None;
    }
    let error = response.response().error();
    let known = error.and_then(|error| error.as_error::<Problem>()).cloned();
    Some(known.unwrap_or_else(|| {
        Problem::new(Kind::of(status), explain(status, response.request().method(), error))
    }))
}

/// What the server itself refuses.
fn explain(status: StatusCode, method: &Method, error: Option<&Error>) -> String {
    match (status, error) {
        (StatusCode::NOT_FOUND, _) => "there is nothing at this path".to_owned(),
        (StatusCode::METHOD_NOT_ALLOWED, _) => format!("{method} is not possible at this path"),
        (_, Some(error)) => error.to_string(),
        (_, None) => status.canonical_reason().unwrap_or("the request failed").to_owned(),
    }
}
