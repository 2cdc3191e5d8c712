//! What is done when the services have been started: wait for them, seed, and say so.

use std::env;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context;
use serde_json::json;

use crate::client::Client;
use crate::seed::{CUSTOMERS, PRODUCTS, seed};

/// Waits until all runs, adds the seeds if they are wanted, and prints `ready http://<address>` and what to try next.
pub(crate) async fn welcome(
    all_run: impl Future<Output = ()>,
    address: SocketAddr,
    with_seeds: bool,
) -> anyhow::Result<()> {
    all_run.await;
    let url = format!("http://{}", reachable(address));
    if with_seeds {
        let client = Client::new(&url.parse()?)?;
        let seeded = seed(&client).await.context("could not add customers and stock to begin with")?;
        tracing::info!(customers = seeded.customers, stocks = seeded.stocks, "seeded");
    }
    if let Err(error) = announce(address, &url, with_seeds) {
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

fn announce(address: SocketAddr, url: &str, with_seeds: bool) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "ready http://{address}")?;
    writeln!(stdout, "All calls, to be tried in a browser: {url}/docs")?;
    if with_seeds {
        let program = env::args().next().unwrap_or_else(|| "pipeline".to_owned());
        writeln!(stdout, "A first order, and what becomes of it:\n  {}", first_order(url))?;
        writeln!(stdout, "A hundred orders:\n  {program} simulate --url {url}")?;
    }
    stdout.flush()
}

/// A command that orders something of what was seeded and waits for the outcome.
fn first_order(url: &str) -> String {
    let (customer, product) = (CUSTOMERS[0].id, PRODUCTS[0].id);
    let order = json!({
        "customerId": customer,
        "currency": "EUR",
        "lines": [{ "productId": product, "quantity": 3, "unitPrice": "7.90" }],
    });
    format!("curl {url}/v1/orders -H 'Content-Type: application/json' -H 'Prefer: wait=10' -d '{order}'")
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
