//! Many seeds, on as many threads as one likes.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use streams::simulation::{Failure, Success};

use super::{Report, play};

/// Told of each seed that was played.
pub type Progress<'a> = dyn Fn(u64, &Result<Success<Report>, Failure>) + Sync + 'a;

/// Plays seeds, lowest first, until `most` have failed or all are played. Those that failed, in the order of their seeds.
pub fn play_many(seeds: Range<u64>, jobs: usize, most: usize, progress: &Progress<'_>) -> Vec<Failure> {
    let next = AtomicU64::new(seeds.start);
    let failures = Mutex::new(Vec::new());
    let has_enough = || failures.lock().unwrap_or_else(PoisonError::into_inner).len() >= most;
    let work = &|job: usize| {
        stay_on_core(job);
        while !has_enough() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let played = play(seed);
            progress(seed, &played);
            if let Err(failure) = played {
                failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
            }
        }
    };
    thread::scope(|scope| (0..jobs.max(1)).for_each(|job| drop(scope.spawn(move || work(job)))));
    let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.sort_by_key(|failure| failure.seed);
    failures
}

/// Keeps this thread, and what it starts, on one core: the one of this number, or of a rest of it. Of a world's threads
/// one has the turn at a time, and to hand it over on the same core takes a third of the time that waking another core
/// takes. Where it cannot be had, playing is slower.
pub fn stay_on_core(number: usize) {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if let Some(core) = cores.get(number % cores.len().max(1)) {
        core_affinity::set_for_current(*core);
    }
}
