//! A topology: which topics are read, what is done with the records, what is remembered and where the
//! results go. It is data, built by a pure function, and run alike by the workers, the test driver and
//! the simulation.

mod builder;
mod node;

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

pub use self::builder::{Stream, TopologyBuilder};
pub(crate) use self::node::{AnyRecord, Node};

use crate::codec::DecodeError;
use crate::global::GlobalTableSpec;
use crate::store::{Section, StoreSpec};
use crate::topic::{Cleanup, TopicSpec};

/// A node's place in its topology.
pub(crate) type NodeId = usize;

/// The steps of one application, from its source topics to its sinks.
///
/// All topics of an application have the same number of partitions, and a task is one of them: it takes
/// that partition of every source and repartition topic, and owns that partition of every store.
pub struct Topology {
    pub(crate) application: Arc<str>,
    pub(crate) sources: Vec<Source>,
    pub(crate) nodes: Vec<Box<dyn Node>>,
    pub(crate) children: Vec<Vec<NodeId>>,
    /// What is kept, each with a changelog.
    pub(crate) stores: Vec<StoreSpec>,
    /// What processors know as stores: each is a section of one of the above.
    pub(crate) sections: Vec<Section>,
    pub(crate) global_tables: Vec<GlobalTableSpec>,
    pub(crate) sinks: Vec<TopicSpec>,
}

/// A topic that is read, and the node that its records go to.
pub(crate) struct Source {
    pub(crate) topic: TopicSpec,
    pub(crate) node: NodeId,
    /// Key, value, and the way in which they are read.
    pub(crate) types: TypeId,
    pub(crate) decode: Box<DecodeFn>,
}

/// What becomes of a key and a value; nothing, if they are to be passed over.
pub(crate) type DecodeFn =
    dyn Fn(Option<&[u8]>, Option<&[u8]>) -> Result<Option<AnyRecord>, DecodeError> + Send + Sync;

impl Topology {
    /// Begins the topology of `application`, whose name prefixes its internal topics and is its consumer group.
    pub fn builder(application: &str) -> TopologyBuilder {
        TopologyBuilder::new(application)
    }

    /// The application's name.
    pub fn application(&self) -> &str {
        &self.application
    }

    /// The topics that it reads: sources and repartition topics.
    pub fn source_topics(&self) -> impl Iterator<Item = &TopicSpec> {
        self.sources.iter().map(|source| &source.topic)
    }

    /// The topics that it reads whole, in every instance.
    pub fn global_topics(&self) -> impl Iterator<Item = &TopicSpec> {
        self.global_tables.iter().map(|table| &table.topic)
    }

    /// The topics that it alone writes, and therefore creates: sinks, changelogs, repartition topics and
    /// the dead letter topic.
    pub fn owned_topics(&self) -> Vec<TopicSpec> {
        let mut owned: Vec<TopicSpec> = self.sinks.clone();
        owned.extend(self.stores.iter().map(|store| store.changelog.clone()));
        owned.extend(self.source_topics().filter(|topic| topic.cleanup == Cleanup::Purged).cloned());
        owned.push(TopicSpec { name: self.dead_letter_topic(), cleanup: Cleanup::Delete });
        owned.sort_by(|a, b| a.name.cmp(&b.name));
        owned.dedup_by(|a, b| a.name == b.name);
        owned
    }

    /// Where records go that cannot be processed.
    pub fn dead_letter_topic(&self) -> Arc<str> {
        format!("{}-dlq", self.application).into()
    }

    /// The section in which a key of a store stands, and the key as the section knows it.
    pub(crate) fn in_section(&self, store: usize, key: &Bytes) -> Option<(usize, Bytes)> {
        let sections = self.sections.iter().enumerate().filter(|(_, section)| section.store == store);
        sections.filter_map(|(index, section)| Some((index, section.strip(key)?))).next()
    }

    pub(crate) fn source(&self, topic: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.topic.name.as_ref() == topic)
    }
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            |topics: Vec<&TopicSpec>| topics.iter().map(|topic| topic.name.to_string()).collect::<Vec<_>>();
        f.debug_struct("Topology")
            .field("application", &self.application)
            .field("sources", &names(self.source_topics().collect()))
            .field("stores", &self.sections.iter().map(|section| &section.name).collect::<Vec<_>>())
            .field("sinks", &names(self.sinks.iter().collect()))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
