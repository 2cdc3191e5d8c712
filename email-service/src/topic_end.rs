//! How far a topic reaches: Kafka is asked one question at a time, however many want to know.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use service::Problem;
use streams::{ClientError, Reader, TopicPartition, Watermarks};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

/// Asks how far a topic reaches. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TopicEnd {
    /// How many have wanted to know.
    asked: Arc<AtomicU64>,
    turn: Arc<Mutex<Turn>>,
}

/// Who has it may ask.
struct Turn {
    reader: Box<dyn Reader>,
    partitions: Vec<TopicPartition>,
    /// What Kafka told last, and how many wanted to know before it was asked for that.
    told: Result<Vec<Watermarks>, ClientError>,
    told_to: u64,
}

impl TopicEnd {
    /// Asks by `reader`, for all partitions of the topic at once.
    pub(crate) fn new(topic: &str, partitions: i32, reader: Box<dyn Reader>) -> Self {
        let partitions = (0..partitions).map(|number| TopicPartition::new(topic, number)).collect();
        let turn = Turn { reader, partitions, told: Ok(Vec::new()), told_to: 0 };
        Self { asked: Arc::default(), turn: Arc::new(Mutex::new(turn)) }
    }

    /// The offset that the next record of a partition gets, as of a moment after this call.
    ///
    /// # Errors
    ///
    /// 503: Kafka does not tell.
    pub(crate) async fn now(&self, partition: i32) -> Result<i64, Problem> {
        let question = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut turn = self.turn.clone().lock_owned().await;
        if turn.told_to < question {
            // All who wait for their turn by now are told the same.
            let asked = self.asked.load(Ordering::SeqCst);
            let answered = spawn_blocking(move || {
                let Turn { reader, partitions, .. } = &mut *turn;
                turn.told = reader.watermarks(partitions);
                turn.told_to = asked;
                turn
            });
            turn = answered.await.map_err(|error| not_told(&error))?;
        }
        let ends = turn.told.as_ref().map_err(|error| not_told(error))?;
        let end = usize::try_from(partition).ok().and_then(|partition| ends.get(partition));
        end.map(|end| end.high).ok_or_else(|| not_told(&"there is no such partition"))
    }
}

fn not_told(why: &dyn std::fmt::Display) -> Problem {
    tracing::warn!(%why, "Kafka does not tell how far a topic reaches");
    Problem::unavailable("Kafka does not tell at the moment what there is to be read")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::future::join_all;
    use streams::{ConsumerRecord, ErrorKind};

    use super::*;

    /// Each answer is one more; the third fails.
    struct Counting(i64);

    impl Reader for Counting {
        fn watermarks(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Watermarks>, ClientError> {
            self.0 += 1;
            let high = |place: &TopicPartition| self.0 * 10 + i64::from(place.partition);
            let ends = partitions.iter().map(|place| Watermarks { low: 0, high: high(place) });
            (self.0 != 3).then(|| ends.collect()).ok_or_else(|| ClientError {
                kind: ErrorKind::Retriable,
                attempted: "ask".into(),
                reason: "nobody is there".into(),
            })
        }

        fn committed(&mut self, _: &[TopicPartition]) -> Result<Vec<Option<i64>>, ClientError> {
            unreachable!("only ends are asked for")
        }

        fn last_stable_offsets(&mut self, _: &[TopicPartition]) -> Result<Vec<i64>, ClientError> {
            unreachable!("only ends are asked for")
        }

        fn assign(&mut self, _: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
            unreachable!("only ends are asked for")
        }

        fn poll(&mut self, _: Duration) -> Result<Option<ConsumerRecord>, ClientError> {
            unreachable!("only ends are asked for")
        }

        fn position(&mut self, _: &TopicPartition) -> Result<Option<i64>, ClientError> {
            unreachable!("only ends are asked for")
        }
    }

    #[tokio::test]
    async fn one_answer_is_for_all_who_asked_before_its_question() {
        let end = TopicEnd::new("customers", 4, Box::new(Counting(0)));
        let told = join_all((0..100).map(|_| end.now(3))).await;
        let told: Vec<i64> = told.into_iter().map(Result::unwrap).collect();
        assert_eq!(told[0], 13);
        // While the first question was under way the others came: its answer may be too old for them.
        assert_eq!(told[1..], [23; 99]);
        end.now(0).await.unwrap_err();
        assert_eq!(end.now(0).await.unwrap(), 40);
        end.now(4).await.unwrap_err();
    }
}
