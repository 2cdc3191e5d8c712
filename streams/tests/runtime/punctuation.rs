//! What is due by the wall clock, in the tasks of one worker.

use std::sync::Arc;
use std::time::Duration;

use streams::{Context, ProcessError, Processor, StateDirectory, Streams, StreamsConfig, Topic, Topology};

use crate::harness::{App, PATIENCE, key};

const TURNS: Topic<String, i64> = Topic::new("turns");
const INPUT: Topic<String, i64> = Topic::new("input");
const INTERVAL: Duration = Duration::from_millis(50);
/// The partition in which it always fails.
const FAILING: i32 = 0;

/// Puts out its partition whenever it is due, once its input is known to be read.
struct Tell;

impl Processor for Tell {
    type KeyIn = String;
    type ValueIn = i64;
    type KeyOut = String;
    type ValueOut = i64;

    fn process(&self, _: String, _: i64, _: &mut Context<'_, String, i64>) -> Result<(), ProcessError> {
        Ok(())
    }

    fn punctuation_interval(&self) -> Option<Duration> {
        Some(INTERVAL)
    }

    fn punctuate(&self, context: &mut Context<'_, String, i64>) -> Result<(), ProcessError> {
        let partition = context.partition();
        if partition == FAILING {
            context.forward(partition.to_string(), partition.into());
            return Err(ProcessError::Other("always".to_string()));
        }
        context.request_end(&INPUT);
        if context.read_to_end_as_of(&INPUT).is_some() {
            context.forward(partition.to_string(), partition.into());
        }
        Ok(())
    }
}

fn topology() -> Topology {
    let mut builder = Topology::builder("turns-taken");
    builder.source(&INPUT).process(Tell).sink(&TURNS);
    builder.build()
}

/// They share a transaction as long as none of them fails.
#[test]
fn one_that_fails_takes_no_other_with_it() {
    let app = App::new("punctuation");
    let state = Arc::new(StateDirectory::open(&app.state_path(), None).unwrap());
    let config = StreamsConfig { extra_topics: vec![INPUT.spec(), TURNS.spec()], ..app.config() };
    let streams = Streams::start(topology(), config, app.kafka(), state).unwrap();
    let health = streams.health();
    let deadline = std::time::Instant::now() + PATIENCE;
    while !health.reasons().iter().any(|reason| reason.contains("punctuation of task 0: always")) {
        assert!(std::time::Instant::now() < deadline, "{:?}", health.reasons());
        health.wait(INTERVAL);
    }
    let turns: Vec<String> = app.read(TURNS.name(), 4).iter().map(key).collect();
    assert_eq!(turns, ["1"; 4], "nothing of the one that fails, all of the others");
    let reasons = health.reasons();
    assert!(reasons.iter().all(|reason| reason.contains("task 0")), "{reasons:?}");
}
