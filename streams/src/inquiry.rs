//! Asking the group who has what: one question at a time, however many want to know.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::client::GroupMember;
use crate::host::{Host, Signal};

/// The questions, and the last answer.
pub(crate) struct Inquiry {
    asked: AtomicU64,
    is_over: AtomicBool,
    signal: Arc<dyn Signal>,
    /// Up to which question an answer was sought.
    answered: watch::Sender<u64>,
    answer: watch::Sender<Membership>,
}

/// What the group has told of its members; nothing before it was asked.
pub(crate) type Membership = Arc<[GroupMember]>;

impl Inquiry {
    pub(crate) fn new(host: &dyn Host) -> Self {
        Self {
            asked: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            signal: host.signal(),
            answered: watch::Sender::default(),
            answer: watch::Sender::default(),
        }
    }

    /// Asks, without waiting for the answer. The number of the question.
    pub(crate) fn ask(&self) -> u64 {
        let question = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.signal.give();
        question
    }

    /// Returns when the group was asked, with or without success, after the question was.
    pub(crate) async fn answered(&self, question: u64) {
        // The sender lives as long as `self`.
        let _ = self.answered.subscribe().wait_for(|answered| *answered >= question).await;
    }

    /// Changes with what the group tells.
    pub(crate) fn answers(&self) -> watch::Receiver<Membership> {
        self.answer.subscribe()
    }

    /// Nobody will want to know any more.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.signal.give();
    }

    /// Answers questions by `read` until the end, with a pause of at least `interval` after each.
    pub(crate) fn serve(
        &self,
        host: &dyn Host,
        interval: Duration,
        mut read: impl FnMut() -> Option<Vec<GroupMember>>,
    ) {
        let mut answered = 0;
        while let Some(question) = self.next(answered) {
            if let Some(members) = read() {
                let members: Membership = members.into();
                self.answer.send_if_modified(|known| {
                    let is_news = *known != members;
                    *known = members;
                    is_news
                });
            }
            answered = question;
            self.answered.send_replace(question);
            self.pause(host, interval);
        }
    }

    /// Waits for a question beyond `answered`; the last one, as one answer is for all. None at the end.
    fn next(&self, answered: u64) -> Option<u64> {
        loop {
            let seen = self.signal.count();
            let asked = self.asked.load(Ordering::SeqCst);
            match self.is_over() {
                true => return None,
                false if asked > answered => return Some(asked),
                false => self.signal.wait(seen, None),
            }
        }
    }

    fn pause(&self, host: &dyn Host, interval: Duration) {
        let end = host.uptime() + interval;
        loop {
            let seen = self.signal.count();
            let left = end.saturating_sub(host.uptime());
            if left.is_zero() || self.is_over() {
                return;
            }
            self.signal.wait(seen, Some(left));
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;
    use crate::host::Machine;

    #[tokio::test]
    async fn one_answer_is_for_all_who_asked_before_it() {
        let inquiry = Arc::new(Inquiry::new(&Machine::default()));
        let readings = Arc::new(AtomicUsize::new(0));
        let questions: Vec<u64> = (0..1000).map(|_| inquiry.ask()).collect();
        let thread = thread::spawn({
            let (inquiry, readings) = (inquiry.clone(), readings.clone());
            move || {
                inquiry.serve(&Machine::default(), Duration::from_millis(1), || {
                    let number = readings.fetch_add(1, Ordering::Relaxed);
                    let member = GroupMember { client_id: number.to_string(), partitions: Vec::new() };
                    // The second one fails.
                    (number != 1).then(|| vec![member])
                });
            }
        });
        for question in questions {
            inquiry.answered(question).await;
        }
        assert_eq!(readings.load(Ordering::Relaxed), 1);
        inquiry.answered(inquiry.ask()).await;
        assert_eq!(inquiry.answers().borrow()[0].client_id, "0", "what was known stays known");
        inquiry.answered(inquiry.ask()).await;
        assert_eq!(inquiry.answers().borrow()[0].client_id, "2");
        inquiry.end();
        thread.join().unwrap();
    }
}
