//! `pipeline simulate`: sends orders to a pipeline, follows each to its end, and tells how they fared.

mod args;
mod journey;
mod orders;
mod random;
mod report;
mod tally;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use domain::{NewOrder, OrderId};
use futures::{FutureExt, Stream, StreamExt};
use indicatif::{ProgressBar, ProgressStyle};
use service::stop_signal;

pub(crate) use args::SimulateArgs;
use journey::{Journey, Trouble, follow};
use orders::Orders;
use report::Report;
use tally::Tally;

use crate::client::Client;
use crate::pace::paced;

/// What a shell gives for a program that ctrl-c has ended.
const INTERRUPTED: u8 = 128 + 2;

/// Fails when an order was lost or not decided in time. After ctrl-c it tells what there is.
pub(crate) async fn simulate(args: &SimulateArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.url)?;
    client.alive().await.with_context(|| format!("nobody answers at {}", args.url))?;
    // Not earlier: until here ctrl-c has nothing to tell and ends the process.
    let stop = stop_signal().context("could not listen for signals")?.shared();

    let seed = args.seed.unwrap_or_else(random::any_seed);
    let orders = Orders::new(seed, args.customers(), args.products()).take(args.orders);
    let bar = progress_bar(args.orders);
    let started = Instant::now();
    let mut tally = Tally::default();
    let mut journeys = Box::pin(journeys(&client, orders, args).take_until(stop.clone()));
    while let Some((order, journey)) = journeys.next().await {
        tally.add(&order, journey);
        bar.inc(1);
    }
    bar.finish_and_clear();

    let report = Report { asked: args.orders, seed, elapsed: started.elapsed(), tally };
    print!("{report}");
    Ok(match stop.now_or_never() {
        Some(()) => INTERRUPTED.into(),
        None if report.tally.errors() > 0 => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    })
}

/// The orders' journeys as they end, so many at once.
fn journeys(
    client: &Client,
    orders: impl Iterator<Item = NewOrder>,
    args: &SimulateArgs,
) -> impl Stream<Item = (OrderId, Result<Journey, Trouble>)> {
    let timeout = args.timeout();
    paced(orders, args.rate())
        .map(move |order| async move {
            let journey = follow(client, &order, timeout).await;
            (order.id, journey)
        })
        .buffer_unordered(args.concurrency.get())
}

/// Shown on a terminal only.
fn progress_bar(orders: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} orders, {per_sec}, {eta} left")
        .expect("the template is a constant that a test has seen");
    ProgressBar::new(orders as u64).with_style(style)
}

#[cfg(test)]
mod tests;
