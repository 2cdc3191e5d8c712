//! Where to go on with the partitions of an assignment, and what waits there.
//!
//! For each partition, in this order: the committed offset, stable; then the end of what is known to wait; then that,
//! up to this end. So what the last owner has committed is seen, and nothing that it commits later: it has lost the
//! group by then.
//!
//! | committed | in [`WAITING`] | what is done |
//! |---|---|---|
//! | an offset of the log, or before it | | goes on there, or with the first record that is left |
//! | an offset beyond the log's end | | refused: the topic was made anew |
//! | nothing | nothing | a first start: begins with the first record |
//! | nothing | that the mailer has begun | refused if there are records: they would all be sent again |

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use streams::{
    ClientError, ConsumerRecord, DecodeError, ProducerRecord, Reader, TopicPartition, Watermarks, decode_key,
    decode_value,
};

use super::outbox::{Leftover, dead_letter};
use super::plan::Cause;
use super::waiting::{self, BEGUN, WAITING, Waiting, WaitingMail};

/// An assignment that is not begun with yet.
pub(super) struct Opening {
    partitions: Vec<TopicPartition>,
    reading: Option<Reading>,
}

/// What is read of [`WAITING`].
struct Reading {
    places: Vec<Place>,
    logs: Vec<(TopicPartition, Watermarks)>,
    /// By partition and key, each with its last value.
    found: BTreeMap<i32, BTreeMap<Bytes, Option<Bytes>>>,
}

/// A partition of a tier topic as Kafka has it.
struct Place {
    partition: TopicPartition,
    committed: Option<i64>,
    log: Watermarks,
}

/// Where and with what to begin.
#[derive(Debug, Default)]
pub(super) struct Begin {
    pub(super) starts: BTreeMap<TopicPartition, Start>,
    /// Partitions with which cannot be gone on, and why.
    pub(super) refused: BTreeMap<TopicPartition, String>,
}

/// Where and with what to begin in one partition.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// What the group has committed, or where the log begins.
    pub(super) committed: i64,
    /// Everything below is settled.
    pub(super) settled: i64,
    pub(super) waiting: Waiting,
    /// What is to be written with the next commit.
    pub(super) outputs: Vec<ProducerRecord>,
}

/// How many records to read at a time: the group is to be polled in between.
const BATCH: usize = 1000;

impl Opening {
    pub(super) fn new(partitions: Vec<TopicPartition>) -> Self {
        Self { partitions, reading: None }
    }

    /// Goes on reading; what is read, when that is all. After an error it begins again.
    pub(super) fn advance(
        &mut self,
        reader: &mut dyn Reader,
        leftovers: &BTreeMap<TopicPartition, Leftover>,
    ) -> Result<Option<Begin>, ClientError> {
        let mut reading = match self.reading.take() {
            Some(reading) => reading,
            None => Reading::begin(reader, &self.partitions)?,
        };
        if !reading.read_on(reader)? {
            self.reading = Some(reading);
            return Ok(None);
        }
        reader.assign(&[])?;
        Ok(Some(reading.finish(leftovers)))
    }
}

impl Reading {
    fn begin(reader: &mut dyn Reader, partitions: &[TopicPartition]) -> Result<Self, ClientError> {
        let numbers: BTreeSet<i32> = partitions.iter().map(|partition| partition.partition).collect();
        let waiting: Vec<_> =
            numbers.iter().map(|number| TopicPartition::new(WAITING.name(), *number)).collect();
        if partitions.is_empty() {
            return Ok(Self { places: Vec::new(), logs: Vec::new(), found: BTreeMap::new() });
        }
        let committed = reader.committed(partitions)?;
        let ends = reader.watermarks(&waiting)?;
        let logs = reader.watermarks(partitions)?;
        let places = partitions.iter().cloned().zip(committed).zip(logs);
        let places =
            places.map(|((partition, committed), log)| Place { partition, committed, log }).collect();
        let logs: Vec<_> = waiting.into_iter().zip(ends).collect();
        let starts: Vec<_> = logs.iter().map(|(partition, log)| (partition.clone(), log.low)).collect();
        reader.assign(&starts)?;
        let found = numbers.into_iter().map(|number| (number, BTreeMap::new())).collect();
        Ok(Self { places, logs, found })
    }

    /// Whether the end is reached.
    fn read_on(&mut self, reader: &mut dyn Reader) -> Result<bool, ClientError> {
        for _ in 0..BATCH {
            let mut reached = true;
            for (partition, Watermarks { low, high }) in &self.logs {
                reached &= reader.position(partition)?.unwrap_or(*low) >= *high;
            }
            if reached {
                return Ok(true);
            }
            let Some(record) = reader.poll(WAIT)? else { return Ok(false) };
            self.take(record.into_owned());
        }
        Ok(false)
    }

    fn take(&mut self, record: ConsumerRecord) {
        if let (Some(found), Some(key)) = (self.found.get_mut(&record.partition), record.key) {
            found.insert(key, record.value);
        }
    }

    fn finish(self, leftovers: &BTreeMap<TopicPartition, Leftover>) -> Begin {
        let mut begin = Begin::default();
        let begun: BTreeSet<i32> = self
            .found
            .iter()
            .filter(|(_, found)| found.get(BEGUN.as_bytes()).is_some_and(Option::is_some))
            .map(|(number, _)| *number)
            .collect();
        for Place { partition, committed, log } in self.places {
            match start(committed, log, begun.contains(&partition.partition)) {
                Ok(offset) => {
                    if committed.is_some_and(|committed| committed < offset) {
                        tracing::error!(%partition, ?committed, offset, "mails were not sent before their records expired");
                    }
                    if committed.is_some() && !begun.contains(&partition.partition) {
                        let topic = WAITING.name();
                        tracing::warn!(%partition, topic, "mails were sent, but the topic does not say so: it is new, and what may have waited is not known");
                    }
                    let start = Start { committed: offset, settled: offset, ..Start::default() };
                    begin.starts.insert(partition, start);
                }
                Err(reason) => _ = begin.refused.insert(partition, reason),
            }
        }
        for (number, found) in self.found {
            if !begun.contains(&number) {
                begin.note_begun(number);
            }
            for (key, value) in found.into_iter().filter(|(key, _)| key != BEGUN.as_bytes()) {
                if let Some(value) = value {
                    begin.take(number, key, value);
                }
            }
        }
        for (partition, start) in &mut begin.starts {
            if let Some(leftover) = leftovers.get(partition) {
                start.take_over(leftover);
            }
        }
        begin
    }
}

/// How long to wait for a record that is known to be there.
const WAIT: Duration = Duration::from_millis(50);

/// Where to begin, or why that cannot be.
fn start(committed: Option<i64>, log: Watermarks, begun: bool) -> Result<i64, String> {
    let Watermarks { low, high } = log;
    match committed {
        Some(committed) if committed > high => Err(format!(
            "the committed offset {committed} lies beyond the end of the log, {high}: the topic was made anew. {ADVICE}"
        )),
        Some(committed) => Ok(committed.max(low)),
        None if begun && low < high => Err(format!(
            "mails were sent, but there is no committed offset: it was deleted or has expired. To begin again would \
             send the mails of all records from {low} to {high} a second time. {ADVICE}"
        )),
        None => Ok(low),
    }
}

/// Kafka takes offsets from others only when a group has no members.
const ADVICE: &str = "Stop all instances, set the offsets of the group email-service-mailer (README, Mails), and start them again";

impl Begin {
    /// Says with the first commit that the partitions of this number were begun with.
    fn note_begun(&mut self, number: i32) {
        let mut starts = self.starts.iter_mut();
        if let Some((_, start)) = starts.find(|(partition, _)| partition.partition == number) {
            start.outputs.push(waiting::begun(number));
        }
    }

    /// A mail that waits goes to the partition that it comes from. What cannot be read becomes a dead letter.
    fn take(&mut self, number: i32, key: Bytes, value: Bytes) {
        let read =
            decode_key::<String>(&key).and_then(|name| Ok((name, decode_value::<WaitingMail>(&value)?)));
        match read {
            Ok((name, mail)) => {
                if let Some(start) = self.starts.get_mut(&mail.origin(number)) {
                    start.waiting.insert(name, mail);
                }
            }
            Err(error) => self.bury(number, key, value, &error),
        }
    }

    fn bury(&mut self, number: i32, key: Bytes, value: Bytes, error: &DecodeError) {
        let mut starts = self.starts.iter_mut();
        let Some((_, start)) = starts.find(|(partition, _)| partition.partition == number) else { return };
        let record = ConsumerRecord {
            topic: WAITING.name().into(),
            partition: number,
            offset: 0,
            timestamp: streams::Timestamp::default(),
            key: Some(key.clone()),
            value: Some(value),
            headers: Vec::new(),
        };
        start.outputs.push(dead_letter(&record, &Cause::new("DecodeError", error)));
        start.outputs.push(ProducerRecord {
            topic: record.topic,
            partition: number,
            key: Some(key),
            value: None,
            headers: Vec::new(),
        });
    }
}

impl Start {
    /// What this process has done here and could not commit is committed now, as far as nobody else has gone past it.
    fn take_over(&mut self, leftover: &Leftover) {
        for output in &leftover.outputs {
            if &*output.topic == WAITING.name() && !self.take_in(output) {
                continue;
            }
            self.outputs.push(output.clone());
        }
        self.settled = self.settled.max(leftover.settled);
    }

    /// Whether this is still to be written.
    fn take_in(&mut self, output: &ProducerRecord) -> bool {
        let Some(Ok(name)) = output.key.as_deref().map(decode_key::<String>) else { return false };
        match output.value.as_deref().map(decode_value::<WaitingMail>) {
            None => self.waiting.remove(&name),
            Some(Ok(mail)) if mail.offset >= self.committed => self.waiting.insert(name, mail),
            Some(_) => return false,
        }
        true
    }
}
