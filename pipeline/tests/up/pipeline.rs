//! The program under test.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::{Client, Response};
use serde_json::{Value, json};

/// Beyond what anything takes that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A `pipeline up`, killed when it is dropped. Its stderr is shown when the test fails.
pub(crate) struct Up {
    child: Child,
    stdout: Receiver<String>,
    log: PathBuf,
    client: Client,
}

/// A `pipeline up` that has said that it is ready.
pub(crate) struct Ready {
    pub(crate) up: Up,
    pub(crate) url: String,
}

impl Up {
    /// With all that is kept below `directory`.
    pub(crate) fn start(directory: &Path, arguments: &[&str]) -> Self {
        let log = directory.join("log");
        let mut child = command("up")
            // By the environment, where arguments take precedence.
            .env("ORDER_PIPELINE_HTTP", "127.0.0.1:0")
            .env("ORDER_PIPELINE_DATA_DIR", directory.join("data"))
            // What Kubernetes sets where there is a service of the name `kafka`.
            .env("KAFKA_PORT", "tcp://10.96.0.1:9092")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        let (sender, stdout) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, stdout, log, client: client() }
    }

    /// Waits for the line that it is ready.
    pub(crate) fn ready(self) -> Ready {
        let line = self.stdout.recv_timeout(PATIENCE).expect("a line on stdout");
        let url = line.strip_prefix("ready ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Ready { up: self, url }
    }

    /// Waits for its end, which nothing but itself brings about; what it said on stderr.
    pub(crate) fn refused(mut self) -> (ExitStatus, String) {
        let status = self.end();
        assert_eq!(self.stdout.iter().collect::<Vec<_>>(), [""; 0]);
        (status, self.said())
    }

    /// What it has said on stderr so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The process ids of its children: the broker's, if there is one.
    pub(crate) fn children(&self) -> Vec<u32> {
        let parent = format!("PPid:\t{}\n", self.child.id());
        let pids = fs::read_dir("/proc").unwrap().flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| process(*pid).contains(&parent) && is_alive(*pid))
            .collect()
    }

    pub(crate) fn signal(&self, name: &str) {
        send(name, self.child.id());
    }

    pub(crate) fn end(&mut self) -> ExitStatus {
        wait("its end", || self.child.try_wait().unwrap())
    }
}

impl Ready {
    pub(crate) async fn get(&self, path: &str) -> Response {
        self.up.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        self.up.client.post(format!("{}{path}", self.url)).json(body).send().await.unwrap()
    }

    pub(crate) async fn stock(&self, product: &str) -> Value {
        self.get(&format!("/v1/inventory/{product}")).await.json().await.unwrap()
    }

    /// Posts an order of two pieces of p-1 and waits for its final state, which is returned.
    pub(crate) async fn order(&self, id: &str) -> Value {
        let order = json!({
            "id": id,
            "customerId": "c-1",
            "currency": "EUR",
            "lines": [{ "productId": "p-1", "quantity": 2, "unitPrice": "7.90" }],
        });
        assert_eq!(self.post("/v1/orders", &order).await.status(), 201, "{id}");
        let decided = self.get(&format!("/v1/orders/{id}/validated?timeout=60000")).await;
        assert_eq!(decided.status(), 200, "{id}");
        decided.json().await.unwrap()
    }

    /// Runs the command that it prints behind this line, and returns what that prints.
    pub(crate) fn try_next(&self, line: &str) -> String {
        let mut lines = std::iter::from_fn(|| self.up.stdout.recv_timeout(PATIENCE).ok());
        let command = lines.by_ref().skip_while(|printed| printed != line).nth(1).expect("a command");
        let output = Command::new("sh").args(["-c", &command]).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{command}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts a `pipeline simulate` against it.
    pub(crate) fn simulation(&self, arguments: &[&str]) -> Child {
        command("simulate").args(["--url", &self.url]).args(arguments).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// Runs `pipeline simulate` against it, to its end.
    pub(crate) fn simulate(&self, arguments: &[&str]) -> Output {
        self.simulation(arguments).wait_with_output().unwrap()
    }

    /// Stops it as a shell or an init system does. Neither it nor its broker is there afterwards.
    pub(crate) fn stop(mut self, signal: &str) {
        let broker = self.up.children();
        self.up.signal(signal);
        let status = self.up.end();
        assert_eq!(status.code(), Some(0), "{status}");
        assert!(!broker.iter().any(|pid| is_alive(*pid)), "the broker is still there");
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It may have ended, which is as good.
        _ = self.child.kill();
        _ = self.child.wait();
        if thread::panicking() {
            eprintln!("---- stderr ----\n{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

pub(crate) fn client() -> Client {
    service::http_client().build().unwrap()
}

/// `pipeline <name>`.
pub(crate) fn command(name: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipeline"));
    command.arg(name).stdin(Stdio::null());
    command
}

pub(crate) fn send(signal: &str, pid: u32) {
    let status = Command::new("kill").args(["-s", signal, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill -s {signal} {pid}");
}

/// Nobody may be there to collect an orphan's exit status: a zombie is gone for our purposes.
pub(crate) fn is_alive(pid: u32) -> bool {
    let status = process(pid);
    !status.is_empty() && !status.contains("State:\tZ")
}

fn process(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()
}

/// What `look` finds, as soon as it does. For what tells nobody when it happens.
#[track_caller]
pub(crate) fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        thread::sleep(Duration::from_millis(10));
    }
}
