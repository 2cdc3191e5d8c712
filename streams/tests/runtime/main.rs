//! The runtime on a real Kafka.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod clock;
mod harness;
mod punctuation;
mod restart;
mod unreadable;

use std::time::Duration;

use bytes::Bytes;
use streams::{
    Checkpoint, ClientSupplier, ConsumerRecord, Health, Owner, Owners, ProducerRecord, StateDirectory,
    StoreSupplier, Streams, StreamsConfig, Timestamp, TopicPartition, TransactionalProducer, partition_of,
};

use harness::{
    ALERTS, App, CURSED, PANICS, PARTITIONS, PATIENCE, PAYMENTS, SLEEPY, WAKE_UP, WORDY, key, number,
    topology,
};

#[tokio::test]
async fn what_is_written_can_be_read_once_it_is_committed() {
    let app = App::new("read-your-writes");
    let running = app.start();
    for (amount, spent) in [(70, 70), (50, 120), (1, 121)] {
        let written = app.pay("a", amount).await;
        assert_eq!(running.spent_after(written, "a").await, Some(spent));
    }
    let alerts = app.read(ALERTS.name(), 1);
    assert_eq!((key(&alerts[0]), number(&alerts[0])), ("a".to_string(), 120));
}

#[tokio::test]
async fn offsets_and_state_go_on_after_a_restart() {
    let app = App::new("restart");
    let running = app.start();
    let written = app.pay("a", 70).await;
    running.spent_after(written, "a").await;
    running.streams.close();

    let written = app.pay("a", 50).await;
    let running = app.start();
    assert_eq!(running.spent_after(written, "a").await, Some(120));
    assert_eq!(
        running.metrics().snapshot().get("restored_records").copied().unwrap_or(0),
        0,
        "the store was kept"
    );
    running.streams.close();

    std::fs::remove_dir_all(app.state_path()).unwrap();
    let written = app.pay("a", 1).await;
    let running = app.start();
    assert_eq!(running.spent_after(written, "a").await, Some(121));
    assert!(running.metrics().snapshot()["restored_records"] > 0, "the store came from its changelog");
    running.streams.close();
    let alerts = app.read_all(ALERTS.name());
    assert_eq!(alerts.iter().map(number).collect::<Vec<_>>(), [120], "no record was processed twice");
}

#[tokio::test]
async fn a_record_that_cannot_be_decoded_goes_to_the_dead_letter_topic() {
    let app = App::new("poison");
    let running = app.start();
    let poison = ProducerRecord {
        topic: PAYMENTS.name().into(),
        partition: partition_of(b"a", PARTITIONS),
        key: Some(Bytes::from("a")),
        value: Some(Bytes::from_static(b"{\xff not json")),
        headers: vec![streams::Header::new("trace", "t-1")],
    };
    let offset = app.write(poison.clone()).await;
    let written = app.pay("a", 7).await;
    assert_eq!(running.spent_after(written, "a").await, Some(7), "processing goes on");

    let dead = app.read("limits-dlq", 1).remove(0);
    assert_eq!((&dead.key, &dead.value), (&poison.key, &poison.value), "raw bytes");
    let header = |name| header(&dead, name);
    assert_eq!(header("trace"), "t-1");
    assert_eq!(header("__streams.errors.topic"), "payments");
    assert_eq!(header("__streams.errors.partition"), poison.partition.to_string());
    assert_eq!(header("__streams.errors.offset"), offset.to_string());
    assert_eq!(header("__streams.errors.exception"), "DecodeError");
    assert!(header("__streams.errors.message").contains("not what this topic"));
}

#[tokio::test]
async fn a_record_that_always_fails_goes_to_the_dead_letter_topic_alone() {
    for (case, amount, message) in [
        ("cursed", CURSED, "cursed"),
        ("panics", PANICS, "a bug in the processor"),
        ("wordy", WORDY, "(cut: it has 2097152 bytes)"),
    ] {
        let app = App::new(case);
        let running = app.start();
        let (_, _, failing) = (app.pay("a", 1).await, app.pay("b", 2).await, app.pay("a", amount).await);
        let last = app.pay("a", 4).await;
        assert_eq!(running.spent_after(last, "a").await, Some(5), "nothing of the failed record stays");
        assert_eq!(running.queries().get(&running.spent, &"b".to_string()).unwrap(), Some(2));
        let dead = app.read_all("limits-dlq");
        assert_eq!(dead.iter().map(number).collect::<Vec<_>>(), [amount]);
        assert_eq!(header(&dead[0], "__streams.errors.offset"), failing.offset.to_string());
        assert!(header(&dead[0], "__streams.errors.message").contains(message));
        assert!(running.health().wait(PATIENCE), "{:?}", running.health().reasons());
    }
}

/// The broker takes the record, but not with the headers that a dead letter gets.
#[tokio::test]
async fn a_dead_letter_that_is_too_large_goes_without_its_value() {
    let app = App::new("large");
    let running = app.start();
    let poison = ProducerRecord {
        topic: PAYMENTS.name().into(),
        partition: partition_of(b"a", PARTITIONS),
        key: Some(Bytes::from("a")),
        value: Some(Bytes::from(vec![b'x'; 1_048_400])),
        headers: Vec::new(),
    };
    let offset = app.write(poison).await;
    let written = app.pay("a", 7).await;
    assert_eq!(running.spent_after(written, "a").await, Some(7), "processing goes on");
    let dead = app.read("limits-dlq", 1).remove(0);
    assert_eq!((&dead.key, &dead.value), (&None, &None));
    assert_eq!(header(&dead, "__streams.errors.offset"), offset.to_string());
}

/// Nothing of the application is broken: it stays ready, and says what it waits for.
#[tokio::test]
async fn an_open_transaction_of_another_program_is_told() {
    let app = App::new("held-up");
    let running = app.start();
    let written = app.pay("a", 1).await;
    assert_eq!(running.spent_after(written, "a").await, Some(1));

    let mut other = app.another_program().producer("another-program").unwrap();
    let opened = Timestamp::of_wall_clock();
    let input = TopicPartition::new(PAYMENTS.name(), written.partition);
    begin_with(&mut *other, &input, "a", "10");
    let behind = app.pay("a", 100).await;

    let note = until("a note", || running.health().notes().pop());
    let expected = format!(
        "{input} is held up by an open transaction: nothing from offset {} on is read before it ends, 2 offsets so far",
        written.offset + 1
    );
    assert_eq!(note.text, expected);
    assert!(note.since >= opened, "it is known since it was opened: {note:?}, {opened}");
    let gauge = || running.metrics().gauges()["held_up_seconds"].get(&input).copied();
    assert!(gauge() >= Some(10), "{:?}", gauge());
    assert_eq!(running.health().reasons(), [] as [&str; 0], "it stays ready");

    other.commit().unwrap();
    assert_eq!(running.spent_after(behind, "a").await, Some(111), "it goes on");
    until("the end", || (running.health().notes().is_empty() && gauge().is_none()).then_some(()));
}

/// Another program's transaction in the changelog holds the restore up, which tells meanwhile how far it has come.
#[tokio::test]
async fn a_restore_that_takes_long_tells_how_far_it_has_come() {
    let app = App::new("long-restore");
    let running = app.start();
    let mut written = app.pay("a", 1).await;
    for _ in 0..9 {
        written = app.pay("a", 1).await;
        running.spent_after(written, "a").await;
    }
    running.streams.close();
    std::fs::remove_dir_all(app.state_path()).unwrap();

    let mut other = app.another_program().producer("another-program").unwrap();
    let changelog = TopicPartition::new("limits-changelog", written.partition);
    begin_with(&mut *other, &changelog, "spent/a", "7");

    let running = app.start_on(&app.state_path());
    let told =
        until("progress", || running.health().reasons().into_iter().find(|reason| reason.contains("% done")));
    assert!(told.contains("restoring the tasks of partitions") && told.contains(" records read"), "{told}");
    let gauge = |name| running.metrics().gauges().get(name).and_then(|of| of.get(&changelog).copied());
    assert!(gauge("restore_offsets_left") >= Some(1), "{:?}", running.metrics().gauges());
    assert!(gauge("restore_seconds_left").is_some(), "{:?}", running.metrics().gauges());

    other.abort().unwrap();
    assert!(running.health().wait(PATIENCE), "{:?}", running.health().reasons());
    assert_eq!(running.queries().get(&running.spent, &"a".to_string()).unwrap(), Some(10));
    assert_eq!((gauge("restore_offsets_left"), gauge("restore_seconds_left")), (None, None));
}

/// Has this written in a transaction that stays open.
fn begin_with(producer: &mut dyn TransactionalProducer, place: &TopicPartition, key: &str, value: &str) {
    producer.init_transactions().unwrap();
    producer.begin().unwrap();
    let record = ProducerRecord {
        topic: place.topic.clone(),
        partition: place.partition,
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: Vec::new(),
    };
    producer.send(record, None).unwrap();
    producer.flush().unwrap();
}

#[track_caller]
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn header(record: &ConsumerRecord, name: &str) -> String {
    let header = record.headers.iter().find(|header| header.name == name);
    let value = header.unwrap_or_else(|| panic!("no header {name}")).value.clone().unwrap();
    String::from_utf8(value.to_vec()).unwrap()
}

#[tokio::test]
async fn a_second_instance_takes_its_share_and_gives_it_back() {
    let app = App::new("rebalance");
    let first = app.start();
    let accounts: Vec<String> = (0..20).map(|n| format!("account-{n}")).collect();
    for account in &accounts {
        app.pay(account, 60).await;
    }
    let second = app.start_on(&app.state_path().with_file_name("second"));
    assert!(second.health().wait(PATIENCE));
    assert!(first.health().wait(PATIENCE));
    for account in &accounts {
        app.pay(account, 60).await;
    }
    app.read(ALERTS.name(), accounts.len());
    let shares =
        |running: &harness::Running| (0..PARTITIONS).filter(|p| running.queries().serves(*p)).count();
    assert_eq!((shares(&first), shares(&second)), (1, 1));
    second.streams.close();
    let last = app.pay("account-0", 1).await;
    let other = app.pay("account-1", 1).await;
    let deadline = std::time::Instant::now() + PATIENCE;
    // Of both: what it has had all along is taken from it once more when the other one leaves.
    while shares(&first) < 2 {
        assert!(std::time::Instant::now() < deadline, "the partition comes back");
        first.health().wait(Duration::from_millis(50));
        tokio::task::yield_now().await;
    }
    for (written, account) in [(last, "account-0"), (other, "account-1")] {
        assert_eq!(first.spent_after(written, account).await, Some(121));
    }
    let mut alerts: Vec<String> = app.read_all(ALERTS.name()).iter().map(key).collect();
    alerts.sort();
    let mut expected = accounts.clone();
    expected.sort();
    assert_eq!(alerts, expected, "each account once");
}

/// Invariant 9: what a store holds counts only as far as its checkpoint can be trusted.
#[tokio::test]
async fn a_store_that_cannot_be_trusted_is_rebuilt() {
    let now = Timestamp::of_wall_clock();
    let long_ago = now - Duration::from_secs(100 * 24 * 60 * 60);
    for (case, beyond, at, found) in [("kept", 0, now, 1), ("beyond", 1_000, now, 5), ("old", 0, long_ago, 5)]
    {
        let app = App::new(&format!("trust-{case}"));
        let running = app.start();
        let written = app.pay("a", 5).await;
        running.spent_after(written, "a").await;
        running.streams.close();
        {
            let state = StateDirectory::open(&app.state_path(), None).unwrap();
            let store = state.store("limits", "state", partition_of(b"a", PARTITIONS)).unwrap();
            let offset = store.checkpoint().unwrap().unwrap().offset + beyond;
            store.apply(vec![("spent/a".into(), Some("1".into()))], Checkpoint { offset, at }).unwrap();
        }
        let running = app.start();
        assert_eq!(running.queries().get(&running.spent, &"a".to_string()).unwrap(), Some(found), "{case}");
    }
}

/// Invariant 9: to begin anew with old state would count the inputs twice.
#[tokio::test]
async fn state_without_offsets_is_refused() {
    let app = App::new("expired");
    app.start().streams.close();
    let state = ProducerRecord {
        topic: "limits-changelog".into(),
        partition: 0,
        key: Some("spent/a".into()),
        value: Some("70".into()),
        headers: Vec::new(),
    };
    app.write(state).await;

    let running = app.start_on(&app.state_path());
    await_reason(&running.health(), "no committed offsets");
    assert!(!running.queries().serves(0), "the task with state does not run");
}

/// Invariant 9: what was remembered would be missing, and nobody would know. With the stores of before, and without.
#[tokio::test]
async fn offsets_without_state_are_refused() {
    const CHANGELOG: &str = "limits-changelog";
    for keeps_stores in [true, false] {
        let app = App::new(if keeps_stores { "lost-changelog" } else { "lost-all" });
        let running = app.start();
        let written = app.pay("a", 70).await;
        assert_eq!(running.spent_after(written, "a").await, Some(70));
        running.streams.close();
        app.delete_topic(CHANGELOG).await;
        if !keeps_stores {
            std::fs::remove_dir_all(app.state_path()).unwrap();
        }

        let running = app.start_on(&app.state_path());
        let health = running.health();
        await_reason(&health, "limits-changelog, which holds its state, is not there");
        let changelog = topology().0.owned_topics().into_iter().find(|topic| &*topic.name == CHANGELOG);
        app.kafka().admin().unwrap().create(&[changelog.unwrap()], PARTITIONS, 1).unwrap();
        if keeps_stores {
            await_reason(&health, "limits-changelog-0, which never had a record");
        } else {
            assert!(health.wait(PATIENCE), "{:?}", health.reasons());
            let written = app.pay("a", 1).await;
            assert_eq!(running.spent_after(written, "a").await, Some(1), "as it was asked for");
        }
    }
}

#[track_caller]
fn await_reason(health: &Health, expected: &str) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !health.reasons().iter().any(|reason| reason.contains(expected)) {
        assert!(std::time::Instant::now() < deadline, "{expected}: {:?}", health.reasons());
        health.wait(Duration::from_millis(50));
    }
}

/// Invariant 10: a worker that was away for too long may have lost its partitions without knowing.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_sleeps_does_not_answer() {
    let app = App::new("zombie");
    let running = app.start();
    let written = app.pay("a", 1).await;
    running.spent_after(written, "a").await;
    let partition = running.queries().partition_of(&"a".to_string());
    let asleep = app.pay("a", SLEEPY).await;
    let deadline = std::time::Instant::now() + PATIENCE;
    while running.queries().serves(partition) {
        assert!(std::time::Instant::now() < deadline, "it still answers");
        running.health().wait(Duration::from_millis(50));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(running.queries().get(&running.spent, &"a".to_string()).is_err());
    tokio::task::spawn_blocking(|| WAKE_UP.wait()).await.unwrap();
    while !running.queries().serves(partition) {
        assert!(std::time::Instant::now() < deadline, "it never answers again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(running.spent_after(asleep, "a").await, Some(1 + SLEEPY));
}

#[tokio::test]
async fn each_instance_knows_the_owner_of_each_partition() {
    let app = App::new("owners");
    let start = |name: &str| {
        let state = StateDirectory::open(&app.state_path().join(name), None).unwrap();
        let config = StreamsConfig { client_id: format!("{name}@http://{name}"), ..app.config() };
        let streams = Streams::start(topology().0, config, app.kafka(), state.into()).unwrap();
        let owners = streams.owners().unwrap();
        (streams, owners)
    };
    let (a, of_a) = start("a");
    assert_eq!(of_a.of(0), Owner::Deserted, "nobody was asked yet");
    await_owners(&of_a, |owners| *owners == [Owner::Here, Owner::Here]).await;

    let (b, of_b) = start("b");
    let elsewhere = |name: &str| Owner::Elsewhere(format!("{name}@http://{name}").into());
    let half =
        |there: Owner| move |owners: &[Owner]| owners.contains(&Owner::Here) && owners.contains(&there);
    // At each rebalance it is asked without having to be told.
    await_owners(&of_a, half(elsewhere("b"))).await;
    await_owners(&of_b, half(elsewhere("a"))).await;
    let owners = |owners: &Owners| (0..PARTITIONS).map(|p| owners.of(p) == Owner::Here).collect::<Vec<_>>();
    assert!(owners(&of_a).iter().zip(owners(&of_b)).all(|(a, b)| *a != b), "each has what the other has not");

    b.close();
    await_owners(&of_a, |owners| *owners == [Owner::Here, Owner::Here]).await;
    // Who is no member any more has to ask.
    of_b.refresh().await;
    assert_eq!([of_b.of(0), of_b.of(1)], [elsewhere("a"), elsewhere("a")]);
    a.close();
    of_b.refresh().await;
    assert_eq!(of_b.of(0), Owner::Deserted);
}

/// Waits until the owners of all partitions are as they should be, without asking for them.
async fn await_owners(owners: &Owners, is_right: impl Fn(&[Owner]) -> bool) {
    let found = || (0..PARTITIONS).map(|partition| owners.of(partition)).collect::<Vec<_>>();
    let waiting = async {
        loop {
            let changed = owners.changed();
            if is_right(&found()) {
                return;
            }
            changed.await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{:?}", found()));
}
