//! Inputs that an open transaction holds up: of what stands behind its first record nothing is read before it ends.
//!
//! The transaction is mostly that of another program that hangs, or has died. Nothing of this application is broken
//! then, and a restart would not help; so it stays ready and says what it waits for: in the health's notes, in the log
//! and as a gauge.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use crate::Timestamp;
use crate::application::Application;
use crate::client::{ClientError, Reader};
use crate::health::Note;
use crate::record::TopicPartition;

/// How often the inputs are looked at.
const INTERVAL: Duration = Duration::from_secs(3);
/// A transaction that is open for so long holds its readers up.
const PATIENCE: Duration = Duration::from_secs(10);
/// For how long each input has been held up.
const GAUGE: &str = "held_up_seconds";

/// Watches this instance's inputs, global tables among them, until the stop is requested.
pub(crate) fn run(application: &Arc<Application>) {
    let mut watch = Watch::default();
    let mut reader = None;
    while !application.stop.wait(INTERVAL) {
        let looked = match reader.take() {
            Some(reader) => Ok(reader),
            None => application.clients.reader(&application.topology.application),
        };
        let looked = looked.and_then(|mut reader| {
            let ends = ends(&mut *reader, inputs(application))?;
            Ok((reader, ends))
        });
        match looked {
            Ok((kept, ends)) => {
                reader = Some(kept);
                watch.take_in(ends, application.host.now(), application.host.uptime());
                watch.tell(application);
            }
            Err(error) => debug!(%error, "whether inputs are held up is not known"),
        }
    }
}

/// The partitions that are read here.
fn inputs(application: &Application) -> Vec<TopicPartition> {
    let all = 0..application.partitions;
    let own: Vec<i32> = all.clone().filter(|partition| application.readers.serves(*partition)).collect();
    let topology = &application.topology;
    let of_tasks =
        topology.source_topics().flat_map(|topic| own.iter().map(move |partition| (topic, *partition)));
    let of_tables =
        topology.global_topics().flat_map(|topic| all.clone().map(move |partition| (topic, partition)));
    of_tasks
        .chain(of_tables)
        .map(|(topic, partition)| TopicPartition::new(topic.name.clone(), partition))
        .collect()
}

/// Where the readable part of a log ends, and where the log does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    stable: i64,
    high: i64,
}

fn ends(
    reader: &mut dyn Reader,
    inputs: Vec<TopicPartition>,
) -> Result<Vec<(TopicPartition, Ends)>, ClientError> {
    let stable = reader.last_stable_offsets(&inputs)?;
    let marks = reader.watermarks(&inputs)?;
    let ends = stable.into_iter().zip(marks).map(|(stable, marks)| Ends { stable, high: marks.high });
    Ok(inputs.into_iter().zip(ends).collect())
}

/// The inputs whose readable part has stood still for a while, though more stands behind it.
#[derive(Debug, Default)]
struct Watch {
    waiting: BTreeMap<TopicPartition, Waiting>,
    uptime: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    ends: Ends,
    since: Timestamp,
    /// The same by the process's uptime.
    since_uptime: Duration,
    is_told: bool,
}

impl Watch {
    fn take_in(&mut self, ends: Vec<(TopicPartition, Ends)>, now: Timestamp, uptime: Duration) {
        let mut before = std::mem::take(&mut self.waiting);
        let waiting = ends.into_iter().filter(|(_, ends)| ends.stable < ends.high).map(|(input, ends)| {
            let known = before.remove(&input).filter(|known| known.ends.stable == ends.stable);
            let first = Waiting { ends, since: now, since_uptime: uptime, is_told: false };
            (input, Waiting { ends, ..known.unwrap_or(first) })
        });
        self.waiting = waiting.collect();
        for (input, _) in before.iter().filter(|(_, waiting)| waiting.is_told) {
            info!(%input, "no longer held up");
        }
        self.uptime = uptime;
    }

    /// The inputs that are held up, and for how long.
    fn held_up(&mut self) -> impl Iterator<Item = (&TopicPartition, &mut Waiting, Duration)> {
        let uptime = self.uptime;
        let waiting = self.waiting.iter_mut();
        let waiting = waiting.map(move |(input, waiting)| {
            let time = uptime.saturating_sub(waiting.since_uptime);
            (input, waiting, time)
        });
        waiting.filter(|(_, _, time)| *time >= PATIENCE)
    }

    fn tell(&mut self, application: &Application) {
        let (mut notes, mut gauges) = (Vec::new(), BTreeMap::new());
        for (input, waiting, time) in self.held_up() {
            let Ends { stable, high } = waiting.ends;
            if !std::mem::replace(&mut waiting.is_told, true) {
                warn!(
                    %input, stable, high,
                    "held up by an open transaction: nothing behind its first record is read before it ends; \
                     `kafka-transactions.sh describe-producers` tells whose it is"
                );
            }
            let text = format!(
                "{input} is held up by an open transaction: nothing from offset {stable} on is read before it ends, \
                 {} offsets so far",
                high - stable
            );
            notes.push(Note { text, since: waiting.since });
            gauges.insert(input.clone(), time.as_secs());
        }
        application.health.set_notes(notes);
        application.metrics.set_gauges(GAUGE, gauges);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is held up after each look, by the seconds of uptime: for how long.
    #[track_caller]
    fn check(looks: &[(u64, i64, i64, Option<u64>)]) {
        let input = TopicPartition::new("in", 2);
        let mut watch = Watch::default();
        for (at, stable, high, expected) in looks {
            let ends = vec![(input.clone(), Ends { stable: *stable, high: *high })];
            watch.take_in(ends, Timestamp::default(), Duration::from_secs(*at));
            let held_up = watch.held_up().map(|(_, _, time)| time.as_secs()).next();
            assert_eq!(held_up, *expected, "at {at} s");
        }
    }

    #[test]
    fn what_stands_still_before_its_end_is_held_up() {
        check(&[
            (0, 5, 9, None),
            (3, 5, 9, None),
            (9, 5, 12, None),
            (12, 5, 12, Some(12)),
            (90, 5, 12, Some(90)),
        ]);
    }

    #[test]
    fn what_moves_or_has_nothing_behind_it_is_not() {
        check(&[(0, 5, 5, None), (30, 5, 5, None), (60, 5, 6, None), (70, 5, 6, Some(10))]);
        check(&[(0, 5, 9, None), (9, 6, 9, None), (18, 7, 9, None), (27, 8, 9, None)]);
        check(&[(0, 5, 9, None), (20, 5, 9, Some(20)), (23, 10, 10, None), (26, 10, 11, None)]);
    }

    #[test]
    fn a_partition_that_went_elsewhere_is_forgotten() {
        let mut watch = Watch::default();
        let ends = vec![(TopicPartition::new("in", 0), Ends { stable: 5, high: 9 })];
        watch.take_in(ends.clone(), Timestamp::default(), Duration::ZERO);
        watch.take_in(Vec::new(), Timestamp::default(), Duration::from_secs(30));
        watch.take_in(ends, Timestamp::default(), Duration::from_secs(60));
        assert_eq!(watch.held_up().count(), 0);
    }
}
