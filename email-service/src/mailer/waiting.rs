//! Mails that are set aside: the server has refused them for now, and takes others.
//!
//! They stand in [`WAITING`], in the partition that their tier record has in its topic, so whoever has that partition
//! has them too. What is put there and taken away commits in one transaction with the offsets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use streams::{
    ConsumerRecord, DecodeError, ProducerRecord, Topic, TopicPartition, decode_value, encode_value,
};

use super::outbox::LARGEST_VALUE;

/// The mails that wait, by their names; and under the key `begun`, in each partition, that the mailer has begun with it.
pub const WAITING: Topic<String, WaitingMail> = Topic::new("email-waiting").compacted(Duration::ZERO);

/// No mail has this name: they have dots.
pub(super) const BEGUN: &str = "begun";

/// A mail that waits to be tried again, with the tier record that it comes from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingMail {
    /// The tier topic.
    topic: String,
    /// The record's offset there.
    pub(super) offset: i64,
    /// When the mail was refused first.
    pub(super) since: Timestamp,
    /// How often it was tried.
    pub(super) tries: u32,
    /// When it is to be tried again.
    pub(super) due: Timestamp,
    /// What the server said last.
    pub(super) reason: String,
    /// The record's key.
    key: String,
    /// The record's value.
    value: Box<RawValue>,
}

/// When a mail that waits is tried again, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The pause after the first refusal; each one is twice as long as the one before.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// How long after its first refusal a mail becomes a dead letter.
    pub give_up_after: Duration,
}

impl Default for RetryPolicy {
    /// After a minute, then rarer, at last every half hour, for four days: RFC 5321, 4.5.4.1.
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self { first_pause: MINUTE, longest_pause: 30 * MINUTE, give_up_after: 4 * 24 * 60 * MINUTE }
    }
}

impl RetryPolicy {
    /// When to try again what was tried so often; none when it is to be given up. There is a last try when the time
    /// is up.
    pub(super) fn next(&self, since: Timestamp, tries: u32, now: Timestamp) -> Option<Timestamp> {
        let end = later(since, self.give_up_after);
        let doubled = 1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = self.first_pause.saturating_mul(doubled).min(self.longest_pause);
        (now < end).then(|| later(now, pause).min(end))
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// A server may say much.
const LONGEST_REASON: usize = 500;

/// Why a mail cannot be set aside.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotKept {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("its record has {0} bytes, more than the {LARGEST_VALUE} that can be kept")]
    TooLarge(usize),
}

impl WaitingMail {
    /// The mail of `record`, which has just been refused for the first time.
    pub(super) fn new(
        record: &ConsumerRecord,
        reason: &str,
        due: Timestamp,
        now: Timestamp,
    ) -> Result<Self, NotKept> {
        let key = record.key.as_deref().ok_or(DecodeError::Missing("key"))?;
        let value = record.value.as_deref().ok_or(DecodeError::Missing("value"))?;
        if value.len() > LARGEST_VALUE {
            return Err(NotKept::TooLarge(value.len()));
        }
        Ok(Self {
            topic: record.topic.to_string(),
            offset: record.offset,
            since: now,
            tries: 1,
            due,
            reason: cut(reason),
            key: String::from_utf8_lossy(key).into_owned(),
            value: decode_value(value)?,
        })
    }

    /// The same after it has been refused once more.
    pub(super) fn again(mut self, reason: &str, due: Timestamp) -> Self {
        self.tries += 1;
        self.due = due;
        self.reason = cut(reason);
        self
    }

    /// The tier record, as it was read.
    pub(super) fn record(&self, partition: i32) -> ConsumerRecord {
        ConsumerRecord {
            topic: self.topic.as_str().into(),
            partition,
            offset: self.offset,
            timestamp: streams::Timestamp::default(),
            key: Some(self.key.clone().into()),
            value: Some(self.value.get().to_owned().into()),
            headers: Vec::new(),
        }
    }

    /// The tier record's partition.
    pub(super) fn origin(&self, partition: i32) -> TopicPartition {
        TopicPartition::new(self.topic.as_str(), partition)
    }

    /// The server's reply code with its enhanced one if it gave one (RFC 3463), such as `450 4.2.1`: what can be
    /// counted by. Empty where there was no reply.
    fn reply(&self) -> String {
        let mut words = self.reason.split_whitespace();
        let is_number = |text: &str, most| (1..=most).contains(&text.len()) && text.parse::<u16>().is_ok();
        let Some(code) = words.next().filter(|code| is_number(code, 3)) else { return String::new() };
        let is_enhanced = |word: &&str| {
            let parts: Vec<&str> = word.split('.').collect();
            parts.len() == 3 && parts.iter().all(|part| is_number(part, 3))
        };
        words
            .next()
            .filter(is_enhanced)
            .map_or_else(|| code.to_owned(), |enhanced| format!("{code} {enhanced}"))
    }
}

fn cut(reason: &str) -> String {
    reason.chars().take(LONGEST_REASON).collect()
}

/// What says that this mail waits.
pub(super) fn put(partition: i32, name: &str, mail: &WaitingMail) -> ProducerRecord {
    let value = encode_value(mail).expect("texts, numbers and what came as JSON can be written as JSON");
    record(partition, name, Some(value))
}

/// What says that this mail waits no more.
pub(super) fn tombstone(partition: i32, name: &str) -> ProducerRecord {
    record(partition, name, None)
}

/// What says that the mailer has begun with this partition of the tier topics.
pub(super) fn begun(partition: i32) -> ProducerRecord {
    record(partition, BEGUN, Some(Bytes::from_static(b"true")))
}

fn record(partition: i32, key: &str, value: Option<Bytes>) -> ProducerRecord {
    let key = Some(key.to_owned().into());
    ProducerRecord { topic: WAITING.name().into(), partition, key, value, headers: Vec::new() }
}

/// With so many bytes waiting, a partition is not read on.
const MOST_BYTES: usize = 4 << 20;

/// The mails of one partition of a tier topic that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    mails: BTreeMap<String, WaitingMail>,
    due: BTreeSet<(Timestamp, String)>,
    bytes: usize,
}

/// Shared by the task that sends them and those that count them.
pub(super) type SharedWaiting = Arc<Mutex<Waiting>>;

/// No thread leaves it half changed.
pub(super) fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Waiting {
    pub(super) fn insert(&mut self, name: String, mail: WaitingMail) {
        self.remove(&name);
        self.bytes += mail.value.get().len();
        self.due.insert((mail.due, name.clone()));
        self.mails.insert(name, mail);
    }

    pub(super) fn remove(&mut self, name: &str) {
        if let Some((name, mail)) = self.mails.remove_entry(name) {
            self.bytes -= mail.value.get().len();
            self.due.remove(&(mail.due, name));
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&WaitingMail> {
        self.mails.get(name)
    }

    /// The name of the mail that is to be tried next, and when.
    pub(super) fn first_due(&self) -> Option<(Timestamp, String)> {
        self.due.first().cloned()
    }

    /// Whether no more may wait.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= MOST_BYTES
    }
}

/// Mails that wait with the same reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingCount {
    /// What the server says: `450`, or `450 4.2.1`; empty if it was no reply.
    pub reply: String,
    /// How many wait.
    pub mails: u64,
    /// Since when the first of them waits.
    pub since: Timestamp,
}

/// What waits in all of these, by reply.
pub(super) fn count<'a>(all: impl IntoIterator<Item = &'a SharedWaiting>) -> Vec<WaitingCount> {
    let mut counts: BTreeMap<String, (u64, Timestamp)> = BTreeMap::new();
    for waiting in all {
        for mail in lock(waiting).mails.values() {
            let (mails, since) = counts.entry(mail.reply()).or_insert((0, mail.since));
            *mails += 1;
            *since = mail.since.min(*since);
        }
    }
    counts.into_iter().map(|(reply, (mails, since))| WaitingCount { reply, mails, since }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn pauses_grow_until_the_time_is_up() {
        let policy = RetryPolicy {
            first_pause: Duration::from_secs(60),
            longest_pause: Duration::from_secs(300),
            give_up_after: Duration::from_secs(1000),
        };
        let (mut now, mut tries, mut found) = (at(0), 1, Vec::new());
        while let Some(next) = policy.next(at(0), tries, now) {
            found.push(next.as_second());
            (now, tries) = (next, tries + 1);
        }
        assert_eq!(found, [60, 180, 420, 720, 1000], "the last try is at the end");
        let never = RetryPolicy { give_up_after: Duration::MAX, ..policy };
        assert_eq!(never.next(at(0), u32::MAX, at(7)), Some(at(307)));
    }

    fn mail(reason: &str, value: &str, due: i64) -> WaitingMail {
        let record = ConsumerRecord {
            topic: "gold".into(),
            partition: 3,
            offset: 7,
            timestamp: streams::Timestamp::default(),
            key: Some("o-1".into()),
            value: Some(value.to_owned().into()),
            headers: Vec::new(),
        };
        let mail = WaitingMail::new(&record, reason, at(due), at(0)).unwrap();
        assert_eq!(mail.record(3), record, "the record as it was");
        mail
    }

    #[test]
    fn what_is_due_first_comes_first_and_what_is_much_is_full() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.first_due(), None);
        waiting.insert("a".into(), mail("450 x", "1", 9));
        waiting.insert("b".into(), mail("450 x", "2", 5));
        assert_eq!(waiting.first_due(), Some((at(5), "b".into())));
        let again = waiting.get("b").unwrap().clone().again("451 y", at(20));
        assert_eq!((again.tries, again.since), (2, at(0)));
        waiting.insert("b".into(), again);
        assert_eq!(waiting.first_due(), Some((at(9), "a".into())));
        let large = format!("\"{}\"", "x".repeat(LARGEST_VALUE - 2));
        for name in ["c", "d", "e", "f", "g"] {
            assert!(!waiting.is_full(), "{name}");
            waiting.insert(name.into(), mail("450 x", &large, 30));
        }
        assert!(waiting.is_full());
        for name in ["a", "b", "c", "d", "e", "f", "g", "never"] {
            waiting.remove(name);
        }
        assert_eq!((waiting.first_due(), waiting.bytes), (None, 0));
    }

    #[test]
    fn what_waits_is_counted_by_reply() {
        let mut waiting = Waiting::default();
        for (name, reason, expected) in [
            ("a", "450 4.2.1 mailbox busy", "450 4.2.1"),
            ("b", "451 later", "451"),
            ("c", "no answer within 11m", ""),
            ("d", "451 4.7.x later", "451"),
            ("e", "452", "452"),
            ("f", "connection error: 4", ""),
            ("g", "", ""),
        ] {
            let mail = mail(reason, "1", 9);
            assert_eq!(mail.reply(), expected, "{reason:?}");
            waiting.insert(name.into(), mail);
        }
        let count = |reply: &str, mails| WaitingCount { reply: reply.into(), mails, since: at(0) };
        let expected = [count("", 3), count("450 4.2.1", 1), count("451", 2), count("452", 1)];
        assert_eq!(super::count([&Arc::new(Mutex::new(waiting))]), expected);
        assert_eq!(cut(&"ä".repeat(1000)).chars().count(), LONGEST_REASON);
    }
}
