//! The arguments of `simulate`.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use clap::Args;
use reqwest::Url;

use crate::seed::{CUSTOMERS, PRODUCTS, SeedCustomer, SeedProduct};

/// Send random orders, follow each to its final state and tell how they fared
#[derive(Clone, Debug, Args)]
pub(crate) struct SimulateArgs {
    /// Where the pipeline answers
    #[arg(long, default_value = "http://127.0.0.1:8080", value_parser = url)]
    pub(crate) url: Url,
    /// How many orders to send
    #[arg(long, default_value_t = 100)]
    pub(crate) orders: usize,
    /// Orders a second; 0 or left out: as fast as the concurrency allows
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// How many orders may be under way at once
    #[arg(long, default_value = "64")]
    pub(crate) concurrency: NonZeroUsize,
    /// How many seconds an order may take to its final state, 503 and pauses included
    #[arg(long, default_value = "60", value_name = "SECONDS")]
    timeout: NonZeroU64,
    /// Which of the seeded customers order, separated by commas [default: all]
    #[arg(long, value_delimiter = ',', value_parser = customer)]
    customers: Vec<SeedCustomer>,
    /// Which of the seeded products are ordered, separated by commas [default: all]
    #[arg(long, value_delimiter = ',', value_parser = product)]
    products: Vec<SeedProduct>,
    /// With the same number the same is ordered again, under new order ids [default: another each time]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

impl SimulateArgs {
    /// Orders a second, if there is a limit.
    pub(crate) fn rate(&self) -> Option<f64> {
        self.rate.filter(|rate| *rate > 0.0)
    }

    /// How long an order may take.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout.get())
    }

    /// Who orders: at least one.
    pub(crate) fn customers(&self) -> &[SeedCustomer] {
        if self.customers.is_empty() { &CUSTOMERS } else { &self.customers }
    }

    /// What is ordered: at least one.
    pub(crate) fn products(&self) -> &[SeedProduct] {
        if self.products.is_empty() { &PRODUCTS } else { &self.products }
    }
}

fn url(text: &str) -> Result<Url, String> {
    if !text.starts_with("http://") {
        return Err("must begin with http://".to_owned());
    }
    text.parse().map_err(|error| format!("is no URL: {error}"))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.0..=MAX_RATE).contains(rate));
    rate.ok_or_else(|| format!("must be a number of orders a second from 0 to {MAX_RATE}"))
}

/// Beyond what one client can send.
const MAX_RATE: f64 = 1_000_000.0;

fn customer(id: &str) -> Result<SeedCustomer, String> {
    let seeded = CUSTOMERS.into_iter().find(|customer| customer.id == id);
    let [first, .., last] = CUSTOMERS.map(|customer| customer.id);
    seeded.ok_or_else(|| format!("must be one of {first} to {last}"))
}

fn product(id: &str) -> Result<SeedProduct, String> {
    let seeded = PRODUCTS.into_iter().find(|product| product.id == id);
    seeded.ok_or_else(|| format!("must be of {}", PRODUCTS.map(|product| product.id).join(", ")))
}
