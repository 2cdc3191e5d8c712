//! Keeps the global tables of an application as their topics have them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tracing::{debug, info, warn};

use crate::application::Application;
use crate::client::{ClientError, ErrorKind, Reader};
use crate::guard::caught;
use crate::progress::Progress;
use crate::record::{ConsumerRecord, TopicPartition};
use crate::restore::RestoreError;
use crate::setup::Retention;
use crate::store::{Change, Checkpoint};

const POLL: Duration = Duration::from_millis(250);
const RETRY: Duration = Duration::from_millis(500);
const BATCH: usize = 5_000;
const WHO: &str = "global tables";

pub(crate) struct GlobalReader {
    application: Arc<Application>,
    reader: Box<dyn Reader>,
    retention: Retention,
    positions: BTreeMap<(usize, i32), i64>,
}

impl GlobalReader {
    pub(crate) fn new(application: Arc<Application>, reader: Box<dyn Reader>, retention: Retention) -> Self {
        Self { application, reader, retention, positions: BTreeMap::new() }
    }

    /// Reads all tables up to their present ends.
    pub(crate) fn catch_up(&mut self) -> Result<(), RestoreError> {
        let marks = self.begin()?;
        let left = |positions: &BTreeMap<(usize, i32), i64>| {
            let lefts = marks.iter().map(|(key, mark)| u64::try_from(mark - positions[key]).unwrap_or(0));
            lefts.sum::<u64>()
        };
        let mut progress = Progress::new(self.application.host.uptime());
        let mut before = left(&self.positions);
        while before > 0 && !self.application.stop.is_requested() {
            let records = self.step()?;
            let now = left(&self.positions);
            progress.add(records, before - now);
            before = now;
            if let Some(standing) = progress.due(now, self.application.host.uptime()) {
                info!("reading the global tables: {standing}");
                self.application.health.set(WHO, format!("reading: {standing}"));
            }
        }
        self.application.health.clear(WHO);
        info!(tables = self.application.readers.tables.len(), "the global tables are read");
        Ok(())
    }

    /// Keeps reading until the stop is requested.
    pub(crate) fn run(mut self) {
        let mut result = Ok(());
        while !self.application.stop.is_requested() {
            // After an error the reader may have passed records that no table has taken in.
            let turn = caught(|| match result {
                Ok(()) => self.step().map(drop),
                Err(_) => self.begin().map(drop),
            });
            result = turn.unwrap_or_else(|panic| Err(panic.into()));
            match &result {
                Ok(()) => self.application.health.clear(WHO),
                Err(error) => {
                    warn!(%error, "global tables: trying again");
                    self.application.health.set(WHO, error.to_string());
                    self.application.stop.wait(RETRY);
                }
            }
        }
    }

    /// Where each table goes on, and where it ends now.
    fn begin(&mut self) -> Result<BTreeMap<(usize, i32), i64>, RestoreError> {
        let application = self.application.clone();
        let now = application.host.now();
        let mut marks = BTreeMap::new();
        let mut positions = Vec::new();
        let specs = &application.topology.global_tables;
        for (index, (table, spec)) in application.readers.tables.iter().zip(specs).enumerate() {
            let partitions: Vec<_> =
                (0..application.partitions).map(|p| TopicPartition::new(table.name.clone(), p)).collect();
            let watermarks = self.reader.watermarks(&partitions)?;
            let longest = self.retention.of(spec.topic.cleanup) / 2;
            for ((partition, watermarks), store) in
                partitions.into_iter().zip(watermarks).zip(&table.partitions)
            {
                let checkpoint = store.checkpoint()?.filter(|checkpoint| {
                    (watermarks.low..=watermarks.high).contains(&checkpoint.offset)
                        && now.since(checkpoint.at) <= longest
                });
                if checkpoint.is_none() {
                    store.clear()?;
                }
                let from = checkpoint.map_or(watermarks.low, |checkpoint| checkpoint.offset);
                marks.insert((index, partition.partition), watermarks.high);
                self.positions.insert((index, partition.partition), from);
                // Who waits for what is there already waits for no record.
                application.readers.table_advance(index, partition.partition, from);
                positions.push((partition, from));
            }
        }
        self.reader.assign(&positions)?;
        Ok(marks)
    }

    /// Reads a batch, of as many records.
    fn step(&mut self) -> Result<u64, RestoreError> {
        self.ask_for_ends()?;
        let mut records = 0;
        let mut batch: BTreeMap<(usize, i32), BTreeMap<Bytes, Option<Bytes>>> = BTreeMap::new();
        let mut wait = POLL;
        for _ in 0..BATCH {
            match self.reader.poll(wait) {
                Ok(Some(record)) => {
                    records += 1;
                    self.take_in(record, &mut batch);
                }
                Ok(None) => break,
                Err(error) if error.kind == ErrorKind::Retriable => {
                    debug!(%error, "global tables");
                    break;
                }
                Err(error) => return Err(error.into()),
            }
            wait = Duration::ZERO;
        }
        self.apply(batch)?;
        Ok(records)
    }

    fn take_in(
        &self,
        record: ConsumerRecord,
        batch: &mut BTreeMap<(usize, i32), BTreeMap<Bytes, Option<Bytes>>>,
    ) {
        let record = record.into_owned();
        let application = &self.application;
        let specs = application.topology.global_tables.iter().enumerate();
        for (index, spec) in specs.filter(|(_, spec)| spec.topic.name == record.topic) {
            match spec.change(&record, application.partitions) {
                Ok((key, value)) => {
                    batch.entry((index, record.partition)).or_default().insert(key, value);
                }
                Err(rejection) => {
                    warn!(topic = %record.topic, partition = record.partition, offset = record.offset, %rejection, "skipped");
                    application.metrics.add("global_table_skipped_records", 1);
                    application.metrics.add(rejection.counter(), 1);
                }
            }
        }
    }

    fn apply(
        &mut self,
        mut batch: BTreeMap<(usize, i32), BTreeMap<Bytes, Option<Bytes>>>,
    ) -> Result<(), RestoreError> {
        let now = self.application.host.now();
        for ((index, partition), known) in &mut self.positions {
            let table = &self.application.readers.tables[*index];
            let position =
                self.reader.position(&TopicPartition::new(table.name.clone(), *partition))?.unwrap_or(*known);
            let changes: Vec<Change> =
                batch.remove(&(*index, *partition)).unwrap_or_default().into_iter().collect();
            if position == *known && changes.is_empty() {
                continue;
            }
            if let Some(store) = usize::try_from(*partition).ok().and_then(|p| table.partitions.get(p)) {
                store.apply(changes, Checkpoint { offset: position, at: now })?;
            }
            *known = position;
            self.application.readers.table_advance(*index, *partition, position);
        }
        self.note_ends();
        Ok(())
    }

    fn ask_for_ends(&mut self) -> Result<(), ClientError> {
        let application = self.application.clone();
        for table in application.readers.tables.iter() {
            let request = table.end().take_request();
            let Some(as_of) = request else { continue };
            let partitions: Vec<_> =
                (0..application.partitions).map(|p| TopicPartition::new(table.name.clone(), p)).collect();
            match self.reader.watermarks(&partitions) {
                Ok(watermarks) => {
                    table
                        .end()
                        .answer(as_of, watermarks.into_iter().map(|watermarks| watermarks.high).collect());
                }
                Err(error) => {
                    table.end().request(as_of);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn note_ends(&self) {
        for (index, table) in self.application.readers.tables.iter().enumerate() {
            let positions =
                (0..self.application.partitions).filter_map(|p| self.positions.get(&(index, p)).copied());
            table.end().advance(&positions.collect::<Vec<_>>());
        }
    }
}
