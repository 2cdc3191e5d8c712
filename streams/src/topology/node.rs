//! The nodes of a topology, with their types erased.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::{Key, Value, encode_key, encode_value};
use crate::processor::{Context, ProcessError, Processor};
use crate::run::Run;

use super::NodeId;

/// A `(key, value)` pair of the types that the next node takes.
pub(crate) type AnyRecord = Box<dyn Any + Send>;

pub(crate) trait Node: Send + Sync {
    fn process(&self, node: NodeId, record: AnyRecord, run: &mut Run) -> Result<(), ProcessError>;

    fn punctuation_interval(&self) -> Option<Duration> {
        None
    }

    fn punctuate(&self, _node: NodeId, _run: &mut Run) -> Result<(), ProcessError> {
        Ok(())
    }
}

fn typed<K: 'static, V: 'static>(record: AnyRecord) -> (K, V) {
    *record.downcast().expect("the builder connects only nodes of the same types")
}

pub(super) struct ProcessorNode<P>(pub(super) P);

impl<P: Processor> Node for ProcessorNode<P> {
    fn process(&self, node: NodeId, record: AnyRecord, run: &mut Run) -> Result<(), ProcessError> {
        let (key, value) = typed(record);
        self.0.process(key, value, &mut Context::new(run, node))
    }

    fn punctuation_interval(&self) -> Option<Duration> {
        self.0.punctuation_interval()
    }

    fn punctuate(&self, node: NodeId, run: &mut Run) -> Result<(), ProcessError> {
        self.0.punctuate(&mut Context::new(run, node))
    }
}

/// A stateless step: each record becomes any number of others.
pub(super) struct FlatMapNode<F>(pub(super) F);

impl<F> Node for FlatMapNode<F>
where
    F: Fn(NodeId, AnyRecord, &mut Run) + Send + Sync,
{
    fn process(&self, node: NodeId, record: AnyRecord, run: &mut Run) -> Result<(), ProcessError> {
        (self.0)(node, record, run);
        Ok(())
    }
}

pub(super) fn flat_map<K, V, KO, VO, I>(function: impl Fn(K, V) -> I + Send + Sync + 'static) -> Box<dyn Node>
where
    K: 'static,
    V: 'static,
    KO: Clone + Send + 'static,
    VO: Clone + Send + 'static,
    I: IntoIterator<Item = (KO, VO)>,
{
    Box::new(FlatMapNode(move |node, record, run: &mut Run| {
        let (key, value) = typed(record);
        for (key, value) in function(key, value) {
            run.forward(node, key, value);
        }
    }))
}

pub(super) fn commit_late<K, V>(predicate: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Box<dyn Node>
where
    K: Clone + Send + 'static,
    V: Clone + Send + 'static,
{
    Box::new(FlatMapNode(move |node, record, run: &mut Run| {
        let (key, value) = typed(record);
        if predicate(&key, &value) {
            run.commit_late();
        }
        run.forward(node, key, value);
    }))
}

/// Writes records to the topic that the function names.
pub(super) struct SinkNode<K, V, F> {
    topic: F,
    types: std::marker::PhantomData<fn(K, V)>,
}

pub(super) fn sink<K: Key, V: Value>(
    topic: impl Fn(&K, &V) -> Arc<str> + Send + Sync + 'static,
) -> Box<dyn Node> {
    Box::new(SinkNode { topic, types: std::marker::PhantomData })
}

impl<K: Key, V: Value, F> Node for SinkNode<K, V, F>
where
    F: Fn(&K, &V) -> Arc<str> + Send + Sync,
{
    fn process(&self, _node: NodeId, record: AnyRecord, run: &mut Run) -> Result<(), ProcessError> {
        let (key, value): (K, V) = typed(record);
        let topic = (self.topic)(&key, &value);
        let value = encode_value(&value)
            .map_err(|source| ProcessError::Encode { topic: topic.to_string(), source })?;
        run.send(topic, encode_key(&key), value);
        Ok(())
    }
}
