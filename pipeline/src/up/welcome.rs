//! What is done when the services have been started: wait for them, seed, and say so.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context;

use crate::client::Client;
use crate::seed::seed;

/// Waits until all runs, adds the seeds if they are wanted, and prints `ready http://<address>`.
pub(crate) async fn welcome(
    all_run: impl Future<Output = ()>,
    address: SocketAddr,
    with_seeds: bool,
) -> anyhow::Result<()> {
    all_run.await;
    if with_seeds {
        let client = Client::new(&format!("http://{}", reachable(address)).parse()?)?;
        let seeded = seed(&client).await.context("could not add customers and stock to begin with")?;
        tracing::info!(customers = seeded.customers, stocks = seeded.stocks, "seeded");
    }
    if let Err(error) = announce(address) {
        tracing::warn!(%error, "nobody reads stdout");
    }
    Ok(())
}

/// Where this machine reaches what listens on `address`, which may be all of its addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn announce(address: SocketAddr) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "ready http://{address}")?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_all_interfaces_is_reached_by_loopback() {
        for (address, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("10.0.0.7:80", "10.0.0.7:80"),
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(reachable(address.parse().unwrap()), expected.parse().unwrap(), "{address}");
        }
    }
}
