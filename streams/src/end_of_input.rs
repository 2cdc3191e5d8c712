//! Knowing that an input has been read to its end.
//!
//! "Nothing more came before T" is not something that a clock can tell: a task may lag behind its input.
//! So the end is asked for, and only when everything up to it has been processed is it known that all
//! which stood there at the time of the question has been seen.

use crate::Timestamp;

/// The question how far an input reaches, its answer, and whether the reader has got there.
#[derive(Debug, Default)]
pub(crate) struct EndOfInput {
    requested: Option<Timestamp>,
    mark: Option<Mark>,
    reached: Option<Timestamp>,
}

/// The ends of an input's partitions as they were at some moment after `as_of`.
#[derive(Debug)]
struct Mark {
    as_of: Timestamp,
    ends: Vec<i64>,
}

impl EndOfInput {
    /// Asks for the end as of `now`.
    pub(crate) fn request(&mut self, now: Timestamp) {
        self.requested = self.requested.max(Some(now));
    }

    /// The open question, for whoever can ask Kafka. The next one comes when this one's end is reached.
    pub(crate) fn take_request(&mut self) -> Option<Timestamp> {
        if self.mark.is_some() { None } else { self.requested.take() }
    }

    /// Kafka's answer, asked for at or after `as_of`: the high watermarks of the partitions.
    pub(crate) fn answer(&mut self, as_of: Timestamp, ends: Vec<i64>) {
        self.mark = Some(Mark { as_of, ends });
    }

    /// Whether an answer waits for the reader to get there.
    pub(crate) fn is_awaited(&self) -> bool {
        self.mark.is_some()
    }

    /// The reader has processed everything below these positions.
    pub(crate) fn advance(&mut self, positions: &[i64]) {
        let reached =
            |mark: &mut Mark| mark.ends.iter().zip(positions).all(|(end, position)| position >= end);
        if let Some(mark) = self.mark.take_if(reached) {
            self.reached = self.reached.max(Some(mark.as_of));
        }
    }

    /// The latest moment asked for up to which everything has been read.
    pub(crate) fn reached(&self) -> Option<Timestamp> {
        self.reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_reached_when_all_partitions_are() {
        let at = Timestamp::from_millis;
        let mut end = EndOfInput::default();
        assert_eq!(end.take_request(), None);
        end.request(at(10));
        assert_eq!(end.take_request(), Some(at(10)));
        assert_eq!(end.take_request(), None, "one question at a time");
        end.answer(at(10), vec![3, 5]);
        end.request(at(20));
        assert_eq!(end.take_request(), None, "the first answer is still awaited");
        end.advance(&[3, 4]);
        assert_eq!(end.reached(), None);
        end.advance(&[3, 5]);
        assert_eq!(end.reached(), Some(at(10)));
        assert_eq!(end.take_request(), Some(at(20)));
    }
}
