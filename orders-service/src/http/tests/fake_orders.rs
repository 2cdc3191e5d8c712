use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::{
    Decision, NewOrder, Order, OrderEvent, OrderId, Origin, Outcome, Transition, apply, timestamp_from_millis,
};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use service::Problem;
use tokio::sync::watch;

use crate::orders::Orders;

/// What is ordered in all tests.
pub(crate) fn content(id: &str) -> NewOrder {
    NewOrder {
        id: id.parse().unwrap(),
        customer_id: "c-1".parse().unwrap(),
        currency: "EUR".parse().unwrap(),
        lines: vec![],
    }
}

pub(crate) fn created(id: &str) -> Order {
    let at = timestamp_from_millis(1_772_359_200_000);
    let origin = Origin { partition: 0, offset: 0 };
    step(None, OrderEvent::Create { new_order: content(id), at, origin }).unwrap()
}

pub(crate) fn decided(id: &str) -> Order {
    decide(&created(id)).unwrap()
}

fn decide(order: &Order) -> Option<Order> {
    let decided_at = timestamp_from_millis(1_772_359_201_000);
    let outcome = Outcome {
        order_id: order.id.clone(),
        attempt: order.attempt,
        decision: Decision::Validated,
        reasons: vec![],
        validations: vec![],
        decided_at,
    };
    step(Some(order), OrderEvent::Outcome { outcome: &outcome, at: decided_at })
}

fn step(current: Option<&Order>, event: OrderEvent<'_>) -> Option<Order> {
    match apply(current, event) {
        Transition::Changed(order) => Some(order),
        _ => None,
    }
}

/// Orders in memory, under the real state machine.
pub(super) struct FakeOrders {
    orders: Mutex<BTreeMap<OrderId, Order>>,
    requests: Mutex<i64>,
    changes: watch::Sender<()>,
    /// Whether the partitions are this instance's.
    pub(super) serving: AtomicBool,
    /// Whether what is asked for is carried out.
    pub(super) carrying_out: AtomicBool,
}

impl Default for FakeOrders {
    fn default() -> Self {
        Self {
            orders: Mutex::default(),
            requests: Mutex::default(),
            changes: watch::Sender::default(),
            serving: true.into(),
            carrying_out: true.into(),
        }
    }
}

impl FakeOrders {
    pub(super) fn put(&self, order: Order) {
        self.orders.lock().unwrap().insert(order.id.clone(), order);
        self.changes.send_replace(());
    }

    pub(super) fn decide(&self, id: &OrderId) {
        let order = decide(&self.orders.lock().unwrap()[id]);
        self.put(order.unwrap());
    }

    pub(super) fn requests(&self) -> i64 {
        *self.requests.lock().unwrap()
    }

    /// Returns when so many wait.
    pub(super) async fn watched_by(&self, count: usize) {
        let arrived = async {
            while self.changes.receiver_count() != count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), arrived)
            .await
            .expect("waiters should come and go");
    }
}

impl Orders for FakeOrders {
    fn serves(&self, _: &OrderId) -> Result<(), Problem> {
        let serving = self.serving.load(Ordering::Relaxed);
        if serving { Ok(()) } else { Err(Problem::unavailable("another's")) }
    }

    fn get(&self, id: &OrderId) -> Result<Option<Order>, Problem> {
        self.serves(id)?;
        Ok(self.orders.lock().unwrap().get(id).cloned())
    }

    fn watch(&self, _: &OrderId) -> BoxFuture<'static, ()> {
        let mut changes = self.changes.subscribe();
        async move { drop(changes.changed().await) }.boxed()
    }

    fn request(&self, new_order: NewOrder) -> BoxFuture<'_, Result<Origin, Problem>> {
        let mut requests = self.requests.lock().unwrap();
        *requests += 1;
        let origin = Origin { partition: 0, offset: *requests };
        let id = new_order.id.clone();
        let event = OrderEvent::Create { new_order, at: timestamp_from_millis(1_772_359_200_000), origin };
        let order = step(self.orders.lock().unwrap().get(&id), event);
        order.into_iter().for_each(|order| self.put(order));
        async move { Ok(origin) }.boxed()
    }

    fn carried_out(&self, _: Origin) -> BoxFuture<'_, Result<(), Problem>> {
        let carrying_out = self.carrying_out.load(Ordering::Relaxed);
        async move { if carrying_out { Ok(()) } else { Err(Problem::unavailable("the partition has moved")) } }.boxed()
    }
}
