//! What instances say to each other beside the call itself.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;

/// Of a request: it was forwarded, by the instance that is named, and is not to be forwarded again.
pub(crate) const FORWARDED_BY: HeaderName = HeaderName::from_static("order-pipeline-forwarded-by");

/// Of a request: for how many milliseconds it has been under way. What it may still take follows from it.
pub(super) const ELAPSED: HeaderName = HeaderName::from_static("order-pipeline-elapsed-ms");

/// Of a request: the id that was made for it.
pub(super) const MADE_ID: HeaderName = HeaderName::from_static("order-pipeline-made-id");

/// Of a request, and of an answer that says "not mine": how far the call was carried out already.
pub(crate) const PROGRESS: HeaderName = HeaderName::from_static("order-pipeline-progress");

/// Of an answer: who gives it.
pub(super) const ANSWERED_BY: HeaderName = HeaderName::from_static("order-pipeline-answered-by");

/// Of an answer: the key is not this instance's.
pub(crate) const NOT_MINE: HeaderName = HeaderName::from_static("order-pipeline-not-mine");

/// The name of this instance, for those who ask by forwarding.
pub(super) struct Identity(pub(super) HeaderValue);

/// Middleware that tells who answers what was forwarded.
pub(crate) async fn identify<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let is_forwarded = request.headers().contains_key(FORWARDED_BY);
    let identity = request.app_data::<Data<Identity>>().filter(|_| is_forwarded).cloned();
    let mut response = next.call(request).await?;
    if let Some(identity) = identity {
        response.headers_mut().insert(ANSWERED_BY, identity.0.clone());
    }
    Ok(response)
}
