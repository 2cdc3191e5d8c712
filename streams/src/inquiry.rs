//! Asking the group who has what: one question at a time, however many want to know.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::client::GroupMember;

/// The questions, and the last answer.
#[derive(Debug, Default)]
pub(crate) struct Inquiry {
    questions: Mutex<Questions>,
    changed: Condvar,
    /// Up to which question an answer was sought.
    answered: watch::Sender<u64>,
    answer: watch::Sender<Membership>,
}

#[derive(Debug, Default)]
struct Questions {
    asked: u64,
    is_over: bool,
}

/// What the group has told of its members; nothing before it was asked.
pub(crate) type Membership = Arc<[GroupMember]>;

impl Inquiry {
    /// Asks, without waiting for the answer. The number of the question.
    pub(crate) fn ask(&self) -> u64 {
        let mut questions = self.questions();
        questions.asked += 1;
        self.changed.notify_all();
        questions.asked
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
        self.questions().is_over = true;
        self.changed.notify_all();
    }

    /// Answers questions by `read` until the end, with a pause of at least `interval` after each.
    pub(crate) fn serve(&self, interval: Duration, mut read: impl FnMut() -> Option<Vec<GroupMember>>) {
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
            self.pause(interval);
        }
    }

    /// Waits for a question beyond `answered`; the last one, as one answer is for all. None at the end.
    fn next(&self, answered: u64) -> Option<u64> {
        let waits = |questions: &mut Questions| !questions.is_over && questions.asked <= answered;
        let waited = self.changed.wait_while(self.questions(), waits);
        let questions = waited.unwrap_or_else(PoisonError::into_inner);
        (!questions.is_over).then_some(questions.asked)
    }

    fn pause(&self, interval: Duration) {
        drop(self.changed.wait_timeout_while(self.questions(), interval, |questions| !questions.is_over));
    }

    fn questions(&self) -> MutexGuard<'_, Questions> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn one_answer_is_for_all_who_asked_before_it() {
        let inquiry = Arc::new(Inquiry::default());
        let readings = Arc::new(AtomicUsize::new(0));
        let questions: Vec<u64> = (0..1000).map(|_| inquiry.ask()).collect();
        let thread = thread::spawn({
            let (inquiry, readings) = (inquiry.clone(), readings.clone());
            move || {
                inquiry.serve(Duration::from_millis(1), || {
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
