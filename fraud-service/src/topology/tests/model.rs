//! The stores against a list of orders that is gone through from the beginning for each verdict.

use domain::{Order, OrderLine, OrderState, Origin};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::hour::HOUR;

/// 2026-03-01T10:00Z.
const BEGIN: u64 = 1_772_359_200_000;
const LIMIT: i128 = 200_000;

/// All that does not change about an order.
#[derive(Clone, Debug)]
struct Content {
    customer: &'static str,
    currency: Currency,
    created_at: u64,
    lines: Vec<(i64, i64)>,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    order: usize,
    attempt: u32,
    state: OrderState,
}

/// Times around the edges of each other's windows, and some others.
fn any_time() -> impl Strategy<Value = u64> {
    let edge = select(vec![0, 1, 29_999, 59_999, 60_000, 60_001, 120_000]);
    (select(vec![0, HOUR, 2 * HOUR]), edge, prop_oneof![Just(0), 0..2 * HOUR])
        .prop_map(|(hours, edge, more)| BEGIN + hours + edge + more)
}

fn any_lines() -> impl Strategy<Value = Vec<(i64, i64)>> {
    prop_oneof![
        8 => vec((1_i64..3, 1_i64..60_000), 1..3),
        1 => vec((-2_i64..3, -60_000_i64..60_000), 0..3),
        1 => vec((any::<i64>(), any::<i64>()), 0..3),
    ]
}

fn any_content() -> impl Strategy<Value = Content> {
    (select(vec!["c-1", "c-2"]), select(vec![Currency::EUR, Currency::USD]), any_time(), any_lines())
        .prop_map(|(customer, currency, created_at, lines)| Content { customer, currency, created_at, lines })
}

fn any_step(orders: usize) -> impl Strategy<Value = Step> {
    use OrderState::{Created, Failed, Validated};
    (0..orders, prop_oneof![4 => Just(1), 1 => 2..4_u32], select(vec![Created, Created, Failed, Validated]))
        .prop_map(|(order, attempt, state)| Step { order, attempt, state })
}

fn any_story() -> impl Strategy<Value = (Vec<Content>, Vec<Step>)> {
    vec(any_content(), 1..10).prop_flat_map(|orders| {
        let steps = vec(any_step(orders.len()), 1..40);
        (Just(orders), steps)
    })
}

fn order_of(index: usize, content: &Content, step: Step) -> Order {
    let created_at = timestamp_from_millis(content.created_at.try_into().unwrap());
    let line = |(quantity, unit_price): &(i64, i64)| OrderLine {
        product_id: "p".parse().unwrap(),
        quantity: *quantity,
        unit_price: *unit_price,
    };
    Order {
        id: format!("o-{index}").parse().unwrap(),
        customer_id: content.customer.parse().unwrap(),
        currency: content.currency,
        lines: content.lines.iter().map(line).collect(),
        state: step.state,
        attempt: step.attempt,
        version: 1,
        reasons: Vec::new(),
        validations: Vec::new(),
        history: Vec::new(),
        created_at,
        updated_at: created_at,
        origin: Origin { partition: 0, offset: 0 },
    }
}

/// What is known of each order: its attempt, what was said of it, and what it adds.
struct Model<'a> {
    orders: &'a [Content],
    known: Vec<(u32, Option<Expected>, i128)>,
}

impl Model<'_> {
    fn take(&mut self, step: Step) -> Expected {
        let (attempt, said, value) = self.known[step.order];
        match step.state {
            OrderState::Created if step.attempt > attempt => {
                self.known[step.order] = (step.attempt, None, 0);
                let (said, value) = self.judge(step.order);
                self.known[step.order] = (step.attempt, Some(said), value);
                said
            }
            OrderState::Created if step.attempt == attempt => said.unwrap_or(Silent),
            OrderState::Failed if step.attempt > attempt => {
                self.known[step.order] = (step.attempt, None, 0);
                Silent
            }
            OrderState::Failed if step.attempt == attempt => {
                self.known[step.order] = (attempt, said, value.min(0));
                Silent
            }
            _ => Silent,
        }
    }

    fn judge(&self, index: usize) -> (Expected, i128) {
        let Content { customer, currency, created_at, lines } = &self.orders[index];
        let Some(value) = total(lines).filter(|total| *total >= 0) else { return (INVALID, 0) };
        let counted: Vec<(u64, i128)> = std::iter::zip(self.orders, &self.known)
            .filter(|(other, _)| other.customer == *customer && other.currency == *currency)
            .map(|(other, (_, _, value))| (other.created_at, *value))
            .collect();
        // Each hour that the order lies in and that begins with an order.
        let starts = counted.iter().map(|(start, _)| *start).chain([*created_at]);
        let starts = starts.filter(|start| *start <= *created_at && *created_at < start + HOUR);
        let within = |start: u64| -> i128 {
            let within = counted.iter().filter(|(at, _)| start <= *at && *at < start + HOUR);
            within.map(|(_, value)| value).sum()
        };
        let exposure = starts.map(within).max().unwrap();
        if exposure + value >= LIMIT { (super::LIMIT, 0) } else { (Pass, value) }
    }
}

/// In minor units, as long as each step of the addition is an `i64`.
fn total(lines: &[(i64, i64)]) -> Option<i128> {
    let fits = |amount: i128| i64::try_from(amount).is_ok().then_some(amount);
    lines
        .iter()
        .try_fold(0, |sum, (quantity, price)| fits(sum + fits(i128::from(*quantity) * i128::from(*price))?))
}

/// Each verdict, and what counts after it, are those of the model.
fn follow(orders: &[Content], steps: Vec<Step>, partitions: i32) -> Result<(), TestCaseError> {
    let mut fixture = Fixture::new("2000", partitions);
    fixture.wait_until("14:00");
    let mut model = Model { orders, known: vec![(0, None, 0); orders.len()] };
    for (number, step) in steps.into_iter().enumerate() {
        let order = order_of(step.order, &orders[step.order], step);
        let found = Expected::of(&fixture.pipe_order(&order));
        prop_assert_eq!(found, model.take(step), "step {}: {:?}", number, step);
        let counted: i128 = model.known.iter().map(|(_, _, value)| value).sum();
        prop_assert_eq!((fixture.counted(), fixture.in_hours()), (counted, counted));
    }
    Ok(())
}

proptest! {
    #[test]
    fn verdicts_and_hours_are_those_of_a_naive_model((orders, steps) in any_story(), partitions in 1..4) {
        follow(&orders, steps, partitions)?;
    }

    #[test]
    fn what_is_remembered_is_read_back(attempt: u32, value in 0..i64::MAX) {
        for standing in [
            crate::row::Standing::Counted(value),
            crate::row::Standing::TakenOut,
            crate::row::Standing::Refused { code: ReasonCode::LimitExceeded, detail: "\"€\"".into() },
            crate::row::Standing::FailedBefore,
        ] {
            let row = Row { attempt, standing };
            let bytes = streams::encode_value(&row).unwrap();
            prop_assert_eq!(streams::decode_value(&bytes), Ok(row));
        }
    }
}

#[test]
fn the_model_knows_all_results() {
    // Otherwise the property above would prove little.
    let content = |lines: &[(i64, i64)]| Content {
        customer: "c-1",
        currency: Currency::EUR,
        created_at: BEGIN,
        lines: lines.to_vec(),
    };
    let orders = [content(&[(1, 150_000)]), content(&[(1, 50_000)]), content(&[(-1, 1)])];
    let mut model = Model { orders: &orders, known: vec![(0, None, 0); 3] };
    let mut said = |order| model.take(Step { order, attempt: 1, state: OrderState::Created });
    assert_eq!([said(0), said(1), said(2)], [Pass, super::LIMIT, INVALID]);
}
