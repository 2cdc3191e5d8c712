//! The records that a transaction writes to one partition, until Kafka has them.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;

use super::super::batch::{Batch, Identity};
use super::super::spare::Spare;
use crate::Timestamp;
use crate::record::Content;

/// A batch grows no further: small enough for any topic, as far as single records allow.
const MAX_BATCH: usize = 256 << 10;

/// A partition that records are written to.
#[derive(Debug)]
pub(super) struct Partition {
    /// The topic's name inside.
    inside: Arc<str>,
    /// Its name on the cluster.
    pub(super) topic: StrBytes,
    pub(super) number: i32,
    /// The number of the next record in this transaction.
    sequence: i32,
    /// Of the last batch, in bytes: the next one is made as large, so that it need not grow in steps.
    last_size: usize,
    open: Option<Open>,
    pub(super) sealed: Option<Sealed>,
    /// The buffer of a batch that Kafka has.
    spare: Spare,
}

/// A batch that grows.
#[derive(Debug)]
struct Open {
    batch: Batch,
    slots: Slots,
}

/// The last record of each slot, by its place in the batch.
pub(super) type Slots = Vec<(usize, i32)>;

/// A batch on its way, kept until Kafka has it.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) bytes: Bytes,
    pub(super) slots: Slots,
}

impl Partition {
    pub(super) fn new(inside: Arc<str>, topic: StrBytes, number: i32) -> Self {
        Self {
            inside,
            topic,
            number,
            sequence: 0,
            last_size: 0,
            open: None,
            sealed: None,
            spare: Spare::default(),
        }
    }

    /// What is attempted with it.
    pub(super) fn place(&self) -> String {
        format!("write to {}-{}", self.inside, self.number)
    }

    /// Whether the batch that grows may grow by so many bytes.
    pub(super) fn has_room(&self, size: usize) -> bool {
        self.open.as_ref().is_none_or(|open| open.batch.size() + size <= MAX_BATCH)
    }

    /// The records of a batch count as sent when the first of them was: the clock costs something.
    pub(super) fn push(&mut self, record: Content<'_>, slot: Option<usize>) {
        let open = self.open.get_or_insert_with(|| {
            let size = self.last_size;
            let buffer = self.spare.take(size).unwrap_or_else(|| BytesMut::with_capacity(size));
            let batch = Batch::of_transaction(Timestamp::of_wall_clock(), buffer);
            Open { batch, slots: Slots::new() }
        });
        if let Some(slot) = slot {
            let delta = open.batch.count();
            match open.slots.iter_mut().find(|(known, _)| *known == slot) {
                Some((_, last)) => *last = delta,
                None => open.slots.push((slot, delta)),
            }
        }
        open.batch.push(record, open.batch.begun());
    }

    /// Makes ready to be sent what is there. Whether anything was.
    pub(super) fn seal(&mut self, identity: Identity) -> bool {
        let Some(Open { batch, slots }) = self.open.take() else { return false };
        let sequence = self.sequence;
        self.last_size = batch.size();
        self.sequence = sequence.wrapping_add(batch.count());
        self.sealed = Some(Sealed { bytes: batch.seal(identity, sequence), slots });
        true
    }

    /// Kafka has the batch that was sealed, if one was: where its slots are.
    pub(super) fn arrived(&mut self) -> Option<Slots> {
        let Sealed { bytes, slots } = self.sealed.take()?;
        self.spare.keep(bytes);
        Some(slots)
    }

    /// The next transaction begins with nothing.
    pub(super) fn clear(&mut self) {
        if self.sequence == 0 {
            self.spare.pass();
        }
        (self.sequence, self.open, self.sealed) = (0, None, None);
    }
}
