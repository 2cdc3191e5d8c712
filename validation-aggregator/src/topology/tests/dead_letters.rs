use domain::Check;
use domain::CheckResult::Pass;
use domain::Decision::Validated;
use streams::ConsumerRecord;

use super::scene::Scene;

#[track_caller]
fn check(topic: &str, key: Option<&'static str>, value: Option<&'static str>) {
    let mut scene = Scene::new();
    scene.create("a");
    let bytes = |text: &'static str| text.as_bytes().into();
    scene.driver.pipe_bytes(topic, key.map(bytes), value.map(bytes));

    let dead = scene.driver.read_records("validation-aggregator-dlq");
    let [dead] = &dead[..] else { panic!("{topic} {key:?} {value:?}: {dead:?}") };
    assert_eq!(dead.key.as_deref(), key.map(str::as_bytes));
    assert_eq!(dead.value.as_deref(), value.map(str::as_bytes));
    assert_eq!(header(dead, "topic"), topic);
    assert_eq!(header(dead, "partition").parse(), Ok(dead.partition));

    for check in Check::ALL {
        scene.judge("a", check, Pass);
    }
    scene.check(&[("a", Validated, &[])]);
}

#[test]
fn what_cannot_be_read_goes_to_the_dead_letters_and_the_rest_goes_on() {
    for topic in ["orders", "order-validations"] {
        check(topic, Some("a"), Some("{"));
        check(topic, Some("a"), Some("{}"));
        check(topic, Some("no id"), Some("{}"));
        check(topic, None, Some("{}"));
        check(topic, Some("a"), None);
    }
}

fn header<'a>(record: &'a ConsumerRecord, name: &str) -> &'a str {
    let name = format!("__streams.errors.{name}");
    let header = record.headers.iter().find(|header| header.name == name).unwrap();
    std::str::from_utf8(header.value.as_deref().unwrap()).unwrap()
}
