//! Records that nobody can read.

use std::time::Duration;

use domain::topics;
use streams::simulation::World;
use streams::{ClientSupplier, ConsumerRecord, ProducerRecord};

use tokio::sync::oneshot;

use super::Plan;

/// The poison that was put into topics.
pub(super) struct Poison {
    /// By topic: the values, each of its own.
    pub(super) records: Vec<(&'static str, Vec<u8>)>,
}

/// With this all of them begin.
const MARK: &[u8] = b"\0}poison ";

/// The topics that are read as streams, and who reads them.
const INPUTS: [(&str, &[&str]); 5] = [
    (topics::ORDER_REQUESTS, &["orders-service"]),
    (
        topics::ORDERS,
        &["fraud-service", "inventory-service", "details-service", "validation-aggregator", "email-service"],
    ),
    (topics::ORDER_VALIDATIONS, &["validation-aggregator"]),
    (topics::ORDER_OUTCOMES, &["orders-service"]),
    (topics::WAREHOUSE_INVENTORY, &["inventory-service"]),
];

impl Poison {
    /// Puts as much poison into the topics as the plan says.
    pub(super) fn spread(world: &World, plan: &Plan) -> Self {
        let records = (0..plan.poison).map(|number| {
            let (topic, partition, wait) = world.random(|random| {
                (INPUTS[random.usize(..INPUTS.len())].0, random.i32(0..plan.partitions), random.u64(..500))
            });
            let value = [MARK, number.to_string().as_bytes()].concat();
            world.sleep(Duration::from_millis(wait));
            while !write(world, topic, partition, &value) {
                // The topic is not there yet.
                world.sleep(Duration::from_millis(100));
            }
            (topic, value)
        });
        Self { records: records.collect() }
    }

    /// Whether a record is one of them.
    pub(super) fn is(record: &ConsumerRecord) -> bool {
        record.value.as_deref().is_some_and(|value| value.starts_with(MARK))
    }

    /// Whose dead letters a topic's poison becomes.
    pub(super) fn readers(topic: &str) -> &'static [&'static str] {
        INPUTS.iter().find(|(input, _)| *input == topic).map_or(&[], |(_, readers)| readers)
    }
}

/// Whether it was written.
fn write(world: &World, topic: &str, partition: i32, value: &[u8]) -> bool {
    let record = ProducerRecord {
        topic: topic.into(),
        partition,
        key: Some("poison".into()),
        value: Some(value.to_vec().into()),
        headers: Vec::new(),
    };
    let (tell, told) = oneshot::channel();
    let writer = world.kafka().writer().expect("a simulated writer");
    // Who asks no more does not care.
    writer.send(record, Box::new(move |written| _ = tell.send(written.is_ok())));
    world.wait_for(told, Duration::from_secs(60)).is_some_and(|told| told == Ok(true))
}
