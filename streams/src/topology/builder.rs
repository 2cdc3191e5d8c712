//! Building a topology, step by step and typed.

use std::any::TypeId;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::codec::DecodeError;
use crate::codec::{Key, ReadValue, Value, decode_record, decode_value};
use crate::global::{GlobalTable, GlobalTableSpec};
use crate::processor::Processor;
use crate::store::{Fold, Section, Store, StoreSpec};
use crate::topic::{Cleanup, KeyOf, Topic, TopicSpec};

use super::node::{self, ProcessorNode};
use super::{AnyRecord, Node, NodeId, Source, Topology};

/// Collects the steps of a topology. Begin with [`Topology::builder`].
pub struct TopologyBuilder {
    graph: Rc<RefCell<Topology>>,
}

/// The records that flow out of a step. Cloning it lets several steps follow the same one.
pub struct Stream<K, V> {
    graph: Rc<RefCell<Topology>>,
    node: NodeId,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for Stream<K, V> {
    fn clone(&self) -> Self {
        Self { graph: self.graph.clone(), node: self.node, types: PhantomData }
    }
}

impl TopologyBuilder {
    pub(super) fn new(application: &str) -> Self {
        Self { graph: Rc::new(RefCell::new(Topology::empty(application))) }
    }

    /// A store. All of an application's stores share one changelog topic, `<application>-changelog`, in which the
    /// keys of each stand under `<name>/`: so a transaction writes to one partition of it, however many stores it
    /// changes.
    ///
    /// # Panics
    /// When there is a store of that name already, or the name has a slash.
    pub fn store<K: Key, V: Value>(&mut self, name: &str) -> Store<K, V> {
        let mut graph = self.graph.borrow_mut();
        let store = graph.state();
        graph.add_section(Section::of(name, store))
    }

    /// A store whose content is a topic with a meaning of its own, which therefore is its changelog: what
    /// is put into the store is written to the topic. When it is restored, a record counts only if
    /// `newer` accepts it over what is stored; one that stands in the wrong place or cannot be decoded is skipped.
    ///
    /// # Panics
    /// As for [`TopologyBuilder::store`]; the name `state` is that of what holds all other stores.
    pub fn topic_store<K: Key, V: Value>(
        &mut self,
        name: &str,
        topic: &Topic<K, V>,
        newer: impl Fn(Option<&V>, &V) -> bool + Send + Sync + 'static,
    ) -> Store<K, V> {
        let key_of = topic.key_of;
        let accept = move |key: &[u8], stored: Option<&[u8]>, value: &[u8]| {
            let stored = stored.and_then(|stored| decode_value(stored).ok());
            let record = decode_record(Some(key), Some(value), key_of);
            record.is_ok_and(|(_, value)| newer(stored.as_ref(), &value))
        };
        let spec =
            StoreSpec { name: name.into(), changelog: topic.spec(), fold: Fold::Accept(Arc::new(accept)) };
        let mut graph = self.graph.borrow_mut();
        let store = graph.add_store(spec);
        graph.add_section(Section::whole(name, store))
    }

    /// The whole of a topic, in every instance: for lookups by keys other than the records' own.
    pub fn global_table<K: Key, V: Value>(&mut self, topic: &Topic<K, V>) -> GlobalTable<K, V> {
        let mut graph = self.graph.borrow_mut();
        graph.global_tables.push(GlobalTableSpec::new(topic));
        GlobalTable::new(graph.global_tables.len() - 1)
    }

    /// The records of a topic. A record without key or value, one that cannot be decoded, one in another partition than
    /// its key's, and one under another key than its value names ([`Topic::keyed_by`]) go to the dead letter topic.
    ///
    /// # Panics
    /// When the topic is a source already, with other types or by [`TopologyBuilder::source_if`].
    pub fn source<K: Key, V: ReadValue>(&mut self, topic: &Topic<K, V>) -> Stream<K, V> {
        source(&self.graph, topic.spec(), topic.key_of)
    }

    /// The records of a topic whose values `wanted` accepts as they stand there, before they are decoded. It is a
    /// [`Stream::filter`] that comes first: what it does not accept is passed over, whatever it is, and costs no more
    /// than this look. (A record in the wrong partition is a dead letter even so.)
    ///
    /// # Panics
    /// When the topic is a source already.
    pub fn source_if<K: Key, V: ReadValue>(
        &mut self,
        topic: &Topic<K, V>,
        wanted: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
    ) -> Stream<K, V> {
        /// Keeps apart what is read in different ways.
        struct Chosen<T>(PhantomData<T>);
        let is_known = self.graph.borrow().source(topic.name()).is_some();
        assert!(!is_known, "topic {:?} is a source already", topic.name());
        let key_of = topic.key_of;
        source_of::<Chosen<(K, V)>, K, V>(&self.graph, topic.spec(), move |key, value| {
            if value.is_some_and(|value| !wanted(value)) { Ok(None) } else { decode(key, value, key_of) }
        })
    }

    /// The finished topology. Streams that are still held lead nowhere from now on.
    pub fn build(self) -> Topology {
        self.graph.replace(Topology::empty(""))
    }
}

impl<K: Clone + Send + 'static, V: Clone + Send + 'static> Stream<K, V> {
    /// The records for which `predicate` holds.
    pub fn filter(self, predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Stream<K, V> {
        self.flat_map(move |key, value| predicate(&key, &value).then_some((key, value)))
    }

    /// Each record becomes another one with the same key, or none.
    pub fn filter_map_values<VO>(
        self,
        function: impl Fn(&K, V) -> Option<VO> + Send + Sync + 'static,
    ) -> Stream<K, VO>
    where
        VO: Clone + Send + 'static,
    {
        self.flat_map(move |key, value| function(&key, value).map(|value| (key, value)))
    }

    /// Each record becomes any number of others. Where keys change and a store or a join comes later,
    /// a [`Stream::repartition`] has to follow.
    pub fn flat_map<KO, VO, I>(self, function: impl Fn(K, V) -> I + Send + Sync + 'static) -> Stream<KO, VO>
    where
        KO: Clone + Send + 'static,
        VO: Clone + Send + 'static,
        I: IntoIterator<Item = (KO, VO)>,
    {
        self.then(node::flat_map(function))
    }

    /// Nobody waits for what comes of the records for which `predicate` holds: it may be committed with something else,
    /// or up to 100 ms later.
    ///
    /// Transactions cost what they cost, however little is in them. Without this step, what goes to a topic is
    /// committed as soon as the input is drained, and what only changes stores as late as here.
    pub fn commit_late(self, predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Stream<K, V> {
        self.then(node::commit_late(predicate))
    }

    /// A step that may keep state.
    pub fn process<P>(self, processor: P) -> Stream<P::KeyOut, P::ValueOut>
    where
        P: Processor<KeyIn = K, ValueIn = V>,
    {
        self.then(Box::new(ProcessorNode(processor)))
    }

    fn then<KO, VO>(&self, node: Box<dyn Node>) -> Stream<KO, VO> {
        let mut graph = self.graph.borrow_mut();
        let child = graph.add_node(node);
        if let Some(children) = graph.children.get_mut(self.node) {
            children.push(child);
        }
        Stream { graph: self.graph.clone(), node: child, types: PhantomData }
    }
}

impl<K: Key, V: Value> Stream<K, V> {
    /// The same records under new keys, by way of the topic `<application>-<name>-repartition`, so that all
    /// of one key meet in one task.
    pub fn rekey<KO: Key>(
        self,
        name: &str,
        key: impl Fn(&K, &V) -> KO + Send + Sync + 'static,
    ) -> Stream<KO, V> {
        self.flat_map(move |old, value| [(key(&old, &value), value)]).repartition(name)
    }

    /// The same records, by way of the topic `<application>-<name>-repartition`, so that all of one key meet
    /// in one task.
    pub fn repartition(self, name: &str) -> Stream<K, V> {
        let topic: Arc<str> = format!("{}-{name}-repartition", self.graph.borrow().application).into();
        self.then::<K, V>(node::sink({
            let topic = topic.clone();
            move |_: &K, _: &V| topic.clone()
        }));
        source(&self.graph, TopicSpec { name: topic, cleanup: Cleanup::Purged }, None)
    }

    /// Writes the records to a topic, of which this application becomes the only writer.
    pub fn sink(self, topic: &Topic<K, V>) {
        self.sink_by(std::slice::from_ref(topic), |_, _| 0);
    }

    /// Writes each record to the one of `topics` that `choose` gives the index of; an index beyond the
    /// last means the last.
    pub fn sink_by(self, topics: &[Topic<K, V>], choose: impl Fn(&K, &V) -> usize + Send + Sync + 'static) {
        let specs: Vec<TopicSpec> = topics.iter().map(Topic::spec).collect();
        let names: Vec<Arc<str>> = specs.iter().map(|topic| topic.name.clone()).collect();
        let Some(last) = names.last().cloned() else { return };
        self.graph.borrow_mut().sinks.extend(specs);
        self.then::<K, V>(node::sink(move |key: &K, value: &V| {
            names.get(choose(key, value)).unwrap_or(&last).clone()
        }));
    }
}

/// The stream of a topic. One topic is read and decoded once, however many steps ask for it.
fn source<K: Key, V: ReadValue>(
    graph: &Rc<RefCell<Topology>>,
    topic: TopicSpec,
    key_of: KeyOf<K, V>,
) -> Stream<K, V> {
    source_of::<(K, V), K, V>(graph, topic, move |key, value| decode(key, value, key_of))
}

fn source_of<Types: 'static, K: Key, V: ReadValue>(
    graph: &Rc<RefCell<Topology>>,
    topic: TopicSpec,
    decode: impl Fn(Option<&[u8]>, Option<&[u8]>) -> Decoded + Send + Sync + 'static,
) -> Stream<K, V> {
    let types = TypeId::of::<Types>();
    let mut topology = graph.borrow_mut();
    let node = match topology.source(&topic.name) {
        Some(known) => {
            assert!(known.types == types, "topic {:?} is a source already, with other types", topic.name);
            known.node
        }
        None => {
            let node = topology.add_node(node::flat_map(|key: K, value: V| [(key, value)]));
            topology.sources.push(Source { topic, node, types, decode: Box::new(decode) });
            node
        }
    };
    Stream { graph: graph.clone(), node, types: PhantomData }
}

type Decoded = Result<Option<AnyRecord>, DecodeError>;

fn decode<K: Key, V: ReadValue>(key: Option<&[u8]>, value: Option<&[u8]>, key_of: KeyOf<K, V>) -> Decoded {
    Ok(Some(Box::new(decode_record(key, value, key_of)?)))
}

impl Topology {
    fn empty(application: &str) -> Self {
        Self {
            application: application.into(),
            sources: Vec::new(),
            nodes: Vec::new(),
            children: Vec::new(),
            stores: Vec::new(),
            sections: Vec::new(),
            global_tables: Vec::new(),
            sinks: Vec::new(),
        }
    }

    /// What holds the sections of all stores that have no topic of their own.
    fn state(&mut self) -> usize {
        let known = self.stores.iter().position(|store| !store.is_topic());
        known.unwrap_or_else(|| {
            let changelog = format!("{}-changelog", self.application).into();
            let changelog = TopicSpec { name: changelog, cleanup: Cleanup::Changelog };
            self.add_store(StoreSpec { name: "state".into(), changelog, fold: Fold::LastValue })
        })
    }

    fn add_store(&mut self, spec: StoreSpec) -> usize {
        // Their files would be the same.
        let is_known = self.stores.iter().any(|known| known.name == spec.name);
        assert!(!is_known, "there is a store {:?} already", spec.name);
        self.stores.push(spec);
        self.stores.len() - 1
    }

    fn add_section<K, V>(&mut self, section: Section) -> Store<K, V> {
        let is_known = self.sections.iter().any(|known| known.name == section.name);
        assert!(!is_known, "there is a store {:?} already", section.name);
        assert!(!section.name.contains('/'), "the store {:?} has a slash in its name", section.name);
        self.sections.push(section);
        Store::new(self.sections.len() - 1)
    }

    fn add_node(&mut self, node: Box<dyn Node>) -> NodeId {
        self.nodes.push(node);
        self.children.push(Vec::new());
        self.nodes.len() - 1
    }
}
