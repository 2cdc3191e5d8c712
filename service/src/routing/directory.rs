//! Where the keys of a service are.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::Url;
use streams::{Owner, Owners};

/// Tells which instance has a partition.
pub trait Directory: Send + Sync + 'static {
    /// Where the partition is, as far as is known here.
    fn locate(&self, partition: i32) -> Whereabouts;

    /// Ready when some place has changed since this call.
    fn changed(&self) -> BoxFuture<'static, ()>;

    /// Ready when it was asked anew, with or without success. However many call this, one asks at a time.
    fn refresh(&self) -> BoxFuture<'static, ()>;
}

/// Where a partition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// Here, and can be read.
    Here,
    /// Here, and cannot be read yet.
    HereNotReady,
    /// At another instance.
    At(Peer),
    /// Nowhere at the moment.
    Nowhere,
    /// Nowhere, and nobody is there to take it.
    Deserted,
}

/// Another instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub instance: String,
    /// The address at which it answers.
    pub url: Url,
}

impl Peer {
    /// Reads a client id of the form `<instance>@<url>`.
    pub(crate) fn of_client_id(client_id: &str) -> Option<Self> {
        let (instance, url) = client_id.split_once('@')?;
        Some(Self { instance: instance.to_owned(), url: url.parse().ok()? })
    }
}

impl Directory for Owners {
    fn locate(&self, partition: i32) -> Whereabouts {
        match self.of(partition) {
            Owner::Here => Whereabouts::Here,
            Owner::HereNotReady => Whereabouts::HereNotReady,
            // One that does not tell its address cannot be asked.
            Owner::Elsewhere(client_id) => {
                Peer::of_client_id(&client_id).map_or(Whereabouts::Nowhere, Whereabouts::At)
            }
            Owner::Nobody => Whereabouts::Nowhere,
            Owner::Deserted => Whereabouts::Deserted,
        }
    }

    fn changed(&self) -> BoxFuture<'static, ()> {
        self.changed().boxed()
    }

    fn refresh(&self) -> BoxFuture<'static, ()> {
        self.refresh().boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_tells_name_and_address() {
        let read =
            |client_id| Peer::of_client_id(client_id).map(|peer| (peer.instance, peer.url.to_string()));
        assert_eq!(read("a-1@http://h:1"), Some(("a-1".to_owned(), "http://h:1/".to_owned())));
        assert_eq!(read("a-1@10.0.0.1:8080"), None);
        assert_eq!(read("a-1"), None);
        assert_eq!(read(""), None);
    }
}
