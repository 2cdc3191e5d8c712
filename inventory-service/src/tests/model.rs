//! Anything, in any order, against a model that is too simple to be wrong.

use std::collections::BTreeMap;

use domain::{Order, OrderState};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::warehouse::{Warehouse, order, text};
use crate::adjustment::AdjustmentOutcome;

const PRODUCTS: [&str; 3] = ["p-0", "p-1", "p-2"];

#[derive(Debug, Clone)]
enum Op {
    /// The order with this number comes in this state.
    Order {
        number: usize,
        attempt: u32,
        state: OrderState,
        times: usize,
    },
    /// Some of the few ids, so that they come again, with this or another quantity.
    Adjust {
        product: usize,
        id: usize,
        quantity: i64,
    },
    Restart,
}

type Lines = Vec<(usize, i64)>;
/// Product, order, attempt.
type Row = (usize, usize, u32);

/// The inventory as one would write it down.
#[derive(Default)]
struct Model {
    put_in: BTreeMap<usize, i64>,
    confirmed: BTreeMap<usize, i64>,
    adjusted: BTreeMap<(usize, usize), bool>,
    /// What the products answered: pieces reserved, or none where there were not enough.
    rows: BTreeMap<Row, Option<i64>>,
    /// The last attempt of an order that is over.
    over: BTreeMap<usize, u32>,
}

impl Model {
    fn on_hand(&self, product: usize) -> i64 {
        self.put_in.get(&product).unwrap_or(&0) - self.confirmed.get(&product).unwrap_or(&0)
    }

    fn reserved(&self, product: usize) -> i64 {
        self.rows.iter().filter(|((of, ..), _)| *of == product).filter_map(|(_, quantity)| *quantity).sum()
    }

    fn adjust(&mut self, product: usize, id: usize, quantity: i64) -> bool {
        if let Some(before) = self.adjusted.get(&(product, id)) {
            return *before;
        }
        let fits = self.on_hand(product) + quantity >= self.reserved(product);
        if fits {
            *self.put_in.entry(product).or_default() += quantity;
        }
        self.adjusted.insert((product, id), fits);
        fits
    }

    /// What is asked of each product; none where nothing may be reserved.
    fn demand(lines: &Lines) -> Option<BTreeMap<usize, i64>> {
        let mut demand = BTreeMap::new();
        for (product, quantity) in lines {
            *demand.entry(*product).or_default() += quantity;
        }
        lines.iter().all(|(_, quantity)| *quantity > 0).then_some(demand)
    }

    /// Whether the order passes, if it is judged.
    fn order(&mut self, number: usize, lines: &Lines, attempt: u32, state: OrderState) -> Option<bool> {
        let Some(demand) = Self::demand(lines) else {
            return (state == OrderState::Created).then_some(false);
        };
        if demand.is_empty() {
            return (state == OrderState::Created).then_some(true);
        }
        let over = self.over.entry(number).or_default();
        if attempt <= *over {
            return None;
        }
        *over = if state.is_final() { attempt } else { attempt - 1 };
        self.rows.retain(|(_, of, row), _| *of != number || *row >= attempt);
        if state.is_final() {
            self.end(number, state);
            return None;
        }
        let mut all = true;
        for (product, asked) in demand {
            let available = self.on_hand(product) - self.reserved(product);
            let row = self.rows.entry((product, number, attempt));
            all &= row.or_insert((asked <= available).then_some(asked)).is_some();
        }
        Some(all)
    }

    fn end(&mut self, number: usize, state: OrderState) {
        for ((product, ..), quantity) in self.rows.extract_if(.., |(_, of, _), _| *of == number) {
            if state == OrderState::Validated {
                *self.confirmed.entry(product).or_default() += quantity.unwrap_or_default();
            }
        }
    }

    fn reservations(&self) -> BTreeMap<String, i64> {
        let rows = self.rows.iter().filter_map(|(row, quantity)| Some((row, (*quantity)?)));
        rows.map(|((product, number, attempt), quantity)| {
            (format!("{}/o-{number}/{attempt:010}", PRODUCTS[*product]), quantity)
        })
        .collect()
    }
}

fn any_lines() -> impl Strategy<Value = Lines> {
    let quantity = prop_oneof![20 => 1..6_i64, 1 => -1..1_i64];
    vec((0..PRODUCTS.len(), quantity), 0..4)
}

fn any_op(orders: usize) -> impl Strategy<Value = Op> {
    let state =
        select(vec![OrderState::Created, OrderState::Created, OrderState::Validated, OrderState::Failed]);
    let attempt = prop_oneof![4 => Just(1_u32), 1 => 2..4_u32];
    let order = (0..orders, attempt, state, 1..3_usize)
        .prop_map(|(number, attempt, state, times)| Op::Order { number, attempt, state, times });
    let adjust = (0..PRODUCTS.len(), 0..6_usize, -6..16_i64).prop_map(|(product, id, quantity)| Op::Adjust {
        product,
        id,
        quantity,
    });
    prop_oneof![6 => order, 3 => adjust, 1 => Just(Op::Restart)]
}

fn any_history() -> impl Strategy<Value = (Vec<Lines>, Vec<Op>)> {
    vec(any_lines(), 1..8).prop_flat_map(|orders| {
        let ops = vec(any_op(orders.len()), 0..60);
        (Just(orders), ops)
    })
}

proptest! {
    #[test]
    fn the_stock_is_what_the_model_says((orders, ops) in any_history(), partitions in select(vec![1, 4])) {
        let mut warehouse = Warehouse::new(partitions);
        let mut model = Model::default();
        let mut verdicts = BTreeMap::new();
        for op in ops {
            match op {
                Op::Order { number, attempt, state, times } => {
                    let lines: Vec<_> = orders[number].iter().map(|(p, quantity)| (PRODUCTS[*p], *quantity)).collect();
                    let order = Order { attempt, state, ..order(&format!("o-{number}"), &lines) };
                    for _ in 0..times {
                        warehouse.pipe(&order);
                        let expected = model.order(number, &orders[number], attempt, state);
                        let found = warehouse.read_verdicts();
                        let passed: Vec<_> = found.iter().map(|verdict| text(verdict) == "PASS").collect();
                        prop_assert_eq!(passed, Vec::from_iter(expected), "{:?}", order);
                        for verdict in found {
                            // The same question always gets the same answer.
                            let first = verdicts.entry((number, verdict.attempt)).or_insert(text(&verdict));
                            prop_assert_eq!(&*first, &text(&verdict));
                        }
                    }
                }
                Op::Adjust { product, id, quantity } => {
                    let name = format!("a-{id}");
                    warehouse.adjust(PRODUCTS[product], &name, quantity);
                    let found = warehouse.adjustment(PRODUCTS[product], &name);
                    let applied = matches!(found, Some(AdjustmentOutcome::Applied { .. }));
                    prop_assert_eq!(applied, model.adjust(product, id, quantity));
                }
                Op::Restart => warehouse.driver.restart(),
            }
            for (index, product) in PRODUCTS.iter().enumerate() {
                let stock = warehouse.stock(product).unwrap_or_default();
                prop_assert_eq!(stock.on_hand, model.on_hand(index));
                prop_assert_eq!(stock.reserved, model.reserved(index));
                prop_assert!(stock.available() >= 0);
            }
            let rows = warehouse.reserved().into_iter().map(|(key, quantity)| (key.to_string(), quantity)).collect();
            prop_assert_eq!(model.reservations(), rows);
        }
    }
}
