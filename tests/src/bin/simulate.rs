//! `simulate`: plays the whole pipeline in as many simulated worlds as one likes.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use pipeline_tests::simulation::play_many;

/// Plays the six services in simulated worlds, one a seed, in which everything goes wrong that can, and checks that
/// nothing is lost or doubled.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// How many seeds.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them. With `--seeds 1` this replays one.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many threads; as many as there are cores, by default.
    #[arg(long)]
    jobs: Option<usize>,
    /// Stops when so many seeds have failed.
    #[arg(long, default_value_t = 1)]
    failures: usize,
    /// Where the traces of seeds that fail are written.
    #[arg(long, default_value = "target/simulation")]
    traces: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let jobs = args.jobs.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
    // What fails is told at the end, with its seed.
    std::panic::set_hook(Box::new(|_| ()));
    let bar = ProgressBar::new(args.seeds);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {eta} left, {msg}") {
        bar.set_style(style);
    }
    let (orders, faults, played) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let start = Instant::now();
    let rate = |count: usize| count as f64 / start.elapsed().as_secs_f64();
    let failures =
        play_many(args.first..args.first.saturating_add(args.seeds), jobs, args.failures, &|_, seed| {
            played.fetch_add(1, Ordering::Relaxed);
            if let Ok(success) = seed {
                faults.fetch_add(success.value.faults, Ordering::Relaxed);
                let orders = orders.fetch_add(success.value.orders, Ordering::Relaxed) + success.value.orders;
                bar.set_message(format!("{:.0} orders/s", rate(orders)));
            }
            bar.inc(1);
        });
    bar.finish_and_clear();
    let (orders, played) = (orders.into_inner(), played.into_inner());
    println!(
        "{played} seeds in {:.0} s ({:.1}/s): {orders} orders ({:.0}/s), {} faults, {} failures",
        start.elapsed().as_secs_f64(),
        rate(played),
        rate(orders),
        faults.into_inner(),
        failures.len()
    );
    for failure in &failures {
        println!("seed {}: {}", failure.seed, failure.reason);
        let path = args.traces.join(format!("{}.trace", failure.seed));
        match fs::create_dir_all(&args.traces).and_then(|()| fs::write(&path, &failure.trace)) {
            Ok(()) => println!(
                "  its last steps: {}; again: script/simulate --first {} --seeds 1",
                path.display(),
                failure.seed
            ),
            Err(error) => eprintln!("  {}: {error}\n{}", path.display(), failure.trace),
        }
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
