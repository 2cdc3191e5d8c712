//! What is in Kafka outlives the program that wrote it: the JSON of stores and
//! repartition topics, pinned.

use domain::{Order, OrderState};
use streams::Timestamp;

use super::warehouse::*;

/// What was written to the stores, as lines of key and value.
fn written(warehouse: &mut Warehouse) -> Vec<String> {
    let records = warehouse.driver.read_records("inventory-service-changelog");
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or(b"null").to_vec()).unwrap();
    records
        .iter()
        .map(|record| format!("{} {}", text(record.key.as_deref()), text(record.value.as_deref())))
        .collect()
}

/// Of these lines those of one store, without its name.
fn of_store<'a>(written: &'a [String], store: &str) -> Vec<&'a str> {
    let prefix = format!("{store}/");
    written.iter().filter_map(|line| line.strip_prefix(&prefix)).collect()
}

#[test]
fn the_json_of_the_stores() {
    let mut warehouse = Warehouse::new(1);
    warehouse.driver.set_time(Timestamp::from_millis(1_772_359_200_123));
    warehouse.adjust("p-1", "a-1", 5);
    warehouse.adjust("p-1", "a-2", -6);
    let created = order("o-1", &[("p-1", 3), ("p-2", 1)]);
    warehouse.pipe(&created);
    warehouse.pipe(&Order { state: OrderState::Failed, ..created });

    let written = written(&mut warehouse);
    assert_eq!(
        of_store(&written, "stock"),
        [
            r#"p-1 {"onHand":5,"reserved":0}"#,
            r#"p-1 {"onHand":5,"reserved":3}"#,
            r#"p-1 {"onHand":5,"reserved":0}"#,
        ]
    );
    assert_eq!(
        of_store(&written, "reservations"),
        [
            r#"p-1/o-1/0000000001 {"reserved":3}"#,
            r#"p-2/o-1/0000000001 {"refused":{"asked":1,"available":0}}"#,
            "p-1/o-1/0000000001 null",
            "p-2/o-1/0000000001 null",
        ]
    );
    let judged = concat!(
        r#"{"judged":{"orderId":"o-1","check":"INVENTORY_CHECK","attempt":1,"result":"FAIL","#,
        r#""code":"OUT_OF_STOCK","detail":"p-2: 1 asked, 0 available","#,
        r#""startedAt":"2026-03-01T10:00:00.123Z","finishedAt":"2026-03-01T10:00:00.123Z"}}"#,
    );
    assert_eq!(
        of_store(&written, "attempts"),
        [
            r#"o-1 {"gathering":{"attempt":1,"startedAt":1772359200123,"waiting":["p-1","p-2"]}}"#.to_owned(),
            r#"o-1 {"gathering":{"attempt":1,"startedAt":1772359200123,"waiting":["p-2"]}}"#.to_owned(),
            format!("o-1 {judged}"),
            r#"o-1 {"over":{"attempt":1,"at":1772359200123}}"#.to_owned(),
        ]
    );
    let applied = concat!(
        r#"p-1/a-1 {"quantity":5,"outcome":{"applied":{"stock":{"onHand":5,"reserved":0}}},"#,
        r#""origin":{"partition":0,"offset":0},"judgedAt":"2026-03-01T10:00:00.123Z"}"#,
    );
    let refused = concat!(
        r#"p-1/a-2 {"quantity":-6,"outcome":{"refused":{"why":"belowReserved","stock":{"onHand":5,"reserved":0}}},"#,
        r#""origin":{"partition":0,"offset":1},"judgedAt":"2026-03-01T10:00:00.123Z"}"#,
    );
    assert_eq!(of_store(&written, "adjustments"), [applied, refused]);
}

#[track_caller]
fn check<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(
    value: &T,
    json: &str,
) {
    assert_eq!(serde_json::to_string(value).unwrap(), json);
    assert_eq!(&serde_json::from_str::<T>(json).unwrap(), value);
}

#[test]
fn the_json_between_the_steps() {
    use crate::line_answer::{LineAnswer, LineJudgement};
    use crate::rules::Shortage;
    use crate::stock_request::{ReplyTo, StockAction, StockRequest};

    let request = |action| StockRequest { order_id: "o-1".parse().unwrap(), attempt: 1, action };
    let started_at = domain::timestamp_from_millis(1_772_359_200_123);
    for (reply_to, json) in [
        (ReplyTo::Gather, r#""gather""#),
        (ReplyTo::Aggregator { started_at }, r#"{"aggregator":{"startedAt":1772359200123}}"#),
    ] {
        let action = format!(r#"{{"reserve":{{"quantity":3,"replyTo":{json}}}}}"#);
        let json = format!(r#"{{"orderId":"o-1","attempt":1,"action":{action}}}"#);
        check(&request(StockAction::Reserve { quantity: 3, reply_to }), &json);
    }
    check(&request(StockAction::Confirm), r#"{"orderId":"o-1","attempt":1,"action":"confirm"}"#);
    check(&request(StockAction::Release), r#"{"orderId":"o-1","attempt":1,"action":"release"}"#);

    for (judgement, json) in [
        (LineJudgement::Pass, r#""pass""#),
        (LineJudgement::Short(Shortage { asked: 3, available: 2 }), r#"{"short":{"asked":3,"available":2}}"#),
        (LineJudgement::Unreadable, r#""unreadable""#),
    ] {
        let json = format!(r#"{{"productId":"p-1","attempt":1,"judgement":{json}}}"#);
        check(&LineAnswer { product_id: "p-1".parse().unwrap(), attempt: 1, judgement }, &json);
    }
}
