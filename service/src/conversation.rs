//! What happens on a connection: the client asks, the server answers, then the client may ask again.
//!
//! A request ends with its connection: when its client has gone, nobody waits any more.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::error::ParseError;
use actix_http::{ConnectionType, Method, Payload, Request, Response, StatusCode};
use actix_service::Service;
use actix_web::Error;
use actix_web::dev::ServiceResponse;
use actix_web::web::BytesMut;
use futures::future::{Fuse, FusedFuture as _, FutureExt as _};
use futures::poll;
use tokio::time::timeout;

use crate::cache_control;
use crate::client_connection::ClientConnection;
use crate::problem::{Kind, Problem};
use crate::request_body::RequestBody;

/// How long a client may take for a head, and pause before it begins.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the last answer may take to reach a client that is still sending.
const LINGER: Duration = Duration::from_secs(1);

type Shared = Rc<RefCell<ClientConnection>>;

/// Has `app` answer what comes on `connection`, until either side ends it or the server is `stopping`.
pub(crate) async fn converse<S, B>(connection: ClientConnection, app: &S, stopping: impl Future<Output = ()>)
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    let connection = Rc::new(RefCell::new(connection));
    let mut stopping = pin!(stopping.fuse());
    loop {
        let next = tokio::select! {
            biased;
            next = next_request(&connection) => next,
            () = &mut stopping => return,
        };
        let may_go_on = match next {
            Next::Request(request) => answer(&connection, app, request, stopping.as_mut()).await,
            Next::Refusal(problem) => refuse(&connection, &problem).await.map(|()| false),
            Next::End => return,
        };
        match may_go_on {
            Ok(true) => {}
            Ok(false) => return linger(&connection).await,
            Err(Gone) => return,
        }
    }
}

enum Next {
    Request(Request),
    Refusal(Problem),
    End,
}

/// The client takes no more answers.
struct Gone;

impl From<io::Error> for Gone {
    fn from(error: io::Error) -> Self {
        tracing::debug!(%error, "an answer was not taken");
        Self
    }
}

async fn next_request(connection: &Shared) -> Next {
    let begins = poll_fn(|cx| connection.borrow_mut().poll_begin(cx));
    if !timeout(PATIENCE, begins).await.unwrap_or(false) {
        return Next::End;
    }
    let request = poll_fn(|cx| connection.borrow_mut().poll_request(cx));
    match timeout(PATIENCE, request).await {
        Ok(Ok(Some(request))) => Next::Request(request),
        Ok(Ok(None)) => Next::End,
        Ok(Err(error)) => Next::Refusal(malformed(&error)),
        Err(_) => {
            let detail = format!("the head did not come within {} s", PATIENCE.as_secs());
            Next::Refusal(Problem::new(Kind::of(StatusCode::REQUEST_TIMEOUT), detail))
        }
    }
}

fn malformed(error: &ParseError) -> Problem {
    let detail = match error {
        ParseError::TooLarge => "the head is too large: more than 128 KiB or more than 96 headers",
        ParseError::Uri(_) => "the target is no URI: whatever is not ASCII must be percent-encoded",
        ParseError::Version => "the first line must end with HTTP/1.1 or HTTP/1.0",
        _ => {
            "the head is malformed: it has a first line like GET /path HTTP/1.1 and headers like name: value, one \
             of them Host, and at most one Content-Length or one Transfer-Encoding, which is chunked"
        }
    };
    let status = match error {
        ParseError::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    tracing::debug!(%error, "a request was not understood");
    Problem::new(Kind::of(status), detail)
}

/// An answer to what is no request.
async fn refuse(connection: &Shared, problem: &Problem) -> Result<(), Gone> {
    connection.borrow_mut().forget_request();
    let mut response = Response::from(problem.response(None));
    cache_control::add(response.headers_mut());
    response.head_mut().set_connection_type(ConnectionType::Close);
    write(connection, response, true).await.map(drop)
}

/// Answers a request. Whether another one may follow.
async fn answer<S, B>(
    connection: &Shared,
    app: &S,
    mut request: Request,
    mut stopping: Pin<&mut Fuse<impl Future<Output = ()>>>,
) -> Result<bool, Gone>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    let is_head = request.method() == Method::HEAD;
    // An upgrade is not offered, and the codec would confirm it.
    let is_kept = request.head().connection_type() == ConnectionType::KeepAlive;
    if let Some(number) = connection.borrow().request_with_body() {
        *request.payload() = Payload::Stream { payload: Box::pin(RequestBody::new(connection, number)) };
    }
    let mut response = response(connection, app.call(request)).await?;
    let is_body_over = connection.borrow_mut().pass_body();
    let is_stopping = poll!(&mut stopping).is_ready() || stopping.is_terminated();
    if !is_kept || !is_body_over || is_stopping {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    write(connection, response, !is_head).await
}

async fn response<B: MessageBody + 'static>(
    connection: &Shared,
    call: impl Future<Output = Result<ServiceResponse<B>, Error>>,
) -> Result<Response<BoxBody>, Gone> {
    let gone = poll_fn(|cx| connection.borrow_mut().poll_gone(cx));
    tokio::select! {
        biased;
        response = call => Ok(match response {
            Ok(response) => response.map_into_boxed_body().into(),
            Err(error) => error.error_response().into(),
        }),
        () = gone => Err(Gone),
    }
}

/// Writes an answer. Whether another one may follow.
async fn write(connection: &Shared, response: Response<BoxBody>, with_body: bool) -> Result<bool, Gone> {
    let (head, mut body) = response.into_parts();
    let size = body.size();
    let has_body = with_body
        && !matches!(size, BodySize::None | BodySize::Sized(0))
        && !matches!(head.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let mut bytes = BytesMut::with_capacity(LEAST_ANSWER);
    let is_kept = connection.borrow_mut().encode_head(head, size, &mut bytes)?;
    let mut is_complete = !has_body;
    while !is_complete {
        let part = poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await.transpose();
        let part = part.map_err(|error| io::Error::other(error.to_string()))?;
        is_complete = part.is_none();
        connection.borrow_mut().encode_part(part, &mut bytes)?;
        write_out(connection, &mut bytes).await?;
    }
    write_out(connection, &mut bytes).await?;
    Ok(is_kept)
}

/// Room for a head and a small body.
const LEAST_ANSWER: usize = 1024;

async fn write_out(connection: &Shared, bytes: &mut BytesMut) -> io::Result<()> {
    poll_fn(|cx| connection.borrow_mut().poll_write(bytes, cx)).await
}

/// Ends the connection. If it were closed while something comes in, its kernel would have the client's forget the
/// answer (RFC 9112, 9.6).
async fn linger(connection: &Shared) {
    let end = async {
        if poll_fn(|cx| connection.borrow_mut().poll_end(cx)).await.is_ok() {
            poll_fn(|cx| connection.borrow_mut().poll_drain(cx)).await;
        }
    };
    drop(timeout(LINGER, end).await);
}
