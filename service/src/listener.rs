//! The address at which HTTP answers.

use std::io;
use std::net::{SocketAddr, TcpListener};

/// The address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("could not listen on {address} for HTTP: {source}")]
pub struct BindError {
    address: String,
    source: io::Error,
}

/// How many connections may wait to be accepted, or as many as the system allows. With the usual 128, of
/// thousands that come at once most would be heard only when they try again, a second later.
const BACKLOG: i32 = 16_384;

/// Listens on `address` (`host:port`), and tells where that is: with port 0 the operating system chooses.
/// Before anything else is started, so that everything else can be told.
///
/// # Errors
///
/// The address is in use, not this machine's, or not to be resolved.
pub fn bind(address: &str) -> Result<(TcpListener, SocketAddr), BindError> {
    let error = |source| BindError { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).map_err(error)?;
    rustix::net::listen(&listener, BACKLOG).map_err(|errno| error(errno.into()))?;
    let bound = listener.local_addr().map_err(error)?;
    Ok((listener, bound))
}
