use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use domain::{
    Decision, NewOrder, Order, OrderEvent, OrderId, Origin, Outcome, Transition, apply, timestamp_from_millis,
};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use service::{Directory, Kind, Problem, Whereabouts};
use tokio::sync::watch;

use crate::orders::{Changes, Orders};
use crate::shown_order::ShownOrder;

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
    decisions: watch::Sender<()>,
    moves: watch::Sender<()>,
    /// Whether the partition is this instance's.
    serving: AtomicBool,
    /// Whether it can be told that a request is carried out.
    carrying_out: AtomicBool,
    /// Whether what is there can be read.
    readable: AtomicBool,
}

impl Default for FakeOrders {
    fn default() -> Self {
        Self {
            orders: Mutex::default(),
            requests: Mutex::default(),
            changes: watch::Sender::default(),
            decisions: watch::Sender::default(),
            moves: watch::Sender::default(),
            serving: true.into(),
            carrying_out: true.into(),
            readable: true.into(),
        }
    }
}

impl FakeOrders {
    pub(super) fn put(&self, order: Order) {
        let is_final = order.state.is_final();
        self.orders.lock().unwrap().insert(order.id.clone(), order);
        self.changes.send_replace(());
        if is_final {
            self.decisions.send_replace(());
        }
    }

    pub(super) fn decide(&self, id: &OrderId) {
        let order = decide(&self.orders.lock().unwrap()[id]);
        self.put(order.unwrap());
    }

    /// The partition goes, or comes back.
    pub(super) fn serve(&self, serving: bool) {
        self.serving.store(serving, Ordering::Relaxed);
        self.changes.send_replace(());
        self.decisions.send_replace(());
        self.moves.send_replace(());
    }

    /// Requests are carried out, but the partition moves before that can be told; or it comes back.
    pub(super) fn lose_requests(&self, lost: bool) {
        self.carrying_out.store(!lost, Ordering::Relaxed);
        self.moves.send_replace(());
    }

    /// What is there can no longer be read.
    pub(super) fn damage(&self) {
        self.readable.store(false, Ordering::Relaxed);
    }

    pub(super) fn requests(&self) -> i64 {
        *self.requests.lock().unwrap()
    }

    /// Returns when so many wait for orders to change.
    pub(super) async fn watched_by(&self, count: usize) {
        until_received_by(&[&self.changes, &self.decisions], count).await;
    }

    /// Returns when so many wait for the partition to move.
    pub(super) async fn missed_by(&self, count: usize) {
        until_received_by(&[&self.moves], count).await;
    }
}

async fn until_received_by(senders: &[&watch::Sender<()>], count: usize) {
    let arrived = async {
        while senders.iter().map(|sender| sender.receiver_count()).sum::<usize>() != count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), arrived)
        .await
        .expect("waiters should come and go");
}

impl Orders for FakeOrders {
    fn partition(&self, _: &OrderId) -> i32 {
        0
    }

    fn get(&self, id: &OrderId) -> Result<Option<Arc<ShownOrder>>, Problem> {
        if !self.readable.load(Ordering::Relaxed) {
            return Err(Problem::new(Kind::Internal, "it cannot be read"));
        }
        let shown = |order: &Order| Arc::new(ShownOrder::new(order.clone()));
        match self.serving.load(Ordering::Relaxed) {
            true => Ok(self.orders.lock().unwrap().get(id).map(shown)),
            false => Err(not_mine()),
        }
    }

    /// Nothing is told that need not be told.
    fn watch(&self, _: &OrderId, changes: Changes) -> BoxStream<'static, ()> {
        let changes = match changes {
            Changes::All => self.changes.subscribe(),
            Changes::Decisions => self.decisions.subscribe(),
        };
        let next =
            async |mut changes: watch::Receiver<()>| changes.changed().await.ok().map(|()| ((), changes));
        stream::unfold(changes, next).boxed()
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
        async move { if carrying_out { Ok(()) } else { Err(not_mine()) } }.boxed()
    }
}

fn not_mine() -> Problem {
    Problem::not_mine("the partition has moved", None)
}

/// There is one partition. If it is not here, it is nowhere.
impl Directory for FakeOrders {
    fn locate(&self, _: i32) -> Whereabouts {
        let is_lost = !self.carrying_out.load(Ordering::Relaxed) && self.requests() > 0;
        if self.serving.load(Ordering::Relaxed) && !is_lost {
            Whereabouts::Here
        } else {
            Whereabouts::Deserted
        }
    }

    fn changed(&self) -> BoxFuture<'static, ()> {
        let mut moves = self.moves.subscribe();
        async move { drop(moves.changed().await) }.boxed()
    }

    fn refresh(&self) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }
}
