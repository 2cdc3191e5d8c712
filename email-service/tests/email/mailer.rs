//! What becomes of tier records: against a Kafka in memory, and a post office that does as it is told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use backon::ExponentialBuilder;
use domain::{Customer, TierRecord};
use email_service::DeliveryError::{Deferred, Misconfigured, Refused, Temporary};
use email_service::{
    DeliveryError, Mail, Mailer, MailerConfig, MailerError, MailerMetrics, RetryPolicy, Smtp, StopRequest,
    Transport,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use streams::{ErrorKind, TopicPartition};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::fake_kafka::{Failure, FakeKafka};
use crate::samples::{ada, sender, validated};
use crate::smtp_server::SmtpServer;

/// Accepts mails, unless told otherwise.
struct PostOffice {
    answers: Mutex<BTreeMap<String, VecDeque<DeliveryError>>>,
    closed: watch::Sender<bool>,
    begun: watch::Sender<Vec<String>>,
    sent: watch::Sender<Vec<String>>,
}

impl PostOffice {
    /// The answers that the mails about these orders get before they are accepted.
    fn answer(&self, order: &str, answers: impl IntoIterator<Item = DeliveryError>) {
        self.answers.lock().unwrap().insert(format!("{order}.1.VALIDATED"), answers.into_iter().collect());
    }

    async fn take_in(&self, mail: &Mail) -> Result<(), DeliveryError> {
        let answer = self.answers.lock().unwrap().get_mut(mail.name()).and_then(VecDeque::pop_front);
        self.begun.send_modify(|begun| begun.push(mail.name().to_owned()));
        self.closed.subscribe().wait_for(|closed| !closed).await.unwrap();
        answer.map_or(Ok(()), Err)?;
        let order = mail.name().split('.').next().unwrap().to_owned();
        self.sent.send_modify(|sent| sent.push(order));
        Ok(())
    }
}

impl Transport for PostOffice {
    fn deliver<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), DeliveryError>> {
        self.take_in(mail).boxed()
    }
}

struct Test {
    runtime: Runtime,
    kafka: FakeKafka,
    post: Arc<PostOffice>,
    retry: RetryPolicy,
}

struct Running {
    stop: Arc<StopRequest>,
    metrics: Arc<MailerMetrics>,
    thread: thread::JoinHandle<Result<(), MailerError>>,
}

impl Running {
    fn request_stop(&self) {
        self.stop.request(Instant::now() + LIMIT);
    }

    /// Waits until so many mails wait.
    #[track_caller]
    fn wait_for_waiting(&self, expected: u64) {
        wait_until(|| self.metrics.waiting().iter().map(|count| count.mails).sum::<u64>() == expected);
    }

    /// Waits until these partitions are refused, and these only. Why the first one is.
    #[track_caller]
    fn wait_for_refusal(&self, partitions: &[TopicPartition]) -> String {
        wait_until(|| self.metrics.refused_partitions().keys().eq(partitions));
        self.metrics.refused_partitions()[&partitions[0]].clone()
    }

    /// Stops the mailer. What it has counted, besides zeros.
    #[track_caller]
    fn stop(self) -> Vec<(&'static str, u64)> {
        self.request_stop();
        self.thread.join().unwrap().unwrap();
        self.metrics.read().into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// Everything takes less.
const LIMIT: Duration = Duration::from_secs(30);

/// Nobody tells of this.
#[track_caller]
fn wait_until(done: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < deadline, "waited too long");
        thread::sleep(Duration::from_millis(2));
    }
}

impl Test {
    fn new() -> Self {
        let post = PostOffice {
            answers: Mutex::default(),
            closed: watch::Sender::new(false),
            begun: watch::Sender::default(),
            sent: watch::Sender::default(),
        };
        let retry = RetryPolicy {
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(10),
            give_up_after: Duration::from_secs(3600),
        };
        Self { runtime: Runtime::new().unwrap(), kafka: FakeKafka::default(), post: Arc::new(post), retry }
    }

    /// The same, but what is set aside waits for longer than any test.
    fn with_long_pauses() -> Self {
        let pause = Duration::from_secs(3600);
        let retry = RetryPolicy { first_pause: pause, longest_pause: pause, ..RetryPolicy::default() };
        Self { retry, ..Self::new() }
    }

    fn start(&self) -> Running {
        self.start_with(self.post.clone())
    }

    fn start_with(&self, transport: Arc<dyn Transport>) -> Running {
        let backoff = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(1))
            .with_max_delay(Duration::from_millis(10));
        let config =
            MailerConfig { backoff, read_ahead: 8, retry: self.retry, ..MailerConfig::new(sender()) };
        let runtime = self.runtime.handle().clone();
        let mailer = Mailer::new(Arc::new(self.kafka.clone()), transport, config, runtime);
        let (metrics, stop) = (mailer.metrics().clone(), Arc::<StopRequest>::default());
        let thread = thread::spawn({
            let stop = stop.clone();
            // As the service does, which tries again what the mailer does not.
            move || match mailer.run(&stop) {
                Err(MailerError::Kafka(error)) if error.kind == ErrorKind::Fenced => mailer.run(&stop),
                result => result,
            }
        });
        Running { stop, metrics, thread }
    }

    /// Writes the tier record of a validated order; its offset.
    fn order(&self, partition: &TopicPartition, id: &str, customer: Option<Customer>) -> i64 {
        let record = TierRecord { order: validated(id), customer };
        self.kafka.produce(partition, id, serde_json::to_vec(&record).unwrap())
    }

    #[track_caller]
    fn wait_for_sent(&self, count: usize) {
        self.wait(&self.post.sent, |sent| sent.len() >= count);
    }

    #[track_caller]
    fn wait<T: std::fmt::Debug>(&self, value: &watch::Sender<T>, mut done: impl FnMut(&T) -> bool) {
        let mut value = value.subscribe();
        let waited = self
            .runtime
            .block_on(async { tokio::time::timeout(LIMIT, value.wait_for(|v| done(v))).await.is_ok() });
        assert!(waited, "waited too long: {:?}", value.borrow());
    }

    #[track_caller]
    fn wait_for_commit(&self, partition: &TopicPartition, offset: i64) {
        self.kafka.wait_until(|state| state.committed.get(partition) == Some(&(offset + 1)));
    }

    /// The orders of which mails were sent, in any order; each sent mail counts.
    #[track_caller]
    fn check_sent(&self, expected: &[&str]) {
        let mut sent = self.post.sent.borrow().clone();
        sent.sort();
        assert_eq!(sent, expected);
    }
}

fn gold(partition: i32) -> TopicPartition {
    TopicPartition::new("gold", partition)
}

fn busy() -> DeliveryError {
    Temporary("451 later".to_owned())
}

fn greylisted() -> DeliveryError {
    Deferred("450 4.2.0 greylisted".to_owned())
}

fn for_ever(answer: fn() -> DeliveryError) -> impl Iterator<Item = DeliveryError> {
    std::iter::repeat_with(answer).take(100_000)
}

#[test]
fn an_accepted_mail_is_committed_and_not_sent_again() {
    let test = Test::new();
    let bronze = TopicPartition::new("bronze", 1);
    let mailer = test.start();
    test.order(&gold(0), "o-1", Some(ada()));
    let second = test.order(&gold(0), "o-2", Some(ada()));
    let third = test.order(&bronze, "o-3", Some(ada()));
    test.wait_for_commit(&gold(0), second);
    test.wait_for_commit(&bronze, third);
    assert_eq!(mailer.stop(), [("sent", 3)]);
    let mailer = test.start();
    let last = test.order(&gold(0), "o-4", Some(ada()));
    test.wait_for_commit(&gold(0), last);
    assert_eq!(mailer.stop(), [("sent", 1)]);
    test.check_sent(&["o-1", "o-2", "o-3", "o-4"]);
}

#[test]
fn what_is_refused_for_now_is_tried_again_and_its_partition_waits() {
    let test = Test::new();
    test.post.answer("o-1", [busy(), Misconfigured("535 who are you?".to_owned()), busy()]);
    test.order(&gold(0), "o-1", Some(ada()));
    let last = test.order(&gold(0), "o-2", Some(ada()));
    let mailer = test.start();
    test.wait_for_commit(&gold(0), last);
    assert_eq!(mailer.stop(), [("sent", 2), ("retried", 3)]);
    assert_eq!(*test.post.sent.borrow(), ["o-1", "o-2"]);
}

#[test]
fn what_is_refused_for_good_is_a_dead_letter_and_the_next_goes_on() {
    let test = Test::new();
    test.post.answer("o-1", [Refused("550 5.1.1 nobody".to_owned())]);
    let first = test.order(&gold(1), "o-1", Some(ada()));
    let last = test.order(&gold(1), "o-2", Some(ada()));
    let failure = |kind| Failure { kind, took_place: false };
    test.kafka.change(|state| {
        state.transactions.extend([ErrorKind::Retriable, ErrorKind::Abortable].map(failure));
    });
    let mailer = test.start();
    test.wait_for_commit(&gold(1), last);
    assert_eq!(mailer.stop(), [("sent", 1), ("refused", 1), ("dead_letters", 1)]);
    test.check_sent(&["o-2"]);
    let letters = test.kafka.records("email-service-dlq");
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].partition, letters[0].key.as_deref()), (1, Some(&b"o-1"[..])));
    assert_eq!(letters[0].value, test.kafka.records("gold")[0].value);
    let headers = letters[0].headers.iter().map(|header| {
        let value = String::from_utf8(header.value.as_ref().unwrap().to_vec()).unwrap();
        (header.name.trim_start_matches("__streams.errors."), value)
    });
    let expected = [
        ("exception", "MailRefused".to_owned()),
        ("message", "550 5.1.1 nobody".to_owned()),
        ("topic", "gold".to_owned()),
        ("partition", "1".to_owned()),
        ("offset", first.to_string()),
    ];
    assert_eq!(headers.collect::<Vec<_>>(), expected);
}

#[test]
fn what_can_be_no_mail_is_a_dead_letter_and_the_next_goes_on() {
    let test = Test::new();
    test.kafka.produce(&gold(0), "o-1", "{");
    test.kafka.produce(&gold(0), "no id", serde_json::to_vec(&validated("o-1")).unwrap());
    test.order(&gold(0), "o-2", Some(Customer { email: "a..b@example.org".into(), ..ada() }));
    let last = test.order(&gold(0), "o-3", Some(ada()));
    let mailer = test.start();
    test.wait_for_commit(&gold(0), last);
    assert_eq!(mailer.stop(), [("sent", 1), ("dead_letters", 3)]);
    test.check_sent(&["o-3"]);
}

#[test]
fn without_a_customer_there_is_no_mail() {
    let test = Test::new();
    let last = test.order(&TopicPartition::new("bronze", 0), "o-1", None);
    let mailer = test.start();
    test.wait_for_commit(&TopicPartition::new("bronze", 0), last);
    assert_eq!(mailer.stop(), [("without_customer", 1)]);
    test.check_sent(&[]);
}

#[test]
fn a_stop_finishes_and_commits_what_is_under_way() {
    let test = Test::new();
    test.post.closed.send_replace(true);
    let ids: Vec<String> = (0..100).map(|n| format!("o-{n:02}")).collect();
    for id in &ids {
        test.order(&gold(0), id, Some(ada()));
    }
    let mailer = test.start();
    test.wait(&test.post.begun, |begun| begun.len() == 1);
    mailer.request_stop();
    test.post.closed.send_replace(false);
    mailer.stop();
    let sent = test.post.sent.borrow().len();
    assert_eq!(test.post.begun.borrow().len(), sent);
    assert_eq!(test.kafka.committed(&gold(0)), Some(2 * i64::try_from(sent).unwrap() - 1));
    let mailer = test.start();
    test.wait_for_sent(ids.len());
    mailer.stop();
    assert_eq!(*test.post.sent.borrow(), ids);
}

#[test]
fn a_stop_does_not_wait_for_what_is_refused_for_now() {
    let test = Test::new();
    test.post.answer("o-2", std::iter::repeat_n(busy(), 100_000));
    let first = test.order(&gold(0), "o-1", Some(ada()));
    test.order(&gold(0), "o-2", Some(ada()));
    test.order(&gold(0), "o-3", Some(ada()));
    let other = test.order(&gold(1), "o-4", Some(ada()));
    let mailer = test.start();
    test.wait(&test.post.begun, |begun| begun.len() >= 5);
    test.wait_for_commit(&gold(1), other);
    mailer.stop();
    assert_eq!(test.kafka.committed(&gold(0)), Some(first + 1));
    test.check_sent(&["o-1", "o-4"]);
    test.post.answer("o-2", []);
    let mailer = test.start();
    test.wait_for_sent(4);
    assert_eq!(mailer.stop(), [("sent", 2)]);
    test.check_sent(&["o-1", "o-2", "o-3", "o-4"]);
}

#[test]
fn a_stuck_partition_is_not_read_on_and_holds_up_no_other() {
    let test = Test::new();
    test.post.answer("a-00", std::iter::repeat_n(busy(), 100_000));
    let ids: Vec<String> = (0..50).map(|n| format!("a-{n:02}")).collect();
    let offsets: Vec<i64> = ids.iter().map(|id| test.order(&gold(0), id, Some(ada()))).collect();
    let mailer = test.start();
    test.kafka.wait_until(|state| {
        state
            .members
            .values()
            .any(|member| !member.positions.is_empty() && !member.positions.contains_key(&gold(0)))
    });
    let other = test.order(&gold(1), "b", Some(ada()));
    test.wait_for_commit(&gold(1), other);
    test.check_sent(&["b"]);
    test.post.answer("a-00", []);
    test.wait_for_commit(&gold(0), offsets[49]);
    mailer.stop();
    assert_eq!(test.post.sent.borrow()[1..], ids, "in order, each once");
}

#[test]
fn a_rebalance_sends_no_mail_twice() {
    let test = Test::new();
    test.post.closed.send_replace(true);
    let mut last = BTreeMap::new();
    let mut expected: Vec<String> = Vec::new();
    for n in 0..40 {
        let (partition, id) = (gold(n % 2), format!("o-{n:02}"));
        last.insert(partition.clone(), test.order(&partition, &id, Some(ada())));
        expected.push(id);
    }
    let first = test.start();
    test.wait(&test.post.begun, |begun| begun.len() == 2);
    let second = test.start();
    // The first one has been told, and waits for its mails.
    test.kafka.wait_until(|state| state.members.len() == 2 && state.members[&1].is_giving_up());
    assert_eq!(test.kafka.committed(&gold(0)).unwrap_or(0), 0);
    test.post.closed.send_replace(false);
    test.kafka.wait_until(|state| state.members.values().all(|member| member.owned.len() == 4));
    test.wait_for_sent(20);
    first.stop();
    for (partition, offset) in last {
        test.wait_for_commit(&partition, offset);
    }
    second.stop();
    test.check_sent(&expected.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_member_that_was_expelled_commits_what_it_has_sent_when_it_joins_again() {
    let test = Test::new();
    test.post.closed.send_replace(true);
    let first = test.order(&gold(0), "o-1", Some(ada()));
    let mailer = test.start();
    test.wait(&test.post.begun, |begun| begun.len() == 1);
    // That the mailer has begun is committed; from now on only what was sent can be.
    test.kafka.wait_until(|state| state.transacted == 1);
    test.kafka.expel(1);
    test.post.closed.send_replace(false);
    test.wait_for_commit(&gold(0), first);
    assert_eq!(mailer.stop(), [("sent", 1)]);
    test.check_sent(&["o-1"]);
}

#[test]
fn what_was_sent_is_not_sent_again_when_the_outcome_of_its_commit_is_not_known() {
    let test = Test::new();
    let mailer = test.start();
    // The first commit says that the mailer has begun.
    test.kafka.wait_until(|state| state.transacted == 1);
    test.kafka.change(|state| state.commits.push_back(ErrorKind::Fenced));
    let offset = test.order(&gold(0), "o-1", Some(ada()));
    test.wait_for_commit(&gold(0), offset);
    assert_eq!(mailer.stop(), [("sent", 1)]);
    test.check_sent(&["o-1"]);
}

#[test]
fn commits_and_questions_for_offsets_are_tried_again() {
    let test = Test::new();
    test.kafka.change(|state| {
        state.commits.extend([ErrorKind::Retriable; 3]);
        state.reads.extend([ErrorKind::Retriable; 3]);
    });
    let offset = test.order(&gold(0), "o-1", Some(ada()));
    let mailer = test.start();
    test.wait_for_commit(&gold(0), offset);
    mailer.stop();
    test.check_sent(&["o-1"]);
}

#[test]
fn a_commit_before_a_stop_is_tried_again() {
    let test = Test::new();
    test.post.closed.send_replace(true);
    let offset = test.order(&gold(0), "o-1", Some(ada()));
    let mailer = test.start();
    test.wait(&test.post.begun, |begun| begun.len() == 1);
    mailer.request_stop();
    test.kafka.change(|state| state.commits.extend([ErrorKind::Retriable; 2]));
    test.post.closed.send_replace(false);
    mailer.stop();
    assert_eq!(test.kafka.committed(&gold(0)), Some(offset + 1));
}

#[test]
fn what_trying_again_does_not_mend_ends_the_mailer() {
    let test = Test::new();
    test.kafka.change(|state| state.reads.push_back(ErrorKind::Fatal));
    let mailer = test.start();
    let error = mailer.thread.join().unwrap().unwrap_err();
    assert!(matches!(&error, MailerError::Kafka(error) if error.kind == ErrorKind::Fatal), "{error}");
    assert_eq!(test.kafka.change(|state| state.members.len()), 0, "it has left the group");
}

#[test]
fn reading_begins_with_what_retention_has_left() {
    for committed in [None, Some(1)] {
        let test = Test::new();
        let offsets: Vec<i64> = ["o-1", "o-2", "o-3"].map(|id| test.order(&gold(0), id, Some(ada()))).into();
        test.kafka.change(|state| {
            state.committed.extend(committed.map(|offset| (gold(0), offset)));
            state.low.insert(gold(0), offsets[2]);
        });
        let mailer = test.start();
        test.wait_for_commit(&gold(0), offsets[2]);
        mailer.stop();
        test.check_sent(&["o-3"]);
    }
}

#[test]
fn what_is_not_taken_now_is_set_aside_and_tried_again_and_the_next_goes_on() {
    let test = Test::with_long_pauses();
    test.post.answer("o-1", [greylisted()]);
    test.order(&gold(0), "o-1", Some(ada()));
    let last = test.order(&gold(0), "o-2", Some(ada()));
    let mailer = test.start();
    test.wait_for_commit(&gold(0), last);
    mailer.wait_for_waiting(1);
    assert_eq!(mailer.metrics.waiting()[0].reply, "450 4.2.0");
    assert_eq!(mailer.stop(), [("sent", 1), ("retried", 1)]);
    test.check_sent(&["o-2"]);

    let test = Test::new();
    test.post.answer("o-1", std::iter::repeat_with(greylisted).take(3));
    let last = test.order(&gold(0), "o-1", Some(ada()));
    let mailer = test.start();
    test.wait_for_sent(1);
    test.kafka.wait_until(|state| {
        let waits = state.last_value("email-waiting", "o-1.1.VALIDATED").is_some();
        !waits && state.committed.get(&gold(0)) == Some(&(last + 1))
    });
    assert_eq!(mailer.metrics.waiting(), []);
    assert_eq!(mailer.stop(), [("sent", 1), ("retried", 3)]);
}

#[test]
fn what_waits_survives_a_restart() {
    let test = Test::with_long_pauses();
    test.post.answer("o-1", [greylisted()]);
    let offset = test.order(&gold(0), "o-1", Some(ada()));
    let mailer = test.start();
    test.wait_for_commit(&gold(0), offset);
    let before = mailer.metrics.waiting();
    mailer.stop();
    let mailer = test.start();
    mailer.wait_for_waiting(1);
    assert_eq!(mailer.metrics.waiting(), before, "how many, why, and since when");
    mailer.stop();
}

#[test]
fn what_waits_is_sent_once_after_a_restart() {
    let test = Test::new();
    test.post.answer("o-1", for_ever(greylisted));
    let offset = test.order(&gold(0), "o-1", Some(ada()));
    let mailer = test.start();
    test.wait_for_commit(&gold(0), offset);
    mailer.stop();
    test.post.answer("o-1", []);
    for _ in 0..2 {
        let mailer = test.start();
        let last = test.order(&gold(0), "o-2", Some(ada()));
        test.wait_for_commit(&gold(0), last);
        test.wait(&test.post.sent, |sent| sent.contains(&"o-1".to_owned()));
        mailer.stop();
    }
    test.check_sent(&["o-1", "o-2", "o-2"]);
}

#[test]
fn what_waits_goes_with_its_partition() {
    let test = Test::new();
    test.post.answer("o-1", for_ever(greylisted));
    test.order(&gold(1), "o-1", Some(ada()));
    let first = test.start();
    first.wait_for_waiting(1);
    let second = test.start();
    second.wait_for_waiting(1);
    assert_eq!(first.metrics.waiting(), []);
    test.post.answer("o-1", []);
    test.wait_for_sent(1);
    second.wait_for_waiting(0);
    second.stop();
    test.kafka.wait_until(|state| state.members.values().all(|member| member.owned.len() == 8));
    first.stop();
    test.check_sent(&["o-1"]);
}

#[test]
fn what_is_never_taken_is_given_up() {
    let mut test = Test::new();
    test.retry.give_up_after = Duration::from_millis(30);
    test.post.answer("o-1", for_ever(greylisted));
    let first = test.order(&gold(0), "o-1", Some(ada()));
    let mailer = test.start();
    test.kafka.wait_until(|state| state.last_value("email-service-dlq", "o-1").is_some());
    assert_eq!(mailer.metrics.waiting(), []);
    let counts = mailer.stop();
    assert_eq!(counts.last(), Some(&("dead_letters", 1)));
    let letters = test.kafka.records("email-service-dlq");
    assert_eq!(letters[0].value, test.kafka.records("gold")[0].value);
    let header = |name: &str| {
        let found = letters[0].headers.iter().find(|header| header.name.ends_with(name)).unwrap();
        String::from_utf8(found.value.as_ref().unwrap().to_vec()).unwrap()
    };
    assert_eq!((header("exception"), header("offset")), ("MailGivenUp".to_owned(), first.to_string()));
    assert!(header("message").ends_with("at last: 450 4.2.0 greylisted"), "{}", header("message"));
    assert_eq!(test.kafka.table("email-waiting").keys().collect::<Vec<_>>(), ["begun"], "of gold-0");
}

/// The outcome of a transaction is not known, and it has taken place or has not.
#[test]
fn what_waits_is_right_when_the_outcome_of_a_transaction_is_not_known() {
    for took_place in [false, true] {
        let test = Test::new();
        test.post.answer("o-1", std::iter::repeat_with(greylisted).take(3));
        let failure = Failure { kind: ErrorKind::Fenced, took_place };
        test.kafka.change(|state| state.transactions.extend([failure; 2]));
        test.order(&gold(0), "o-1", Some(ada()));
        let last = test.order(&gold(0), "o-2", Some(ada()));
        let mailer = test.start();
        test.wait_for_sent(2);
        test.wait_for_commit(&gold(0), last);
        mailer.wait_for_waiting(0);
        mailer.stop();
        assert_eq!(test.kafka.table("email-waiting").len(), 1, "{took_place}: what has begun");
        test.check_sent(&["o-1", "o-2"]);
    }
}

#[test]
fn a_member_that_was_expelled_does_not_set_aside_what_others_may_have_sent() {
    let test = Test::new();
    test.post.closed.send_replace(true);
    test.post.answer("o-1", [greylisted()]);
    let first = test.start();
    test.order(&gold(1), "o-1", Some(ada()));
    test.wait(&test.post.begun, |begun| begun.len() == 1);
    // The second one has the partition while the first one still waits for the server's answer.
    test.kafka.expel(1);
    let second = test.start();
    test.wait(&test.post.begun, |begun| begun.len() == 2);
    test.post.closed.send_replace(false);
    test.wait_for_sent(1);
    test.kafka.wait_until(|state| state.members.values().all(|member| member.owned.len() == 4));
    second.wait_for_waiting(0);
    second.stop();
    first.stop();
    assert_eq!(test.start().stop(), []);
    test.check_sent(&["o-1"]);
}

#[test]
fn a_partition_waits_when_too_much_of_it_waits() {
    let test = Test::with_long_pauses();
    let blanks = |count: usize, id: &str| {
        let record = TierRecord { order: validated(id), customer: Some(ada()) };
        let json = serde_json::to_string(&record).unwrap();
        format!("{{{}{}", " ".repeat(count), &json[1..])
    };
    for n in 0..5 {
        let id = format!("large-{n}");
        test.post.answer(&id, [greylisted()]);
        test.kafka.produce(&gold(0), &id, blanks(890_000, &id));
    }
    test.order(&gold(0), "o-1", Some(ada()));
    test.post.answer("too-large", [greylisted()]);
    test.kafka.produce(&gold(1), "too-large", blanks(910_000, "too-large"));
    let last = test.order(&gold(1), "o-2", Some(ada()));
    let mailer = test.start();
    mailer.wait_for_waiting(5);
    test.wait_for_commit(&gold(1), last);
    assert_eq!(mailer.stop(), [("sent", 1), ("retried", 6), ("dead_letters", 1)]);
    test.check_sent(&["o-2"]);
    let letters = test.kafka.records("email-service-dlq");
    assert_eq!((letters.len(), &letters[0].value), (1, &None), "without what does not fit");
}

#[test]
fn what_cannot_be_read_of_what_waits_is_a_dead_letter() {
    let test = Test::new();
    let waiting = TopicPartition::new("email-waiting", 1);
    test.kafka.produce(&waiting, "o-1.1.VALIDATED", "{");
    let mailer = test.start();
    test.kafka.wait_until(|state| state.last_value("email-service-dlq", "o-1.1.VALIDATED").is_some());
    mailer.stop();
    assert_eq!(test.kafka.table("email-waiting").len(), 1);
    test.check_sent(&[]);
}

#[test]
fn without_its_offsets_the_mailer_sends_nothing_again() {
    let test = Test::new();
    let last = test.order(&gold(0), "o-1", Some(ada()));
    let mailer = test.start();
    test.wait_for_commit(&gold(0), last);
    mailer.stop();
    test.kafka.change(|state| state.committed.clear());
    let mailer = test.start();
    let reason = mailer.wait_for_refusal(&[gold(0)]);
    assert!(reason.contains("a second time") && reason.contains("set the offsets"), "{reason}");
    // Where there is nothing that could be sent a second time, it goes on.
    let other = test.order(&gold(1), "o-2", Some(ada()));
    test.wait_for_commit(&gold(1), other);
    mailer.stop();
    let mailer = test.start();
    mailer.wait_for_refusal(&[gold(0)]);
    mailer.stop();
    test.kafka.change(|state| state.committed.insert(gold(0), last + 1));
    let next = test.order(&gold(0), "o-3", Some(ada()));
    let mailer = test.start();
    test.wait_for_commit(&gold(0), next);
    assert_eq!(mailer.metrics.refused_partitions(), BTreeMap::new());
    mailer.stop();
    test.check_sent(&["o-1", "o-2", "o-3"]);
}

#[test]
fn an_offset_beyond_the_end_is_refused() {
    let test = Test::new();
    test.order(&gold(0), "o-1", Some(ada()));
    test.kafka.change(|state| state.committed.insert(gold(0), 7));
    let mailer = test.start();
    let reason = mailer.wait_for_refusal(&[gold(0)]);
    assert!(reason.contains("the committed offset 7 lies beyond the end of the log, 2"), "{reason}");
    mailer.stop();
    test.check_sent(&[]);
}

#[test]
fn a_stop_waits_for_what_is_under_way_until_its_time_is_up() {
    let test = Test::new();
    test.post.closed.send_replace(true);
    test.order(&gold(0), "o-1", Some(ada()));
    let mailer = test.start();
    test.wait(&test.post.begun, |begun| begun.len() == 1);
    mailer.stop.request(Instant::now() + Duration::from_millis(50));
    assert_eq!(mailer.stop(), [], "it has ended, although nothing was answered");
    test.check_sent(&[]);
}

#[test]
fn the_mailer_waits_for_its_topics() {
    let test = Test::new();
    test.kafka.change(|state| state.no_topics = true);
    let mailer = test.start();
    let offset = test.order(&gold(0), "o-1", Some(ada()));
    test.kafka.change(|state| state.no_topics = false);
    test.wait_for_commit(&gold(0), offset);
    mailer.stop();
    test.check_sent(&["o-1"]);
}

#[test]
fn mails_reach_a_mail_server_once_though_it_goes_and_comes_back() {
    let test = Test::new();
    let mut server = SmtpServer::start(&[
        ("busy@example.org", &["451 later", "data: 451 later"]),
        ("gone@example.org", &["550 5.1.1 nobody here"]),
    ]);
    let to = |email: &str| Some(Customer { email: email.to_owned(), ..ada() });
    let smtp = Smtp::new(&server.url("", ""), test.runtime.handle().clone()).unwrap();
    test.order(&gold(0), "o-1", to("busy@example.org"));
    let refused = test.order(&gold(0), "o-2", to("gone@example.org"));
    let mailer = test.start_with(Arc::new(smtp));
    assert!(server.mail().content.contains("\r\nSubject: We have accepted your order o-1\r\n"));
    test.wait_for_commit(&gold(0), refused);
    server.kill();
    let last = test.order(&gold(0), "o-3", Some(ada()));
    let retried = |metrics: &MailerMetrics| metrics.read()[1].1;
    let before = retried(&mailer.metrics);
    while retried(&mailer.metrics) == before {
        thread::yield_now();
    }
    server.restart();
    assert!(server.mail().content.contains("\r\nSubject: We have accepted your order o-3\r\n"));
    test.wait_for_commit(&gold(0), last);
    let counts = mailer.stop();
    assert_eq!((counts[0], counts[2], counts[3]), (("sent", 2), ("refused", 1), ("dead_letters", 1)));
    server.check_no_more();
}
