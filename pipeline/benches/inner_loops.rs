//! What each record costs: its JSON, a task's step, the store. Without Kafka: `cargo bench -p pipeline`.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use domain::{
    Check, Currency, Decision, Judgement, NewOrder, Order, OrderEvent, OrderId, OrderLine, OrderRequest,
    Outcome, Transition, apply, timestamp_from_millis,
};
use fraud_service::FraudPolicy;
use service::topics::{ORDER_REQUESTS, ORDERS};
use streams::{
    Change, Checkpoint, FjallStores, StoreSupplier, TestDriver, Timestamp, Topology, decode_value,
    encode_key, encode_value,
};
use validation_aggregator::AggregatorPolicy;

const NOON: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn request(number: u64, lines: usize) -> (OrderId, OrderRequest) {
    let line = |product: usize| OrderLine {
        product_id: format!("p-{product}").parse().expect("an id"),
        quantity: 3,
        unit_price: 1250,
    };
    let order = NewOrder {
        id: format!("o-{number}").parse().expect("an id"),
        customer_id: format!("c-{}", number % 1000).parse().expect("an id"),
        currency: Currency::EUR,
        lines: (0..lines).map(line).collect(),
    };
    let requested_at = timestamp_from_millis(NOON.as_millis());
    (order.id.clone(), OrderRequest::Create { order, requested_at })
}

/// An order as it stands on `orders`.
fn order(number: u64, lines: usize) -> (OrderId, Order) {
    let mut driver = driver(orders_service::topology().topology);
    let (id, request) = request(number, lines);
    driver.pipe(&ORDER_REQUESTS, &id, &request);
    driver.read(&ORDERS).pop().expect("the view's changelog is the topic itself")
}

/// The same order after all checks have passed.
fn validated(order: &Order) -> Order {
    let at = order.updated_at;
    let passed = |check| Judgement::Pass.into_verdict(order.id.clone(), 1, check, at, at).validation();
    let outcome = Outcome {
        order_id: order.id.clone(),
        attempt: order.attempt,
        decision: Decision::Validated,
        reasons: Vec::new(),
        validations: Check::ALL.into_iter().map(passed).collect(),
        decided_at: at,
    };
    match apply(Some(order), OrderEvent::Outcome { outcome: &outcome, at }) {
        Transition::Changed(order) => order,
        other => panic!("{other:?}"),
    }
}

fn driver(topology: Topology) -> TestDriver {
    let mut driver = TestDriver::new(topology);
    driver.set_time(NOON);
    driver
}

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    for lines in [1, 10] {
        let (_, order) = order(1, lines);
        let json = encode_value(&order).expect("an order can be written");
        group.throughput(Throughput::Bytes(json.len() as u64));
        group.bench_function(format!("encode an order of {lines} lines"), |bencher| {
            bencher.iter(|| encode_value(black_box(&order)));
        });
        group.bench_function(format!("decode an order of {lines} lines"), |bencher| {
            bencher.iter(|| decode_value::<Order>(black_box(&json)));
        });
    }
    group.finish();
}

/// A record in, its effects, and the commit to stores in memory.
fn step(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("task step");
    group.throughput(Throughput::Elements(1));
    let mut number = 0;
    let mut orders = driver(orders_service::topology().topology);
    group.bench_function("orders-service: a request", |bencher| {
        bencher.iter_batched(
            || {
                number += 1;
                request(number, 1)
            },
            |(id, request)| orders.pipe(&ORDER_REQUESTS, &id, &request),
            BatchSize::SmallInput,
        );
    });
    let topologies = [
        ("details-service", details_service::topology()),
        ("fraud-service", fraud_service::topology(FraudPolicy::default())),
        ("inventory-service", inventory_service::topology().0),
        ("validation-aggregator", validation_aggregator::topology(AggregatorPolicy::default())),
        ("email-service", email_service::topology().topology),
    ];
    let (_, created) = order(1, 1);
    let validated = validated(&created);
    for (name, topology) in topologies {
        let mut driver = driver(topology);
        for (state, template) in [("new", &created), ("validated", &validated)] {
            group.bench_function(format!("{name}: a {state} order"), |bencher| {
                bencher.iter_batched(
                    || {
                        number += 1;
                        let id: OrderId = format!("o-{number}").parse().expect("an id");
                        let order = Order { id: id.clone(), ..template.clone() };
                        (encode_key(&id), encode_value(&order).expect("an order can be written"))
                    },
                    |(key, value)| driver.pipe_bytes(ORDERS.name(), Some(key), Some(value)),
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

fn store(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let stores = FjallStores::open(directory.path()).expect("stores can be opened");
    let store = stores.store("bench", "orders", 0).expect("a store");
    let (_, order) = order(1, 1);
    let json = encode_value(&order).expect("an order can be written");
    let key = |number: u64| encode_key(&format!("o-{number:09}"));
    let mut written = 0;
    let mut batch = |size: u64| -> (Vec<Change>, Checkpoint) {
        let changes = (written..written + size).map(|number| (key(number), Some(json.clone()))).collect();
        written += size;
        (changes, Checkpoint { offset: i64::try_from(written).unwrap_or(i64::MAX), at: NOON })
    };
    let mut group = criterion.benchmark_group("store");
    for size in [1, 100] {
        group.throughput(Throughput::Elements(size));
        group.bench_function(format!("commit {size} orders"), |bencher| {
            bencher.iter_batched(
                || batch(size),
                |(changes, checkpoint)| store.apply(changes, checkpoint),
                BatchSize::SmallInput,
            );
        });
    }
    group.throughput(Throughput::Elements(1));
    let mut wanted = 0;
    group.bench_function("get an order", |bencher| {
        bencher.iter(|| {
            wanted = (wanted + 7919) % 1000;
            store.get(black_box(&key(wanted)))
        });
    });
    group.finish();
}

criterion_group!(benches, codec, step, store);
criterion_main!(benches);
