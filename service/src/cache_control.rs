//! Whether an answer may be kept and given again.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, ETAG, HeaderMap, HeaderValue};
use actix_web::middleware::Next;

/// Middleware that says it, where the handler does not.
pub(crate) async fn say<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let mut response = next.call(request).await?;
    add(response.headers_mut());
    Ok(response)
}

/// All that is told here changes. What has a validator may be kept, to be asked for again with it; else a cache could
/// take a 200 or a 404 for what still holds.
pub(crate) fn add(headers: &mut HeaderMap) {
    if !headers.contains_key(CACHE_CONTROL) {
        let value = if headers.contains_key(ETAG) { "no-cache" } else { "no-store" };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(value));
    }
}
