//! The instances of the six services.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::{Order, OrderId};
use email_service::EmailTopology;
use fraud_service::FraudPolicy;
use orders_service::OrdersTopology;
use service::topics::{CUSTOMERS, ORDER_REQUESTS, WAREHOUSE_INVENTORY};
use streams::simulation::{Damage, Process, World};
use streams::{CommandWriter, Queries, Store, Streams, StreamsConfig, Topology};
use validation_aggregator::AggregatorPolicy;

use super::Plan;
use crate::Service;

/// All instances, by their names.
pub(super) struct Fleet {
    config: StreamsConfig,
    policy: AggregatorPolicy,
    /// Never locked while anything waits.
    instances: Mutex<BTreeMap<String, Instance>>,
}

/// An instance: its process when it runs.
struct Instance {
    service: Service,
    running: Option<Running>,
}

struct Running {
    process: Process,
    /// Taken out to be stopped.
    streams: Streams,
    front: Option<Front>,
}

/// What the HTTP side of an instance has.
#[derive(Clone)]
pub(super) struct Front {
    pub(super) queries: Queries,
    pub(super) commands: CommandWriter,
    pub(super) at: Side,
}

/// Which HTTP side.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Orders(Store<OrderId, Order>),
    Inventory(inventory_service::Stores),
    Customers,
}

impl Fleet {
    pub(super) fn new(plan: &Plan) -> Self {
        let names = Service::ALL.into_iter().flat_map(|service| {
            (0..plan.instances).map(move |i| (format!("{}-{i}", service.name()), service))
        });
        Self {
            config: StreamsConfig {
                threads: plan.threads,
                partitions: plan.partitions,
                ..StreamsConfig::default()
            },
            policy: AggregatorPolicy { deadline: plan.deadline, ..AggregatorPolicy::default() },
            instances: Mutex::new(
                names.map(|(name, service)| (name, Instance { service, running: None })).collect(),
            ),
        }
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    pub(super) fn start_all(&self, world: &World) {
        for name in self.names() {
            self.start(world, &name);
        }
    }

    /// Starts an instance that does not run.
    pub(super) fn start(&self, world: &World, name: &str) {
        let service = match self.lock().get(name) {
            Some(Instance { service, running: None }) => *service,
            _ => return,
        };
        let process = world.process(name);
        let (topology, at) = self.topology(service);
        let extra_topics = match service {
            Service::Orders => vec![ORDER_REQUESTS.spec()],
            Service::Inventory => vec![WAREHOUSE_INVENTORY.spec()],
            Service::Email => vec![CUSTOMERS.spec()],
            _ => Vec::new(),
        };
        let config = StreamsConfig { extra_topics, client_id: name.to_string(), ..self.config.clone() };
        let partitions = config.partitions;
        let streams = process.run(topology, config).expect("a simulated process can start");
        let front = at.map(|at| Front {
            queries: streams.queries(),
            commands: CommandWriter::new(process.writer().expect("a simulated writer"), partitions),
            at,
        });
        if let Some(instance) = self.lock().get_mut(name) {
            instance.running = Some(Running { process, streams, front });
        }
    }

    fn topology(&self, service: Service) -> (Topology, Option<Side>) {
        match service {
            Service::Orders => {
                let OrdersTopology { topology, view } = orders_service::topology();
                (topology, Some(Side::Orders(view)))
            }
            Service::Fraud => (fraud_service::topology(FraudPolicy::default()), None),
            Service::Inventory => {
                let (topology, stores) = inventory_service::topology();
                (topology, Some(Side::Inventory(stores)))
            }
            Service::Details => (details_service::topology(), None),
            Service::Aggregator => (validation_aggregator::topology(self.policy), None),
            Service::Email => {
                let EmailTopology { topology, .. } = email_service::topology();
                (topology, Some(Side::Customers))
            }
        }
    }

    /// Kills an instance, wherever it is.
    pub(super) fn crash(&self, name: &str, damage: Damage) {
        let running = self.lock().get_mut(name).and_then(|instance| instance.running.take());
        if let Some(Running { process, streams, .. }) = running {
            process.crash(damage);
            drop(streams);
        }
    }

    /// Stops an instance as it should be.
    pub(super) fn stop(&self, name: &str) {
        let running = self.lock().get_mut(name).and_then(|instance| instance.running.take());
        if let Some(Running { process, streams, .. }) = running {
            streams.close();
            // Nothing of it is left to crash, but the process is over.
            process.crash(Damage::None);
        }
    }

    /// The process of an instance that runs.
    pub(super) fn process(&self, name: &str) -> Option<Process> {
        let instances = self.lock();
        let running = instances.get(name)?.running.as_ref()?;
        Some(running.process.clone())
    }

    /// What is broken is mended, and what is down is started.
    pub(super) fn mend_all(&self, world: &World) {
        for name in self.names() {
            match self.process(&name) {
                Some(process) => {
                    process.reconnect();
                    process.resume();
                    process.set_clock(0);
                }
                None => self.start(world, &name),
            }
        }
    }

    pub(super) fn stop_all(&self) {
        for name in self.names() {
            self.stop(&name);
        }
    }

    /// The HTTP sides of a service's instances that run.
    pub(super) fn fronts(&self, service: Service) -> Vec<Front> {
        let instances = self.lock();
        let of_service = instances.values().filter(|instance| instance.service == service);
        of_service.filter_map(|instance| instance.running.as_ref()?.front.clone()).collect()
    }

    /// Which instances say that something does not run, and what.
    pub(super) fn reasons(&self) -> Vec<String> {
        let instances = self.lock();
        let reasons = instances.iter().flat_map(|(name, instance)| {
            let health = instance.running.as_ref().map(|running| running.streams.health());
            let reasons = health.map_or_else(|| vec!["down".to_string()], |health| health.reasons());
            reasons.into_iter().map(move |reason| format!("{name}: {reason}"))
        });
        reasons.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Instance>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
