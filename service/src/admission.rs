//! How many requests may be under way at once: what is too much is refused at once, instead of making all slow.

use std::fmt;
use std::sync::Arc;

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::middleware::Next;
use actix_web::web::Data;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::sync::Semaphore;

use crate::compact_headers::compact;
use crate::errors::instance;
use crate::problem::Problem;
use crate::{head_limit, probes};

/// The places for requests, and the connections on which they may come.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    places: Arc<Semaphore>,
    most: usize,
    connections: usize,
}

/// For stores, for Kafka and for the log.
const OTHER_FILES: usize = 1024;

/// More than any machine has room for.
const MOST_CONNECTIONS: usize = 1 << 20;

impl Admission {
    /// For `wanted` requests at once, or fewer if the process may not have that many files open: each of them has
    /// a connection, and there must be some left on which to refuse the next.
    pub(crate) fn new(wanted: usize, open_files: usize) -> Self {
        let connections = open_files.saturating_sub(OTHER_FILES.min(open_files / 2)).min(MOST_CONNECTIONS);
        let most = wanted.min(connections - connections / 8).max(1);
        Self { places: Arc::new(Semaphore::new(most)), most, connections }
    }

    /// How many requests may be under way.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// How many connections may be open. What comes beyond waits to be accepted.
    pub(crate) fn connections(&self) -> usize {
        self.connections
    }

    /// How many requests are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.most.saturating_sub(self.places.available_permits())
    }
}

impl Collector for Admission {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let (name, help) = ("http_requests_under_way", "Requests that are not answered yet");
        let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::try_from(self.under_way()).unwrap_or(i64::MAX)).encode(gauge)
    }
}

/// Middleware that lets a request in if its head is not too large and there is a place, which it holds until it is answered or its client has
/// gone. Whoever watches over the process is always let in.
pub(crate) async fn admit(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    compact(request.headers_mut());
    if let Some(problem) = head_limit::refusal(&request) {
        return Ok(refuse(request, &problem));
    }
    let admission = match request.app_data::<Data<Admission>>() {
        Some(admission) if !probes::PATHS.contains(&request.path()) => admission.get_ref().clone(),
        _ => return Ok(next.call(request).await?.map_into_boxed_body()),
    };
    match admission.places.try_acquire() {
        Ok(_place) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(_) => {
            let most = admission.most;
            let detail = format!("{most} requests are under way, and no more are taken");
            Ok(refuse(request, &Problem::unavailable(detail)))
        }
    }
}

fn refuse(request: ServiceRequest, problem: &Problem) -> ServiceResponse<BoxBody> {
    let mut answer = problem.response(instance(request.path()));
    // Others want the connection's place.
    answer.head_mut().set_connection_type(ConnectionType::Close);
    request.into_response(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_leave_connections_on_which_to_refuse_the_next() {
        for (wanted, open_files, most, connections) in [
            (16_384, 20_000, 16_384, 18_976),
            (16_384, 1 << 20, 16_384, (1 << 20) - 1024),
            (16_384, usize::MAX, 16_384, 1 << 20),
            (16_384, 4096, 2688, 3072),
            (16_384, 1024, 448, 512),
            (1, 20_000, 1, 18_976),
            (10, 2, 1, 1),
            (10, 0, 1, 0),
        ] {
            let admission = Admission::new(wanted, open_files);
            assert_eq!((admission.most(), admission.connections()), (most, connections), "{open_files}");
        }
    }
}
