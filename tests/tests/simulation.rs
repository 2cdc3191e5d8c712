//! The whole pipeline in simulated worlds, a few hundred of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use pipeline_tests::simulation::{play, play_many, stay_on_core};

/// How many seeds; more with `script/simulate`.
const SEEDS: u64 = 240;

#[test]
fn nothing_is_lost_or_doubled_in_any_world() {
    let jobs = available_parallelism().map_or(1, usize::from);
    let (orders, faults) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failures = play_many(0..SEEDS, jobs, 3, &|_, played| {
        if let Ok(success) = played {
            orders.fetch_add(success.value.orders, Ordering::Relaxed);
            faults.fetch_add(success.value.faults, Ordering::Relaxed);
        }
    });
    if let Some(failure) = failures.first() {
        panic!("{failure}");
    }
    println!("{SEEDS} seeds: {orders:?} orders, {faults:?} faults");
}

#[test]
fn a_seed_is_replayed_exactly() {
    stay_on_core(0);
    for seed in 0..10 {
        let histories = [0, 1].map(|_| play(seed).map(|success| success.history));
        match histories {
            [Ok(first), Ok(second)] => assert_eq!(first, second, "seed {seed}"),
            [first, second] => panic!("seed {seed}: {first:?} {second:?}"),
        }
    }
}
