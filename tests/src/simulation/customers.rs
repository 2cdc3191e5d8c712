//! Those who order: clients that know the contract of the HTTP side, ask again when there is no answer, and hold
//! the pipeline to what it told them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{
    AdjustmentId, Currency, Customer, CustomerId, Level, NewOrder, Order, OrderId, OrderLine, OrderRequest,
    ProductId, StockAdjustment, Timestamp, timestamp_from_millis,
};
use inventory_service::{AdjustmentKey, AdjustmentResult};
use service::topics::{CUSTOMERS, ORDER_REQUESTS, WAREHOUSE_INVENTORY};
use streams::Store;
use streams::simulation::{Outsider, World};

use super::Plan;
use super::fleet::{Fleet, Front, Side};
use crate::Service;

/// What was accepted, and what was answered.
#[derive(Default)]
pub(super) struct Told {
    /// The orders that were accepted.
    pub(super) orders: BTreeMap<OrderId, NewOrder>,
    /// Every state of an order that anybody was shown.
    pub(super) answers: Vec<Order>,
    /// The customers that were known before they ordered.
    pub(super) customers: BTreeMap<CustomerId, Level>,
    /// What became of the adjustments.
    pub(super) adjustments: BTreeMap<AdjustmentKey, AdjustmentResult>,
}

/// All who order, at work.
pub(super) struct Shop {
    people: Vec<Outsider>,
    told: Arc<Mutex<Told>>,
}

/// One of them.
struct Person {
    fleet: Arc<Fleet>,
    told: Arc<Mutex<Told>>,
}

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(12);
/// After this time without an answer, in virtual time, there never will be one.
const FOR_EVER: Duration = Duration::from_secs(300);

impl Shop {
    pub(super) fn open(world: &World, plan: &Plan, fleet: Arc<Fleet>) -> Self {
        let told = Arc::new(Mutex::new(Told::default()));
        let person = || Person { fleet: fleet.clone(), told: told.clone() };
        let (keeper, products) = (person(), plan.products);
        let mut people = vec![world.spawn("keeper", move |world| keeper.keep_stock(world, products))];
        for number in 0..plan.customers {
            let (customer, plan) = (person(), plan.clone());
            let name = format!("customer {number}");
            people.push(world.spawn(&name, move |world| customer.order_all(world, number, &plan)));
        }
        Self { people, told }
    }

    /// Waits until all have what they want.
    pub(super) fn close(self) -> Told {
        self.people.into_iter().for_each(Outsider::join);
        std::mem::take(&mut *lock(&self.told))
    }
}

impl Person {
    fn told(&self) -> MutexGuard<'_, Told> {
        lock(&self.told)
    }

    /// Asks one instance after the other until one answers.
    fn ask<T>(&self, world: &World, service: Service, what: &str, ask: impl Fn(&Front) -> Option<T>) -> T {
        let gives_up_at = world.now() + FOR_EVER;
        loop {
            let mut fronts = self.fleet.fronts(service);
            world.random(|random| random.shuffle(&mut fronts));
            if let Some(answer) = fronts.iter().find_map(&ask) {
                return answer;
            }
            if world.now() > gives_up_at {
                panic!("{what} is never answered: {}", self.fleet.reasons().join("; "));
            }
            let wait = world.random(|random| random.u64(20..500));
            world.sleep(Duration::from_millis(wait));
        }
    }

    // ---- stock ----

    fn keep_stock(&self, world: &World, products: usize) {
        for round in 0..3 {
            for product in 0..products {
                let quantity = match round {
                    0 => world.random(|random| random.i64(0..25)),
                    _ => world.random(|random| random.i64(-12..12)),
                };
                self.adjust(world, product, round, quantity);
            }
            let wait = world.random(|random| random.u64(..4000));
            world.sleep(Duration::from_millis(wait));
        }
    }

    fn adjust(&self, world: &World, product: usize, round: usize, quantity: i64) {
        let product_id = product_id(product);
        let id: AdjustmentId = format!("a-{round}").parse().expect("an id");
        let key = AdjustmentKey { product_id: product_id.clone(), adjustment_id: id.clone() };
        let adjustment = StockAdjustment { id, product_id, quantity, requested_at: now(world) };
        let times = if world.random(|random| random.u32(..4)) == 0 { 2 } else { 1 };
        for _ in 0..times {
            let result = self.ask(world, Service::Inventory, &format!("adjustment {key}"), |front| {
                let Side::Inventory(stores) = front.at else { return None };
                let judge = async {
                    let product = &adjustment.product_id;
                    if !front.queries.serves(front.queries.partition_of(product)) {
                        return None;
                    }
                    let written =
                        front.commands.send(&WAREHOUSE_INVENTORY, product, &adjustment).await.ok()?;
                    let committed =
                        front.queries.committed(&WAREHOUSE_INVENTORY, written.partition, written.offset);
                    committed.await.ok()?;
                    front.queries.get_at(written.partition, &stores.adjustments, &key).ok()?
                };
                world.wait_for(judge, PATIENCE).flatten()
            });
            let mut told = self.told();
            let first = told.adjustments.entry(key.clone()).or_insert_with(|| result.clone());
            assert_eq!(*first, result, "{key} was judged twice");
        }
    }

    // ---- orders ----

    fn order_all(&self, world: &World, number: usize, plan: &Plan) {
        let customer = customer_id(number);
        if world.random(|random| random.u32(..4)) > 0 {
            self.introduce(world, &customer);
        }
        for order in 0..plan.orders {
            let order = new_order(world, &customer, &format!("o-{number}-{order}"), plan.products);
            let wait = world.random(|random| random.u64(..1500));
            world.sleep(Duration::from_millis(wait));
            let order = self.order(world, order);
            self.look_everywhere(&order);
            if world.random(|random| random.u32(..3)) == 0 {
                let decided = self.watch(world, &order);
                self.look_everywhere(&decided);
            }
        }
    }

    fn introduce(&self, world: &World, id: &CustomerId) {
        let level = world
            .random(|random| [Level::Platinum, Level::Gold, Level::Silver, Level::Bronze][random.usize(..4)]);
        let customer = Customer {
            id: id.clone(),
            name: "Somebody".to_owned(),
            email: "somebody@example.com".to_owned(),
            level,
        };
        self.ask(world, Service::Email, &format!("customer {id}"), |front| {
            world.wait_for(front.commands.send(&CUSTOMERS, id, &customer), PATIENCE)?.ok()
        });
        self.told().customers.insert(id.clone(), level);
    }

    /// Posts an order, now and then more than once, or another one under the same id.
    fn order(&self, world: &World, order: NewOrder) -> Order {
        let shown = self.post(world, &order);
        assert!(shown.has_content(&order), "{} was made as {shown:?}", order.id);
        {
            let mut told = self.told();
            told.orders.insert(order.id.clone(), order.clone());
            told.answers.push(shown.clone());
        }
        if world.random(|random| random.u32(..6)) == 0 {
            let again = self.post(world, &order);
            self.note_progress(&shown, again);
        }
        if world.random(|random| random.u32(..6)) == 0 {
            let other = NewOrder { lines: vec![line(0, 999, 1)], ..order };
            let conflict = self.post(world, &other);
            assert!(!conflict.has_content(&other), "{} was replaced", other.id);
            self.note_progress(&shown, conflict);
        }
        shown
    }

    fn post(&self, world: &World, order: &NewOrder) -> Order {
        self.ask(world, Service::Orders, &format!("order {}", order.id), |front| {
            let Side::Orders(view) = front.at else { return None };
            let create = async {
                if !front.queries.serves(front.queries.partition_of(&order.id)) {
                    return None;
                }
                let request = OrderRequest::Create { order: order.clone(), requested_at: now(world) };
                let written = front.commands.send(&ORDER_REQUESTS, &order.id, &request).await.ok()?;
                let committed = front.queries.committed(&ORDER_REQUESTS, written.partition, written.offset);
                committed.await.ok()?;
                let shown = front.queries.get(&view, &order.id).ok()?;
                Some(shown.unwrap_or_else(|| panic!("{} is not in the view after it was made", order.id)))
            };
            world.wait_for(create, PATIENCE).flatten()
        })
    }

    /// Waits for the final state, wherever it is asked for.
    fn watch(&self, world: &World, shown: &Order) -> Order {
        let decided = self.ask(world, Service::Orders, &format!("the state of {}", shown.id), |front| {
            let Side::Orders(view) = front.at else { return None };
            world.wait_for(validated(front, &view, &shown.id), PATIENCE).flatten()
        });
        self.note_progress(shown, decided.clone());
        decided
    }

    /// Whoever answers now knows what was shown before, also one that has slept.
    fn look_everywhere(&self, shown: &Order) {
        for front in self.fleet.fronts(Service::Orders) {
            let Side::Orders(view) = front.at else { continue };
            if let Ok(found) = front.queries.get(&view, &shown.id) {
                let found = found.unwrap_or_else(|| panic!("{} was shown and is gone", shown.id));
                self.note_progress(shown, found);
            }
        }
    }

    /// What is shown later is never older.
    fn note_progress(&self, before: &Order, now: Order) {
        assert!(
            (now.attempt, now.version) >= (before.attempt, before.version),
            "{} was shown as {before:?} and later as {now:?}",
            now.id
        );
        self.told().answers.push(now);
    }
}

/// The order in its final state; none when it is not served here.
async fn validated(front: &Front, view: &Store<OrderId, Order>, id: &OrderId) -> Option<Order> {
    loop {
        let mut watcher = front.queries.watch(view, id);
        let mut is_here = true;
        while is_here {
            match front.queries.get(view, id).ok()? {
                Some(order) if order.state.is_final() => return Some(order),
                Some(_) => is_here = watcher.changed().await,
                None => panic!("{id} was accepted and is gone"),
            }
        }
    }
}

fn new_order(world: &World, customer: &CustomerId, id: &str, products: usize) -> NewOrder {
    world.random(|random| {
        let lines = (0..random.usize(..=3))
            .map(|_| {
                let quantity = if random.u32(..12) == 0 { random.i64(-2..=0) } else { random.i64(1..6) };
                let price =
                    if random.u32(..4) == 0 { random.i64(10_000..90_000) } else { random.i64(1..3000) };
                line(random.usize(..products), quantity, price)
            })
            .collect();
        NewOrder {
            id: id.parse().expect("an id"),
            customer_id: customer.clone(),
            currency: Currency::EUR,
            lines,
        }
    })
}

fn line(product: usize, quantity: i64, unit_price: i64) -> OrderLine {
    OrderLine { product_id: product_id(product), quantity, unit_price }
}

pub(super) fn product_id(number: usize) -> ProductId {
    format!("p-{number}").parse().expect("an id")
}

fn customer_id(number: usize) -> CustomerId {
    format!("c-{number}").parse().expect("an id")
}

fn now(world: &World) -> Timestamp {
    timestamp_from_millis(world.now().as_millis())
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}
