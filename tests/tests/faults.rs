//! Whether the simulation can fail: each deliberate fault in the runtime or a service is found by some seed.

use std::panic;
use std::sync::Mutex;
use std::thread::available_parallelism;

use pipeline_tests::simulation::play_many;
use streams::faults::{self, Fault};

/// What is tried for at most so many seeds.
const MOST: u64 = 3000;

const FAULTS: [Fault; 13] = [
    faults::OFFSETS_APART,
    faults::STORE_FIRST,
    faults::OVERLAY_KEPT,
    faults::FRESH_METADATA,
    faults::UNSTABLE_FETCH,
    faults::RESTORE_TO_STABLE,
    faults::STORE_TRUSTED,
    faults::CHECKPOINT_AHEAD,
    faults::UNKNOWN_IS_FAILED,
    faults::ZOMBIE_ANSWERS,
    faults::END_TAKEN_FOR_GRANTED,
    faults::TOLD_EARLY,
    inventory_service::RELEASE_FORGOTTEN,
];

#[test]
fn each_deliberate_fault_is_found() {
    find(&FAULTS);
}

/// It shows only where a worker sleeps through its session in the one moment that counts, and nothing lingers in its
/// stores: that would be committed first, with offsets. It took 411 seeds before commits could be late; since then some
/// 1,500 seeds were not enough.
#[test]
#[ignore = "takes more than a thousand seeds; run it with --include-ignored"]
fn a_rare_fault_is_found() {
    find(&[faults::BARE_PUNCTUATION]);
}

#[track_caller]
fn find(faults: &[Fault]) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    // What a check says is in the table.
    panic::set_hook(Box::new(|_| ()));
    let jobs = available_parallelism().map_or(1, usize::from);
    let only = std::env::var("FAULT").ok();
    let mut missed = Vec::new();
    println!("| fault | seeds | found as |\n|---|---|---|");
    for fault in faults.iter().filter(|fault| only.as_deref().is_none_or(|only| fault.name().contains(only)))
    {
        fault.switch_on();
        match play_many(0..MOST, jobs, 1, &|_, _| ()).first() {
            Some(failure) => {
                let found: String = failure.reason.chars().take(160).collect();
                println!("| {} | {} | {} |", fault.name(), failure.seed + 1, found.replace('\n', " "));
            }
            None => missed.push(fault.name()),
        }
    }
    drop(panic::take_hook());
    assert!(missed.is_empty(), "not found in {MOST} seeds: {missed:?}");
}
