//! A process under test.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::PATIENCE;

/// A process that is killed when it is dropped. What it says goes to a file, which is shown when the test fails.
pub struct Process {
    name: String,
    child: Child,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Process {
    /// Starts `command`. Its output, both streams, is written to `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let (sender, lines) = channel();
        let outputs: [Box<dyn std::io::Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("it is piped")),
            Box::new(child.stderr.take().expect("it is piped")),
        ];
        for output in outputs {
            let sender = sender.clone();
            let mut file = File::options().create(true).append(true).open(log).expect("a log file");
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    drop(writeln!(file, "{line}"));
                    drop(sender.send(line));
                }
            });
        }
        Self { name: name.to_string(), child, lines, log: log.to_owned() }
    }

    /// Waits for a line that contains `text`, and returns it. Lines before it are passed over.
    pub fn await_line(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => panic!("{} never said {text:?}", self.name),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("{} has ended without saying {text:?}", self.name)
                }
            }
        }
    }

    /// Waits for its end.
    pub fn await_end(&mut self) -> ExitStatus {
        self.await_end_for(PATIENCE)
    }

    /// Waits for its end, for this long.
    pub fn await_end_for(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().expect("the process can be asked") {
                return status;
            }
            assert!(Instant::now() < deadline, "{} does not end", self.name);
            // The operating system tells of a child's end only to who waits without a limit.
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal by its name: `TERM`, `STOP`, `CONT`, `KILL`.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{signal}"), &pid]).status().expect("kill runs");
        assert!(status.success(), "{} cannot be sent {signal}", self.name);
    }

    /// Ends it as a crash would, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process can be awaited");
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(&mut self) {
        self.signal("TERM");
        let status = self.await_end();
        assert!(status.success(), "{} ends with {status}", self.name);
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("---- {} said ----\n{}", self.name, self.said());
        }
    }
}
