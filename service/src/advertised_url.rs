//! The address at which other instances reach this one.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::str::FromStr;

use reqwest::Url;

/// `http://host:port` or `https://host:port`, without anything behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvertisedUrl(String);

/// The text is not such an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} {reason}")]
pub struct InvalidUrl {
    text: String,
    reason: String,
}

/// This instance listens on all addresses of its machine, and cannot tell which of them others can reach.
#[derive(Debug, thiserror::Error)]
#[error(
    "could not tell at which address other instances reach this one, which listens on {listening}: there is no way to \
     {bootstrap_servers} yet; --advertised-url names it"
)]
pub struct NoAddressError {
    listening: SocketAddr,
    bootstrap_servers: String,
}

impl AdvertisedUrl {
    /// The address of who listens on `address`. If that is all addresses of this machine: the one from which this
    /// machine goes to Kafka, where all other instances go too.
    ///
    /// # Errors
    ///
    /// There is no way to Kafka.
    pub(crate) fn of_listener(address: SocketAddr, bootstrap_servers: &str) -> Result<Self, NoAddressError> {
        let error = || NoAddressError { listening: address, bootstrap_servers: bootstrap_servers.to_owned() };
        let ip = match address.ip() {
            ip if ip.is_unspecified() => outgoing(ip, bootstrap_servers).ok_or_else(error)?,
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, address.port())).parse().map_err(|_| error())
    }
}

/// Connecting a datagram socket sends nothing; it only has the operating system choose the way.
fn outgoing(listening: IpAddr, bootstrap_servers: &str) -> Option<IpAddr> {
    let servers = bootstrap_servers.split(',').filter_map(|server| server.to_socket_addrs().ok()).flatten();
    // Who listens on all addresses of IPv6 mostly is reached by those of IPv4 too.
    let mut reachable = servers.filter(|server| listening.is_ipv6() || server.is_ipv4());
    reachable.find_map(|server| {
        let any: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0; 8], 0).into() };
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(server).ok()?;
        Some(socket.local_addr().ok()?.ip())
    })
}

impl FromStr for AdvertisedUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let refused = |reason: &str| InvalidUrl { text: text.to_owned(), reason: reason.to_owned() };
        let url = Url::parse(text).map_err(|error| refused(&format!("is no URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused("does not begin with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("must not name a user"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(refused("must end with host and port: no path, no query"));
        }
        let is_nowhere = match url.host() {
            Some(url::Host::Ipv4(ip)) => ip.is_unspecified(),
            Some(url::Host::Ipv6(ip)) => ip.is_unspecified(),
            Some(url::Host::Domain(_)) | None => false,
        };
        if is_nowhere || url.port() == Some(0) {
            return Err(refused("is no address that others could reach"));
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for AdvertisedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        match (text.parse::<AdvertisedUrl>(), expected) {
            (Ok(url), Ok(expected)) => assert_eq!(url.to_string(), expected),
            (Err(error), Err(expected)) => {
                let error = error.to_string();
                assert!(error.starts_with(&format!("{text:?} ")) && error.contains(expected), "{error}");
            }
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn an_address_is_scheme_host_and_port() {
        check("http://10.0.0.1:8080", Ok("http://10.0.0.1:8080"));
        check("https://orders-1.example.com/", Ok("https://orders-1.example.com"));
        check("HTTP://Orders:80", Ok("http://orders"));
        check("http://[::1]:8080", Ok("http://[::1]:8080"));
        check("", Err("is no URL"));
        check("orders-1:8080", Err("does not begin with http"));
        check("ftp://orders-1", Err("does not begin with http"));
        check("//orders-1", Err("is no URL"));
        check("http://", Err("is no URL"));
        check("http://a:b:c", Err("is no URL"));
        check("http://orders-1/v1", Err("no path"));
        check("http://orders-1/?a", Err("no query"));
        check("http://orders-1#a", Err("no path"));
        check("http://me@orders-1", Err("user"));
        check("http://0.0.0.0:8080", Err("others could reach"));
        check("http://[::]:8080", Err("others could reach"));
        check("http://orders-1:0", Err("others could reach"));
    }

    #[test]
    fn who_listens_everywhere_is_reached_where_it_goes_to_kafka() {
        for (listening, servers, expected) in [
            ("10.0.0.7:80", "nowhere.invalid:1", "http://10.0.0.7"),
            ("[::1]:81", "nowhere.invalid:1", "http://[::1]:81"),
            ("0.0.0.0:8080", "127.0.0.1:9092", "http://127.0.0.1:8080"),
            ("0.0.0.0:8080", "nowhere.invalid:1,127.0.0.1:9092", "http://127.0.0.1:8080"),
            ("[::]:8080", "127.0.0.1:9092", "http://127.0.0.1:8080"),
        ] {
            let url = AdvertisedUrl::of_listener(listening.parse().unwrap(), servers);
            assert_eq!(url.unwrap().to_string(), expected, "{listening} {servers}");
        }
        let error =
            AdvertisedUrl::of_listener("0.0.0.0:80".parse().unwrap(), "nowhere.invalid:1").unwrap_err();
        assert!(error.to_string().ends_with("--advertised-url names it"), "{error}");
    }
}
