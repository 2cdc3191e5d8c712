//! What has become of the orders of a run.

use std::time::{Duration, Instant};

use domain::OrderState;

/// The final states that were seen on `orders`.
#[derive(Debug)]
pub(super) struct FinalStates {
    seen: Vec<Option<Seen>>,
    open: usize,
    /// Final states of orders that had one already. An order has one in its life.
    pub(super) duplicates: usize,
}

/// A final state, when it was seen for the first time.
#[derive(Clone, Copy, Debug)]
struct Seen {
    state: OrderState,
    at: Instant,
}

impl FinalStates {
    /// None yet, of so many orders.
    pub(super) fn new(orders: usize) -> Self {
        Self { seen: vec![None; orders], open: orders, duplicates: 0 }
    }

    /// Adds the final state of an order by its number.
    pub(super) fn add(&mut self, number: usize, state: OrderState, at: Instant) {
        match self.seen.get_mut(number) {
            Some(seen @ None) => {
                *seen = Some(Seen { state, at });
                self.open -= 1;
            }
            Some(Some(_)) => self.duplicates += 1,
            None => {}
        }
    }

    /// How many orders have none.
    pub(super) fn missing(&self) -> usize {
        self.open
    }

    pub(super) fn count(&self, state: OrderState) -> usize {
        self.seen.iter().flatten().filter(|seen| seen.state == state).count()
    }

    /// When the final state of an order was seen.
    pub(super) fn seen_at(&self, number: usize) -> Option<Instant> {
        self.seen.get(number).copied().flatten().map(|seen| seen.at)
    }

    /// When the last of them was seen.
    pub(super) fn last_seen_at(&self) -> Option<Instant> {
        self.seen.iter().flatten().map(|seen| seen.at).max()
    }

    /// How long each order that has a final state took from when it was sent.
    pub(super) fn latencies(&self, sent: &[Instant]) -> Vec<Duration> {
        let pairs = self.seen.iter().zip(sent);
        pairs.filter_map(|(seen, sent)| Some(seen.as_ref()?.at.saturating_duration_since(*sent))).collect()
    }
}

/// The state in an order's JSON, if it is a final one. Looked for and not decoded, for the reader is to leave the
/// machine to the pipeline: what stands before the state in our own JSON cannot contain its name.
pub(super) fn final_state(order: &[u8]) -> Option<OrderState> {
    const FIELD: &[u8] = br#""state":""#;
    let at = order.windows(FIELD.len()).position(|window| window == FIELD)?;
    let value = &order[at + FIELD.len()..];
    let states = [(&b"VALIDATED\""[..], OrderState::Validated), (b"FAILED\"", OrderState::Failed)];
    states.into_iter().find_map(|(name, state)| value.starts_with(name).then_some(state))
}

#[cfg(test)]
mod tests {
    use domain::{HistoryEntry, Order, Origin, timestamp_from_millis};

    use super::*;
    use crate::bench::orders::Orders;

    fn json(state: OrderState) -> Vec<u8> {
        let asked = Orders::new(1).order(0);
        let at = timestamp_from_millis(0);
        let order = Order {
            id: asked.id,
            customer_id: asked.customer_id,
            currency: asked.currency,
            lines: asked.lines,
            state,
            attempt: 1,
            version: 2,
            reasons: Vec::new(),
            validations: Vec::new(),
            history: vec![HistoryEntry { state: OrderState::Created, version: 1, at }],
            created_at: at,
            updated_at: at,
            origin: Origin { partition: 0, offset: 0 },
        };
        serde_json::to_vec(&order).unwrap()
    }

    #[test]
    fn final_states_are_found_in_orders() {
        for (order, expected) in [
            (json(OrderState::Created), None),
            (json(OrderState::Validated), Some(OrderState::Validated)),
            (json(OrderState::Failed), Some(OrderState::Failed)),
            (br#"{"state":"FAILEDX"}"#.to_vec(), None),
            (br#"{"state":""#.to_vec(), None),
            (Vec::new(), None),
        ] {
            assert_eq!(final_state(&order), expected, "{}", String::from_utf8_lossy(&order));
        }
    }

    /// What is seen (number, state, milliseconds), and what that comes to for three orders sent at 0, 1 and 2 ms.
    #[track_caller]
    fn check(seen: &[(usize, OrderState, u64)], counts: [usize; 4], latencies: &[u64]) {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut states = FinalStates::new(3);
        for (number, state, millis) in seen {
            states.add(*number, *state, at(*millis));
        }
        let (validated, failed) = (states.count(OrderState::Validated), states.count(OrderState::Failed));
        assert_eq!([validated, failed, states.missing(), states.duplicates], counts, "{seen:?}");
        let expected: Vec<_> = latencies.iter().copied().map(Duration::from_millis).collect();
        assert_eq!(states.latencies(&[at(0), at(1), at(2)]), expected, "{seen:?}");
        let last = seen.iter().map(|(_, _, millis)| at(*millis)).max();
        if states.duplicates == 0 {
            assert_eq!(states.last_seen_at(), last, "{seen:?}");
        }
    }

    #[test]
    fn each_order_counts_once() {
        use OrderState::{Failed, Validated};
        check(&[], [0, 0, 3, 0], &[]);
        check(&[(2, Validated, 12)], [1, 0, 2, 0], &[10]);
        check(&[(2, Failed, 8), (0, Validated, 5), (1, Validated, 7)], [2, 1, 0, 0], &[5, 6, 6]);
        check(&[(0, Validated, 5), (0, Validated, 9)], [1, 0, 2, 1], &[5]);
        check(&[(0, Validated, 5), (0, Failed, 9), (0, Failed, 9)], [1, 0, 2, 2], &[5]);
    }
}
