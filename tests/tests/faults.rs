//! Whether the simulation can fail: each deliberate fault in the runtime or a service is found by some seed.

use std::panic;
use std::thread::available_parallelism;

use pipeline_tests::simulation::play_many;
use streams::faults::{self, Fault};

/// What is tried for at most so many seeds.
const MOST: u64 = 1500;

const FAULTS: [Fault; 13] = [
    faults::OFFSETS_APART,
    faults::STORE_FIRST,
    faults::OVERLAY_KEPT,
    faults::FRESH_METADATA,
    faults::UNSTABLE_FETCH,
    faults::RESTORE_TO_STABLE,
    faults::STORE_TRUSTED,
    faults::UNKNOWN_IS_FAILED,
    faults::ZOMBIE_ANSWERS,
    faults::BARE_PUNCTUATION,
    faults::END_TAKEN_FOR_GRANTED,
    faults::TOLD_EARLY,
    inventory_service::RELEASE_FORGOTTEN,
];

#[test]
fn each_deliberate_fault_is_found() {
    // What a check says is in the table.
    panic::set_hook(Box::new(|_| ()));
    let jobs = available_parallelism().map_or(1, usize::from);
    let only = std::env::var("FAULT").ok();
    let mut missed = Vec::new();
    println!("| fault | seeds | found as |\n|---|---|---|");
    for fault in FAULTS.iter().filter(|fault| only.as_deref().is_none_or(|only| fault.name().contains(only)))
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
