//! The broker's life ends with its parent's.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// `local-kafka` with a broker below it.
struct Parent(Child);

impl Parent {
    fn start(data_dir: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_local-kafka"))
            .arg("--data-dir")
            .arg(data_dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut servers = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut servers).unwrap();
        assert!(servers.starts_with("127.0.0.1:"), "{servers:?}");
        Self(child)
    }

    fn broker(&self) -> u32 {
        let parent = format!("PPid:\t{}\n", self.0.id());
        fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .find(|pid| status(*pid).contains(&parent))
            .expect("a child of local-kafka")
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_killed_parent_takes_the_broker_with_it() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut parent = Parent::start(data_dir.path());
    let broker = parent.broker();
    assert!(is_alive(broker));

    parent.0.kill().unwrap();
    parent.0.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_alive(broker) {
        assert!(Instant::now() < deadline, "Kafka (pid {broker}) outlived its parent");
        thread::sleep(Duration::from_millis(10));
    }
    // The directory is free for the next one at once.
    Parent::start(data_dir.path());
}

fn status(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()
}

/// Nobody may be there to collect an orphan's exit status: a zombie is gone for our purposes.
fn is_alive(pid: u32) -> bool {
    let status = status(pid);
    !status.is_empty() && !status.contains("State:\tZ")
}
