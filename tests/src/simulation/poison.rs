//! Records that no reader may take: they cannot be decoded, they stand in another partition than their key's, or their
//! value names another key.

use std::time::Duration;

use domain::{
    AdjustmentId, Currency, NewOrder, Order, OrderEvent, OrderId, OrderLine, OrderRequest, Origin, ProductId,
    StockAdjustment, Timestamp, Transition, timestamp_from_millis, topics,
};
use streams::simulation::World;
use streams::{
    ClientSupplier, ConsumerRecord, Header, Key, ProducerRecord, Value, encode_key, encode_value,
    partition_of,
};

use tokio::sync::oneshot;

use super::Plan;
use super::customers::product_id;

/// The poison that was put into topics.
pub(super) struct Poison {
    /// By topic: the values, each of its own.
    pub(super) records: Vec<(&'static str, Vec<u8>)>,
}

/// The header of all of them, by which the checks pass them over.
const MARK: &str = "poison";

/// The pieces that each of them would take or bring.
const PIECES: i64 = 4;

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
            let record = poison(world, plan, number);
            let wait = world.random(|random| random.u64(..500));
            world.sleep(Duration::from_millis(wait));
            while !write(world, record.clone()) {
                // The topic is not there yet.
                world.sleep(Duration::from_millis(100));
            }
            let (topic, _) =
                INPUTS.into_iter().find(|(topic, _)| *topic == &*record.topic).expect("an input");
            (topic, record.value.unwrap_or_default().to_vec())
        });
        Self { records: records.collect() }
    }

    /// Whether a record is one of them.
    pub(super) fn is(record: &ConsumerRecord) -> bool {
        record.headers.iter().any(|header| header.name == MARK)
    }

    /// Whose dead letters a topic's poison becomes.
    pub(super) fn readers(topic: &str) -> &'static [&'static str] {
        INPUTS.iter().find(|(input, _)| *input == topic).map_or(&[], |(_, readers)| readers)
    }
}

/// One of them, of a kind that the seed decides.
fn poison(world: &World, plan: &Plan, number: usize) -> ProducerRecord {
    let kind = world.random(|random| random.u32(..6));
    // A good record in any partition but its own, where there is another.
    let away = if plan.partitions > 1 { world.random(|random| random.i32(1..plan.partitions)) } else { 0 };
    match kind {
        0 if away > 0 => {
            let request = OrderRequest::Create { order: order(number), requested_at: now(world) };
            record(plan, topics::ORDER_REQUESTS, &order_id(number), &request, away)
        }
        1 if away > 0 => {
            record(plan, topics::ORDERS, &order_id(number), &created(order(number), now(world)), away)
        }
        2 if away > 0 => {
            let adjustment = adjustment(world, &product_id(0), number);
            record(plan, topics::WAREHOUSE_INVENTORY, &product_id(0), &adjustment, away)
        }
        3 => {
            let adjustment = adjustment(world, &product_id(1), number);
            record(plan, topics::WAREHOUSE_INVENTORY, &product_id(0), &adjustment, 0)
        }
        _ => {
            let (topic, away) = world
                .random(|random| (INPUTS[random.usize(..INPUTS.len())].0, random.i32(0..plan.partitions)));
            let value = format!("\0}}poison {number}");
            let record = record(plan, topic, &order_id(number), &(), away);
            ProducerRecord { value: Some(value.into()), ..record }
        }
    }
}

/// A record so many partitions after the one of its key.
fn record<K: Key, V: Value>(plan: &Plan, topic: &str, key: &K, value: &V, away: i32) -> ProducerRecord {
    let key = encode_key(key);
    ProducerRecord {
        topic: topic.into(),
        partition: (partition_of(&key, plan.partitions) + away) % plan.partitions,
        key: Some(key),
        value: Some(encode_value(value).expect("JSON")),
        headers: vec![Header::new(MARK, "")],
    }
}

fn created(new_order: NewOrder, at: Timestamp) -> Order {
    match domain::apply(
        None,
        OrderEvent::Create { new_order, at, origin: Origin { partition: 0, offset: 0 } },
    ) {
        Transition::Changed(order) => order,
        other => panic!("{other:?}"),
    }
}

fn order_id(number: usize) -> OrderId {
    format!("poison-{number}").parse().expect("an id")
}

fn order(number: usize) -> NewOrder {
    let line = OrderLine { product_id: product_id(0), quantity: PIECES, unit_price: 1 };
    NewOrder {
        id: order_id(number),
        customer_id: "poisoner".parse().expect("an id"),
        currency: Currency::EUR,
        lines: vec![line],
    }
}

fn adjustment(world: &World, product_id: &ProductId, number: usize) -> StockAdjustment {
    let id: AdjustmentId = format!("poison-{number}").parse().expect("an id");
    StockAdjustment { id, product_id: product_id.clone(), quantity: PIECES, requested_at: now(world) }
}

fn now(world: &World) -> Timestamp {
    timestamp_from_millis(world.now().as_millis())
}

/// Whether it was written.
fn write(world: &World, record: ProducerRecord) -> bool {
    let (tell, told) = oneshot::channel();
    let writer = world.kafka().writer().expect("a simulated writer");
    // Who asks no more does not care.
    writer.send(record, Box::new(move |written| _ = tell.send(written.is_ok())));
    world.wait_for(told, Duration::from_secs(60)).is_some_and(|told| told == Ok(true))
}
