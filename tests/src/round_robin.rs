//! Clients who ask one instance after the other, as behind a load balancer, and look at each answer.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use reqwest::Method;
use serde_json::Value;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::PATIENCE;
use crate::client::{Answer, Client};

/// Asks each of several instances in its turn.
#[derive(Clone)]
pub struct RoundRobin {
    clients: Arc<[Client]>,
    turn: Arc<AtomicUsize>,
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// The answers by status: 200, 201, 503.
    pub answers: [usize; 3],
    /// Requests that nobody took: the instance was away.
    pub refused: usize,
    /// Requests whose connection broke before the answer.
    pub broken: usize,
    /// Answers that should not have been, with what was asked.
    pub wrong: Vec<String>,
    /// The longest time from an order's first POST to its acceptance.
    pub slowest_post: Duration,
}

/// A run that is under way.
pub struct Run {
    decided: watch::Receiver<usize>,
    tally: Arc<Mutex<Tally>>,
    task: JoinHandle<()>,
}

impl RoundRobin {
    /// Asks the instances at these addresses.
    pub fn of(urls: &[String]) -> Self {
        Self { clients: urls.iter().map(|url| Client::new(url)).collect(), turn: Arc::default() }
    }

    /// Posts `count` orders, several at a time, reads each at once, and waits until it is decided: each request at the
    /// next instance, and at the one after it as long as the answer is 503 or none comes.
    pub fn run(
        &self,
        count: usize,
        concurrency: usize,
        order: impl Fn(usize) -> Value + Send + 'static,
    ) -> Run {
        let tally: Arc<Mutex<Tally>> = Arc::default();
        let (progress, decided) = watch::channel(0);
        let task = tokio::spawn({
            let (clients, tally) = (self.clone(), tally.clone());
            async move {
                let orders = futures::stream::iter((0..count).map(order));
                let judge = async |order: Value| {
                    clients.journey(&order, &tally).await;
                    progress.send_modify(|decided| *decided += 1);
                };
                orders.map(judge).buffer_unordered(concurrency).collect::<Vec<()>>().await;
            }
        });
        Run { decided, tally, task }
    }

    /// The order once it is decided, seen from the next instance.
    pub async fn decided(&self, id: &str) -> Value {
        let tally = Mutex::default();
        let path = format!("/v1/orders/{id}/validated?timeout=20000");
        self.ask(Method::GET, &path, None, &tally).await.body
    }

    async fn journey(&self, order: &Value, tally: &Mutex<Tally>) {
        let id = order["id"].as_str().unwrap_or_default();
        let path = format!("/v1/orders/{id}");
        let begun = Instant::now();
        let posted = self.ask(Method::POST, "/v1/orders", Some(order), tally).await;
        let took = begun.elapsed();
        let read = self.ask(Method::GET, &path, None, tally).await;
        let decided = self.ask(Method::GET, &format!("{path}/validated?timeout=20000"), None, tally).await;

        let has = |answer: &Answer, versions: &[u64]| {
            let version = answer.body["version"].as_u64().unwrap_or_default();
            answer.body["id"] == id && answer.body["lines"] == order["lines"] && versions.contains(&version)
        };
        let mut tally = tally.lock().await;
        tally.slowest_post = tally.slowest_post.max(took);
        for (asked, is_right, answer) in [
            ("POST", matches!(posted.status, 200 | 201) && has(&posted, &[1, 2]), &posted),
            // Who was told that the order is there sees it, wherever they ask.
            ("GET", read.status == 200 && has(&read, &[1, 2]), &read),
            ("GET validated", decided.status == 200 && has(&decided, &[2]), &decided),
        ] {
            if !is_right {
                tally.wrong.push(format!("{asked} {id}: {} {}", answer.status, answer.body));
            }
        }
    }

    /// The first answer that is not 503.
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>, tally: &Mutex<Tally>) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let client = &self.clients[turn % self.clients.len()];
            let answer = client.try_send(method.clone(), path, &[], body).await;
            let mut tally = tally.lock().await;
            match &answer {
                Ok(Answer { status: 200, .. }) => tally.answers[0] += 1,
                Ok(Answer { status: 201, .. }) => tally.answers[1] += 1,
                Ok(Answer { status: 503, .. }) => tally.answers[2] += 1,
                Ok(_) => {}
                Err(error) if error.is_connect() => tally.refused += 1,
                Err(_) => tally.broken += 1,
            }
            drop(tally);
            match answer {
                Ok(answer) if answer.status != 503 => return answer,
                answer => assert!(Instant::now() < deadline, "{method} {path} is never answered: {answer:?}"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// Between an answer that is none and the next question.
const RETRY: Duration = Duration::from_millis(50);

impl Run {
    /// Waits until so many orders are decided.
    pub async fn reach(&mut self, count: usize) {
        let reached = self.decided.wait_for(|decided| *decided >= count);
        tokio::time::timeout(PATIENCE, reached).await.expect("orders are decided").expect("the run goes on");
    }

    /// Waits for the end.
    pub async fn finish(self) -> Tally {
        self.task.await.expect("every request is answered");
        self.tally.lock().await.clone()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [ok, created, unavailable] = self.answers;
        write!(
            f,
            "200: {ok}, 201: {created}, 503: {unavailable}, nobody listening: {}, connection broken: {}, \
             slowest POST: {:.1?}, wrong: {} {:?}",
            self.refused,
            self.broken,
            self.slowest_post,
            self.wrong.len(),
            self.wrong
        )
    }
}
