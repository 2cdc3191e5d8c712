//! HTTP clients.

use reqwest::{Client, ClientBuilder};

/// The beginnings of an HTTP client that goes through no proxy. TLS is rustls's, with the
/// roots that the system trusts.
#[expect(clippy::disallowed_methods, reason = "this is what is to be called instead")]
pub fn http_client() -> ClientBuilder {
    // It may be installed already, which is as good.
    _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy()
}
