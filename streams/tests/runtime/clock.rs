//! The time that processors are told.

use std::sync::Arc;

use streams::{
    ClientSupplier, CommandWriter, Context, ProcessError, Processor, StateDirectory, Streams, StreamsConfig,
    Timestamp, Topic, Topology,
};

use crate::harness::{App, PARTITIONS, PATIENCE, number};

const QUESTIONS: Topic<String, i64> = Topic::new("questions");
const TIMES: Topic<String, i64> = Topic::new("times");

/// Answers with the time.
struct Clock;

impl Processor for Clock {
    type KeyIn = String;
    type ValueIn = i64;
    type KeyOut = String;
    type ValueOut = i64;

    fn process(
        &self,
        key: String,
        _: i64,
        context: &mut Context<'_, String, i64>,
    ) -> Result<(), ProcessError> {
        context.forward(key, context.now().as_millis());
        Ok(())
    }
}

fn topology() -> Topology {
    let mut builder = Topology::builder("clock");
    builder.source(&QUESTIONS).process(Clock).sink(&TIMES);
    builder.build()
}

/// Also after the worker has waited for it.
#[tokio::test]
async fn no_record_is_processed_before_it_is_written() {
    let app = App::new("clock");
    let state = Arc::new(StateDirectory::open(&app.state_path(), None).unwrap());
    let config = StreamsConfig { extra_topics: vec![QUESTIONS.spec(), TIMES.spec()], ..app.config() };
    let streams = Streams::start(topology(), config, app.kafka(), state).unwrap();
    assert!(streams.health().wait(PATIENCE), "{:?}", streams.health().reasons());
    let writer = CommandWriter::new(app.kafka().writer().unwrap(), PARTITIONS);
    for count in 1..=5 {
        let sent = Timestamp::of_wall_clock().as_millis();
        writer.send(&QUESTIONS, &"a".to_string(), &0).await.unwrap();
        let told = number(app.read(TIMES.name(), count).last().unwrap());
        assert!(told >= sent, "asked at {sent}, told {told}");
    }
}
