//! The body of a request, read from its connection as far as a handler asks for it.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::error::PayloadError;
use actix_web::web::Bytes;
use futures::Stream;

use crate::client_connection::ClientConnection;

/// The body of one request.
pub(crate) struct RequestBody {
    connection: Rc<RefCell<ClientConnection>>,
    request: u64,
}

impl RequestBody {
    /// The body of the request with this number.
    pub(crate) fn new(connection: &Rc<RefCell<ClientConnection>>, request: u64) -> Self {
        Self { connection: connection.clone(), request }
    }
}

impl Stream for RequestBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connection.borrow_mut().poll_body(self.request, cx)
    }
}
