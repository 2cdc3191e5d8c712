use domain::Decision::Validated;
use domain::{OrderRequest, OrderState, timestamp_from_millis};
use service::topics::ORDER_REQUESTS;
use streams::{ConsumerRecord, encode_key, encode_value, partition_of};

use super::scene::{Scene, id, new_order, outcome};

/// A record that cannot be read stands behind one that can, and another one follows.
#[track_caller]
fn check(topic: &str, key: Option<&'static str>, value: Option<&'static str>) {
    let mut scene = Scene::new();
    scene.create(new_order("a", 3));
    scene.check(&[("a", OrderState::Created, 1)], &[]);
    scene.outcome(&outcome("a", 1, Validated));
    let bytes = |text: &'static str| text.as_bytes().into();
    scene.driver.pipe_bytes(topic, key.map(bytes), value.map(bytes));

    let dead = scene.driver.read_records("orders-service-dlq");
    let [dead] = &dead[..] else { panic!("{topic} {key:?} {value:?}: {dead:?}") };
    assert_eq!(dead.key.as_deref(), key.map(str::as_bytes), "{topic} {key:?} {value:?}");
    assert_eq!(dead.value.as_deref(), value.map(str::as_bytes), "{topic} {key:?} {value:?}");
    assert_eq!(header(dead, "topic"), topic);
    let (partition, offset) = place(key);
    assert_eq!((dead.partition, header(dead, "partition").parse()), (partition, Ok(partition)));
    assert_eq!(header(dead, "offset").parse(), Ok(offset));
    assert!(!header(dead, "exception").is_empty() && !header(dead, "message").is_empty());

    scene.create(new_order("b", 1));
    scene.check(&[("a", OrderState::Validated, 2), ("b", OrderState::Created, 1)], &[]);
}

/// One record stands in the partition of the order "a" before.
fn place(key: Option<&str>) -> (i32, i64) {
    let partition = key.map_or(0, |key| partition_of(key.as_bytes(), 4));
    (partition, (partition == partition_of(b"a", 4)).into())
}

fn header<'a>(record: &'a ConsumerRecord, name: &str) -> &'a str {
    let name = format!("__streams.errors.{name}");
    let header = record.headers.iter().find(|header| header.name == name).unwrap();
    std::str::from_utf8(header.value.as_deref().unwrap()).unwrap()
}

#[test]
fn what_cannot_be_read_goes_to_the_dead_letters_and_the_rest_goes_on() {
    for topic in ["order-requests", "order-outcomes"] {
        check(topic, Some("a"), Some("{"));
        check(topic, Some("a"), Some("\u{fffd}\0"));
        check(topic, Some("a"), Some("{}"));
        check(topic, Some("a"), Some(r#"{"type":7}"#));
        check(topic, Some("no id"), Some("{}"));
        check(topic, None, Some("{}"));
        check(topic, Some("a"), None);
    }
}

/// It would be an order that nobody can see, and reserve stock for it.
#[test]
fn a_request_in_the_wrong_partition_creates_nothing() {
    let mut scene = Scene::new();
    let (key, requested_at) = (encode_key(&id("a")), timestamp_from_millis(1));
    let request = OrderRequest::Create { order: new_order("a", 4), requested_at };
    let value = encode_value(&request).unwrap();
    let (home, elsewhere) = (partition_of(&key, 4), (partition_of(&key, 4) + 1) % 4);
    scene.driver.pipe_at(ORDER_REQUESTS.name(), elsewhere, Some(key.clone()), Some(value.clone()));

    scene.check(&[], &[("misplaced_records", 1), ("orders_created", 0)]);
    let dead = scene.driver.read_records("orders-service-dlq");
    let [dead] = &dead[..] else { panic!("{dead:?}") };
    assert_eq!((&dead.key, &dead.value), (&Some(key), &Some(value)));
    let reason = format!(
        "the record stands in partition {elsewhere}, but its key belongs to partition {home} of 4 \
         (murmur2, as Java clients place keys)"
    );
    assert_eq!((header(dead, "exception"), header(dead, "message")), ("MisplacedRecord", &*reason));

    scene.create(new_order("a", 1));
    scene.check(&[("a", OrderState::Created, 1)], &[("requests_conflicting", 0)]);
}
