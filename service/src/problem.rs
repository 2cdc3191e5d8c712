//! What a client is told when it does not get what it asked for: RFC 9457, in one place.

use std::fmt;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use domain::{BodyError, FieldError};
use serde::Serialize;
use streams::{ClientError, ErrorKind, QueryError};
use utoipa::ToSchema;

use crate::routing::{NOT_MINE, PROGRESS};

/// An answer from 400 up, as `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<Flaw>,
    reasons: Vec<String>,
    progress: Option<String>,
}

/// What kind of problem it is: decides `status`, `type` and `title`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 400: the body is not JSON.
    NotJson,
    /// 404: there is nothing of that name.
    NotFound,
    /// 409: what is there contradicts what is asked for.
    Conflict,
    /// 415: the body is of another type than JSON.
    UnsupportedMediaType,
    /// 415: the body is compressed or coded otherwise.
    UnsupportedCoding,
    /// 422: the request is understood, but not of the right form.
    Invalid,
    /// 500: what is stored cannot be read, or something else that is not the client's doing.
    Internal,
    /// 503: it cannot be answered here and now; later it can.
    Unavailable,
    /// 503: it cannot be answered here; maybe another instance can.
    NotMine,
    /// 504: what was waited for did not come in time.
    TimedOut,
    /// Any other status, without a meaning beyond it.
    Other(StatusCode),
}

/// One thing that is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Flaw {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// What, for people.
    pub detail: String,
}

/// A part of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// In the body: a JSON pointer (RFC 6901).
    Pointer(String),
    /// In the path or in the query: the parameter's name.
    Parameter(String),
    /// In the head: the header's name.
    Header(String),
}

impl Problem {
    /// A problem of this kind; `detail` is for people.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), reasons: Vec::new(), progress: None }
    }

    /// There is nothing of that name.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, detail)
    }

    /// What is there contradicts what is asked for.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, detail)
    }

    /// Not here and now; the client should try again.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, detail)
    }

    /// Not here; `progress` tells another instance how far this one has come.
    pub fn not_mine(detail: impl Into<String>, progress: Option<String>) -> Self {
        Self { progress, ..Self::new(Kind::NotMine, detail) }
    }

    /// What was waited for did not come in time.
    pub fn timed_out(detail: impl Into<String>) -> Self {
        Self::new(Kind::TimedOut, detail)
    }

    /// One part of the request, other than the body, is not of the right form.
    pub fn invalid(place: Place, detail: impl Into<String>) -> Self {
        let flaw = Flaw { place, detail: detail.into() };
        let detail = match &flaw.place {
            Place::Pointer(at) | Place::Parameter(at) | Place::Header(at) => format!("{at}: {}", flaw.detail),
        };
        Self { errors: vec![flaw], ..Self::new(Kind::Invalid, detail) }
    }

    /// The same, with what stands behind it.
    pub fn with_reasons(mut self, reasons: Vec<String>) -> Self {
        self.reasons = reasons;
        self
    }

    /// The same, if another instance is to go on: how far this one has come.
    pub fn with_progress(mut self, progress: String) -> Self {
        self.progress = Some(progress);
        self
    }

    /// The same of a request that is done once for each id, as it tells its client: it may have been made up here.
    pub fn with_id(mut self, id: impl fmt::Display) -> Self {
        if self.kind == Kind::Unavailable {
            self.detail = format!("{}; with the id {id} it can safely be asked again", self.detail);
        }
        self
    }

    /// How far the request was carried out.
    pub(crate) fn progress(&self) -> Option<&str> {
        self.progress.as_deref()
    }

    /// The same with all that is wrong with the request.
    pub(crate) fn with_errors(mut self, errors: Vec<Flaw>) -> Self {
        self.errors = errors;
        self
    }

    /// What kind it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The answer; `instance` says for which request.
    pub(crate) fn response(&self, instance: Option<&str>) -> HttpResponse {
        let mut response = HttpResponse::build(self.kind.status());
        response.insert_header((CONTENT_TYPE, "application/problem+json"));
        match self.kind {
            Kind::Unavailable | Kind::NotMine => response.insert_header((RETRY_AFTER, RETRY_IN.as_secs())),
            // What would have been taken (RFC 9110, 15.5.16).
            Kind::UnsupportedMediaType => response.insert_header((ACCEPT, "application/json")),
            Kind::UnsupportedCoding => response.insert_header((ACCEPT_ENCODING, "identity")),
            _ => &mut response,
        };
        if self.kind == Kind::NotMine {
            response.insert_header((NOT_MINE, "true"));
            if let Some(progress) = self.progress() {
                response.insert_header((PROGRESS, progress));
            }
        }
        response.body(serde_json::to_string(&self.body(instance)).unwrap_or_default())
    }

    /// The body of the answer.
    pub(crate) fn body<'a>(&'a self, instance: Option<&'a str>) -> Body<'a> {
        let (kind, title) = self.kind.type_and_title();
        Body {
            kind,
            title,
            status: self.kind.status().as_u16(),
            detail: &self.detail,
            instance,
            errors: &self.errors,
            reasons: &self.reasons,
        }
    }
}

/// A rebalance, a restore or a restart is mostly over by then.
const RETRY_IN: Duration = Duration::from_secs(1);

/// Why a request did not get what it asked for (RFC 9457)
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Body<'a> {
    /// The kind of the problem, for programs: a URN, or about:blank where the status says it all
    #[serde(rename = "type")]
    #[schema(examples("urn:order-pipeline:invalid"))]
    kind: &'a str,
    /// The kind of the problem, for people
    title: &'a str,
    /// The status of the answer
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What happened this time, for people
    detail: &'a str,
    /// The path of the request, unless it is very long
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    instance: Option<&'a str>,
    /// All that is wrong with the request
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Flaw],
    /// Why the process cannot answer
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    reasons: &'a [String],
}

impl Kind {
    /// The kind that a bare status stands for.
    pub(crate) fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::CONFLICT => Self::Conflict,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::UNPROCESSABLE_ENTITY => Self::Invalid,
            StatusCode::INTERNAL_SERVER_ERROR => Self::Internal,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            StatusCode::GATEWAY_TIMEOUT => Self::TimedOut,
            other => Self::Other(other),
        }
    }

    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::NotJson => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::UnsupportedMediaType | Self::UnsupportedCoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable | Self::NotMine => StatusCode::SERVICE_UNAVAILABLE,
            Self::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Self::Other(status) => status,
        }
    }

    pub(crate) fn type_and_title(self) -> (&'static str, &'static str) {
        match self {
            Self::NotJson => ("urn:order-pipeline:not-json", "The body is not JSON"),
            Self::NotFound => ("urn:order-pipeline:not-found", "Not found"),
            Self::Conflict => ("urn:order-pipeline:conflict", "In conflict with what is there"),
            Self::UnsupportedMediaType => {
                ("urn:order-pipeline:unsupported-media-type", "The body must be application/json in UTF-8")
            }
            Self::UnsupportedCoding => {
                ("urn:order-pipeline:unsupported-coding", "The body must not be compressed")
            }
            Self::Invalid => ("urn:order-pipeline:invalid", "The request is not of the right form"),
            Self::Internal => ("urn:order-pipeline:internal", "Something is wrong on our side"),
            Self::Unavailable | Self::NotMine => {
                ("urn:order-pipeline:unavailable", "Not available at the moment")
            }
            Self::TimedOut => ("urn:order-pipeline:timed-out", "Not in time"),
            // The RFC's word for a problem that its status explains.
            Self::Other(status) => ("about:blank", status.canonical_reason().unwrap_or("Error")),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.type_and_title().1, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        self.response(None)
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let detail = error.to_string();
        match error {
            BodyError::Syntax { .. } => Self::new(Kind::NotJson, detail),
            BodyError::Invalid(errors) => Self {
                errors: errors.into_iter().map(Flaw::from).collect(),
                ..Self::new(Kind::Invalid, detail)
            },
        }
    }
}

impl From<FieldError> for Flaw {
    fn from(FieldError { pointer, detail }: FieldError) -> Self {
        Self { place: Place::Pointer(pointer), detail }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::NotMine { .. } => Self::not_mine(error.to_string(), None),
            QueryError::Store(error) => {
                tracing::error!(%error, "a store cannot be read");
                Self::new(Kind::Internal, "what is stored under this name cannot be read")
            }
        }
    }
}

impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Self {
        tracing::warn!(%error, "a command was not written");
        match error.kind {
            ErrorKind::Refused => Self::new(Kind::Internal, "Kafka refuses the request"),
            _ => Self::unavailable("Kafka does not take the request at the moment"),
        }
    }
}

#[cfg(test)]
mod tests;
