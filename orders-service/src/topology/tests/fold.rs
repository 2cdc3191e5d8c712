//! Whatever comes, the view is what the topic `orders` says.

use std::collections::BTreeMap;

use domain::{Decision, Order, OrderId, OrderState, supersedes};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::scene::{Scene, new_order, outcome};

#[derive(Debug, Clone)]
enum Event {
    Create(&'static str, i64),
    Outcome(&'static str, u32, Decision),
    Poison(&'static str),
    Restart,
    Wait(u64),
}

fn any_event() -> impl Strategy<Value = Event> {
    let order = || select(vec!["a", "b", "c", "d", "e"]);
    let decision = select(vec![Decision::Validated, Decision::Failed]);
    prop_oneof![
        6 => (order(), 1..3_i64).prop_map(|(order, quantity)| Event::Create(order, quantity)),
        6 => (order(), 1..3_u32, decision).prop_map(|(order, attempt, decision)| {
            Event::Outcome(order, attempt, decision)
        }),
        1 => order().prop_map(Event::Poison),
        1 => Just(Event::Restart),
        2 => (1..10_000_u64).prop_map(Event::Wait),
    ]
}

fn happen(scene: &mut Scene, event: &Event) {
    match event {
        Event::Create(order, quantity) => scene.create(new_order(order, *quantity)),
        Event::Outcome(order, attempt, decision) => scene.outcome(&outcome(order, *attempt, *decision)),
        Event::Poison(order) => {
            scene.driver.pipe_bytes("order-requests", Some((*order).into()), Some("?".into()));
        }
        Event::Restart => scene.driver.restart(),
        Event::Wait(millis) => scene.wait(*millis),
    }
}

proptest! {
    #[test]
    fn the_view_is_the_fold_of_its_topic(events in vec(any_event(), 0..60)) {
        let mut scene = Scene::new();
        let mut folded: BTreeMap<OrderId, Order> = BTreeMap::new();
        let mut created = 0;
        for event in &events {
            happen(&mut scene, event);
            for order in scene.orders() {
                let known = folded.get(&order.id);
                prop_assert!(supersedes(known, &order), "{order:?} over {known:?}");
                prop_assert_eq!(known.is_none(), order.state == OrderState::Created);
                prop_assert!(known.is_none_or(|known| known.updated_at <= order.updated_at));
                created += u64::from(known.is_none());
                folded.insert(order.id.clone(), order);
            }
            let view: BTreeMap<_, _> = scene.driver.entries(&scene.view).into_iter().collect();
            prop_assert_eq!(&view, &folded);
        }
        prop_assert_eq!(scene.driver.counted("orders_created"), created);
    }
}
