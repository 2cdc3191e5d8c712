//! Long polls: what it costs to have many, and how soon they are all answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::lean_poll::{LeanPoll, LeanPolls};
use crate::bench::final_states::FinalStates;
use crate::bench::latency::LatencyMillis;
use crate::bench::orders::Orders;
use crate::bench::progress;
use crate::bench::rig::Rig;
use crate::bench::watch::Watch;

/// Polls that waited for orders that were not there yet.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Waiters {
    pub(super) waiters: usize,
    /// How many orders they waited for.
    pub(super) orders: usize,
    /// How many were answered with their order's final state.
    pub(super) answered: usize,
    /// From when an order's final state was seen on `orders` to each answer.
    pub(super) after_commit_millis: Option<LatencyMillis>,
    /// What the pipeline had more in memory while they waited, for each; less than they take where there is memory
    /// that others have left.
    pub(super) bytes_each: f64,
}

/// All for one order, and each for its own.
pub(super) async fn measure(rig: &Rig, count: usize) -> anyhow::Result<Vec<Waiters>> {
    let mut measured = Vec::new();
    for orders in [1, count].into_iter().filter(|_| count > 0) {
        progress(format_args!("{count} long polls for {orders} orders"));
        measured.push(Waiters::of(rig, count, orders).await?);
    }
    Ok(measured)
}

/// An answer to the poll for the order of a number.
struct Answer {
    order: usize,
    at: Instant,
    result: Result<(), String>,
    /// Closed when all are answered: that costs as much as an answer.
    _connection: Option<LeanPoll>,
}

impl Waiters {
    /// So many polls, for so many orders, which are requested when all polls wait.
    async fn of(rig: &Rig, waiters: usize, orders: usize) -> anyhow::Result<Self> {
        let orders = Arc::new(Orders::new(orders));
        let mut watch = Watch::start(rig.reader()?, rig.partitions(), orders.clone()).await?;
        let before = rig.pipeline().memory()?.resident;
        let mut polls = start(LeanPolls::new(&rig.under_test.url)?, &orders, waiters);
        let during = settled_memory(rig).await?;

        rig.producer.write(orders.clone(), None).await?;
        watch.complete().await;
        let mut answers = Vec::with_capacity(waiters);
        while let Some(answer) = polls.join_next().await {
            answers.push(answer?);
        }
        let states = watch.end().await?;
        if let Some(error) = answers.iter().find_map(|answer| answer.result.as_ref().err()) {
            progress(format_args!("a long poll was answered {error}"));
        }
        Ok(Self {
            waiters,
            orders: orders.count(),
            answered: answers.iter().filter(|answer| answer.result.is_ok()).count(),
            after_commit_millis: LatencyMillis::of(&after_commit(&answers, &states)),
            bytes_each: during.saturating_sub(before) as f64 / waiters as f64,
        })
    }

    /// Every one of them was answered.
    pub(super) fn is_sound(&self) -> bool {
        self.answered == self.waiters
    }
}

fn start(polls: LeanPolls, orders: &Arc<Orders>, waiters: usize) -> JoinSet<Answer> {
    let mut started = JoinSet::new();
    for waiter in 0..waiters {
        let orders = orders.clone();
        started.spawn(async move {
            let order = waiter % orders.count();
            let (result, connection) = match polls.ask(&orders.id(order)).await {
                Ok(mut poll) => (poll.answered().await, Some(poll)),
                Err(error) => (Err(error), None),
            };
            let result = result.map_err(|error| crate::explain(&error));
            Answer { order, at: Instant::now(), result, _connection: connection }
        });
    }
    started
}

/// What the pipeline has in memory when it has stopped growing: nothing tells when the last poll waits.
async fn settled_memory(rig: &Rig) -> anyhow::Result<u64> {
    const QUIET_FOR: Duration = Duration::from_secs(1);
    let mut memory = rig.pipeline().memory()?.resident;
    loop {
        sleep(QUIET_FOR).await;
        let now = rig.pipeline().memory()?.resident;
        if now == memory {
            return Ok(now);
        }
        memory = now;
    }
}

fn after_commit(answers: &[Answer], states: &FinalStates) -> Vec<Duration> {
    let answered = answers.iter().filter(|answer| answer.result.is_ok());
    answered
        .filter_map(|answer| Some(answer.at.saturating_duration_since(states.seen_at(answer.order)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use domain::OrderState;

    use super::*;

    #[test]
    fn an_answer_is_measured_from_the_commit_of_its_order() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut states = FinalStates::new(3);
        states.add(0, OrderState::Validated, at(10));
        states.add(1, OrderState::Validated, at(20));
        let answer = |order, millis, result| Answer { order, at: at(millis), result, _connection: None };
        let answers = [
            answer(0, 15, Ok(())),
            answer(1, 21, Ok(())),
            // Sooner than the bench saw the commit itself.
            answer(1, 18, Ok(())),
            answer(0, 60, Err("504".to_owned())),
            answer(2, 30, Ok(())),
        ];
        assert_eq!(after_commit(&answers, &states), [5, 1, 0].map(Duration::from_millis));
    }
}
