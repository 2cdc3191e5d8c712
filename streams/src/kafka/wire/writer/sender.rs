//! The thread of a writer: takes what is sent, has it written, and tells what came of it.
//!
//! One request is under way for each broker, those of several brokers at the same time; the thread waits for all of them
//! together, and sleeps when there is nothing to do.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::messages::{ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::StrBytes;
use rustix::event::PollFd;

use super::super::leaders::{Broker, Leader, Leaders};
use super::super::link::Alarm;
use super::super::produce::{self, Answer};
use super::partition::{Fate, Partition};
use super::producer_ids::ProducerIds;
use super::queue::{Found, Queue, Waiting};
use super::route::{Batches, Lost, Route};
use crate::client::ErrorKind;
use crate::kafka::config::Settings;
use crate::kafka::error::kind_of_refusal;

/// How long a leader may wait for its replicas.
const REPLICA_TIMEOUT: Duration = Duration::from_secs(4);
/// How long to sleep when nothing is to come but somebody who wakes.
const LONG: Duration = Duration::from_secs(3600);

/// What is on its way to Kafka. With it goes what is left: whoever waits is told.
pub(super) struct Sender {
    client_id: StrBytes,
    prefix: String,
    queue: Arc<Queue>,
    producer_ids: ProducerIds,
    leaders: Leaders,
    numbers: HashMap<Arc<str>, HashMap<i32, usize>>,
    partitions: Vec<Partition>,
    routes: HashMap<Broker, Route>,
}

impl Sender {
    /// Connects to nothing yet.
    pub(super) fn new(settings: &Settings, queue: Arc<Queue>) -> Self {
        let client_id = StrBytes::from_static_str("writer");
        Self {
            producer_ids: ProducerIds::new(settings.servers(), client_id.clone()),
            leaders: Leaders::new(settings.servers(), client_id.clone()),
            client_id,
            prefix: settings.prefix().to_string(),
            queue,
            numbers: HashMap::new(),
            partitions: Vec::new(),
            routes: HashMap::new(),
        }
    }

    /// Works until the queue is stopped.
    pub(super) fn run(mut self, alarm: &Alarm) {
        loop {
            let now = Instant::now();
            self.advance(now);
            match self.queue.take(self.has_free_broker()) {
                Found::Stop => return,
                Found::Records(records) if !records.is_empty() => self.accept(records),
                Found::Records(_) => alarm.wait(self.readiness(), self.due(now).unwrap_or(now + LONG)),
            }
        }
    }

    /// Whether a record that comes now may be sent now. Otherwise the next answer is soon enough.
    fn has_free_broker(&self) -> bool {
        let is_known = |broker: &Broker| self.leaders.address(*broker).is_some();
        let busy = self.routes.iter().filter(|(broker, route)| !route.is_free() && is_known(broker)).count();
        busy == 0 || busy < self.leaders.brokers()
    }

    pub(super) fn accept(&mut self, records: Vec<Waiting>) {
        for waiting in records {
            let index = self.index_of(&waiting.record.topic, waiting.record.partition);
            self.partitions[index].push(waiting);
        }
    }

    fn index_of(&mut self, topic: &Arc<str>, number: i32) -> usize {
        let known = self.numbers.get(topic).and_then(|of_topic| of_topic.get(&number));
        if let Some(index) = known {
            return *index;
        }
        let on_cluster = StrBytes::from_string(format!("{}{topic}", self.prefix));
        self.numbers.entry(topic.clone()).or_default().insert(number, self.partitions.len());
        self.partitions.push(Partition::new(on_cluster, number));
        self.partitions.len() - 1
    }

    /// Does what can be done without waiting.
    pub(super) fn advance(&mut self, now: Instant) {
        let leaders = &mut self.leaders;
        let refused = self.producer_ids.advance(|| leaders.next_server(), now);
        if let Err(error) = refused
            && kind_of_refusal(error) == ErrorKind::Fatal
        {
            let numberless = (0..self.partitions.len()).filter(|i| self.partitions[*i].needs_producer());
            for index in numberless.collect::<Vec<_>>() {
                let given_up = self.partitions[index].give_up(ErrorKind::Fatal, &error.to_string());
                given_up.into_iter().for_each(|fate| self.tell(fate));
            }
        }
        self.leaders.look(now);
        let brokers: Vec<Broker> = self.routes.keys().copied().collect();
        for broker in brokers {
            self.receive(broker, now);
        }
        for index in 0..self.partitions.len() {
            let late = self.partitions[index].expire(now);
            self.tell(late);
        }
        self.dispatch(now);
    }

    /// What to wait for.
    fn readiness(&self) -> impl Iterator<Item = PollFd<'_>> {
        let routes = self.routes.values().filter_map(Route::readiness);
        routes.chain(self.leaders.readiness()).chain(self.producer_ids.readiness())
    }

    /// When there is something to do even if nothing comes.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let routes = self.routes.values().filter_map(Route::due);
        let partitions = self.partitions.iter().filter_map(Partition::due);
        let questions = self.leaders.due().into_iter().chain(self.producer_ids.due());
        // What is over by now has been done, or waits for something else of these.
        routes.chain(partitions).chain(questions).filter(|due| *due > now).min()
    }

    // ---- sending ----

    fn dispatch(&mut self, now: Instant) {
        let mut by_broker: HashMap<Broker, Vec<usize>> = HashMap::new();
        let mut leaderless: Vec<StrBytes> = Vec::new();
        for index in 0..self.partitions.len() {
            let partition = &mut self.partitions[index];
            if !partition.is_ready(now) {
                continue;
            }
            if partition.needs_producer() {
                let Some(producer) = self.producer_ids.get() else { continue };
                partition.number_as(producer);
            }
            match self.leaders.of(&partition.topic, partition.number) {
                Leader::Broker(broker) => by_broker.entry(broker).or_default().push(index),
                Leader::Unknown => {
                    if !leaderless.contains(&partition.topic) {
                        leaderless.push(partition.topic.clone());
                    }
                }
                Leader::NoSuchPartition(count) => {
                    // There may be more the next time.
                    self.leaders.forget(&partition.topic);
                    let why = format!("the topic has {count} partitions");
                    let given_up = partition.give_up(ErrorKind::Retriable, &why);
                    given_up.into_iter().for_each(|fate| self.tell(fate));
                }
                Leader::Refused(error) => {
                    self.leaders.forget(&partition.topic);
                    let given_up = partition.give_up(kind_of_refusal(error), &error.to_string());
                    given_up.into_iter().for_each(|fate| self.tell(fate));
                }
            }
        }
        if !leaderless.is_empty() {
            self.leaders.ask(leaderless.into_iter(), now);
        }
        for (broker, partitions) in by_broker {
            self.send(broker, &partitions, now);
        }
    }

    fn send(&mut self, broker: Broker, partitions: &[usize], now: Instant) {
        if !self.routes.entry(broker).or_default().is_open(now) {
            return;
        }
        let request = self.request(partitions, now);
        let route = self.routes.entry(broker).or_default();
        if let Err(lost) = route.send(self.leaders.address(broker), &self.client_id, request, now) {
            self.lose(broker, lost);
        }
    }

    fn request(&mut self, partitions: &[usize], now: Instant) -> (ProduceRequest, Batches) {
        let mut dispatched = Vec::with_capacity(partitions.len());
        let mut batches = Vec::with_capacity(partitions.len());
        for index in partitions {
            let partition = &mut self.partitions[*index];
            let (topic, number) = (partition.topic.clone(), partition.number);
            let Some((batch, bytes)) = partition.dispatch(now) else { continue };
            dispatched.push((topic, number, bytes.clone()));
            batches.push((*index, batch));
        }
        let dispatched = dispatched.iter().map(|(topic, number, bytes)| (topic, *number, bytes));
        (produce::request(dispatched, REPLICA_TIMEOUT), batches)
    }

    // ---- answers ----

    fn receive(&mut self, broker: Broker, now: Instant) {
        let Some(route) = self.routes.get_mut(&broker) else { return };
        match route.receive(now) {
            Ok(None) => {}
            Ok(Some((response, batches))) => self.take(response, batches, now),
            Err(lost) => self.lose(broker, lost),
        }
    }

    /// What a broker says to a request with these batches.
    fn take(&mut self, response: ProduceResponse, mut batches: Batches, now: Instant) {
        for answer in produce::answers(response) {
            let is_its = |(index, _): &(usize, u64)| {
                let partition = &self.partitions[*index];
                partition.number == answer.partition && partition.topic == answer.topic
            };
            let Some(place) = batches.iter().position(is_its) else { continue };
            let (index, batch) = batches.swap_remove(place);
            if self.partitions[index].awaits(batch) {
                self.take_partition(index, answer, now);
            }
        }
        self.unsettled(batches, &"the broker did not say what came of it".into(), true);
    }

    fn take_partition(&mut self, index: usize, answer: Answer, now: Instant) {
        let partition = &mut self.partitions[index];
        let fate = match answer.outcome {
            Ok(offset) => partition.written(offset),
            Err(refusal) => {
                let producer = partition.producer();
                tracing::debug!(
                    topic = &*partition.topic,
                    partition = partition.number,
                    error = %refusal.error,
                    "writing"
                );
                let fate = partition.refused(&refusal, now);
                if partition.needs_producer()
                    && let Some(producer) = producer
                {
                    self.producer_ids.forget(producer);
                }
                if partition.is_on_hand() {
                    // Another broker may know better.
                    self.leaders.forget(&answer.topic);
                }
                fate
            }
        };
        self.tell(fate);
    }

    /// Somebody else may lead the broker's partitions soon.
    fn lose(&mut self, broker: Broker, lost: Lost) {
        tracing::debug!(broker, error = %lost.error, "writing");
        self.unsettled(lost.batches, &lost.error.to_string().into(), lost.has_gone_out);
        self.leaders.forget_broker(broker);
    }

    /// These batches go again, unless they have been given up.
    fn unsettled(&mut self, batches: Batches, why: &Arc<str>, has_gone_out: bool) {
        for (index, batch) in batches {
            let partition = &mut self.partitions[index];
            match partition.awaits(batch) {
                true if has_gone_out => partition.unanswered(why),
                true => partition.unsent(why),
                false => {}
            }
        }
    }

    fn tell(&self, fate: Option<Fate>) {
        let Some(Fate { records, outcome }) = fate else { return };
        self.queue.release(records.iter().map(Waiting::size).sum());
        match outcome {
            Ok(first) => (first..).zip(records).for_each(|(offset, waiting)| waiting.tell_written(offset)),
            Err((kind, why)) => records.into_iter().for_each(|waiting| waiting.tell_failed(kind, &why)),
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let left = self.queue.close();
        self.accept(left);
        for index in 0..self.partitions.len() {
            let left = self.partitions[index].give_up(ErrorKind::Retriable, "the writer has ended");
            left.into_iter().for_each(|fate| self.tell(fate));
        }
    }
}
