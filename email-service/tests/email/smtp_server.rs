//! A real mail server as a child process.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use std::{env, thread};

use serde_json::{Value, json};

/// A mail that the server has accepted.
#[derive(Debug)]
pub(crate) struct ReceivedMail {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) content: String,
    /// The types of its parts, and what Python reads in them.
    pub(crate) parts: Vec<(String, String)>,
    /// The number of the connection it came by.
    pub(crate) connection: u64,
}

/// The server; it ends when this is dropped.
pub(crate) struct SmtpServer {
    settings: Value,
    child: Child,
    lines: Receiver<Value>,
    port: u16,
}

/// What an address is answered before it is accepted: see `smtp_server.py`.
pub(crate) type Replies<'a> = &'a [(&'a str, &'a [&'a str])];

const LONG_ENOUGH: Duration = Duration::from_secs(30);

impl SmtpServer {
    /// A server that answers so to these addresses.
    pub(crate) fn start(replies: Replies) -> Self {
        Self::with(json!({"port": 0, "replies": object(replies), "credentials": null, "utf8": true}))
    }

    /// A server that knows one user.
    pub(crate) fn with_user(user: &str, password: &str) -> Self {
        Self::with(json!({"port": 0, "replies": {}, "credentials": [user, password], "utf8": true}))
    }

    /// A server that knows addresses in ASCII only.
    pub(crate) fn without_utf8() -> Self {
        Self::with(json!({"port": 0, "replies": {}, "credentials": null, "utf8": false}))
    }

    /// Kills it, with everything that it was about to say.
    pub(crate) fn kill(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }

    /// Starts it again after a kill, on the same port.
    pub(crate) fn restart(&mut self) {
        self.settings["port"] = self.port.into();
        *self = Self::with(self.settings.clone());
    }

    /// `smtp://` URL, with what comes between the slashes and the host, and after the port.
    pub(crate) fn url(&self, user: &str, options: &str) -> String {
        format!("smtp://{user}127.0.0.1:{}{options}", self.port)
    }

    /// The next mail that is accepted.
    #[track_caller]
    pub(crate) fn mail(&self) -> ReceivedMail {
        let mail = self.lines.recv_timeout(LONG_ENOUGH).expect("a mail should have been accepted");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        ReceivedMail {
            from: text(&mail["from"]),
            to: mail["to"].as_array().unwrap().iter().map(text).collect(),
            content: text(&mail["content"]),
            parts: serde_json::from_value(mail["parts"].clone()).unwrap(),
            connection: mail["connection"].as_u64().unwrap(),
        }
    }

    /// Ends the server: no mails were accepted besides those that were taken.
    #[track_caller]
    pub(crate) fn check_no_more(mut self) {
        self.kill();
        let rest: Vec<Value> = self.lines.iter().collect();
        assert!(rest.is_empty(), "{rest:?}");
    }

    fn with(settings: Value) -> Self {
        let python = env::var("SMTP_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/email/smtp_server.py");
        let mut child = Command::new(&python)
            .args([script, &settings.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {python:?} (set SMTP_PYTHON): {error}"));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = channel();
        thread::spawn(move || {
            let lines = stdout.lines().map_while(Result::ok);
            lines.map_while(|line| serde_json::from_str(&line).ok()).try_for_each(|line| tell.send(line))
        });
        let mut server = Self { settings, child, lines, port: 0 };
        server.port = server.read_port(&python);
        server
    }

    fn read_port(&mut self, python: &str) -> u16 {
        match self.lines.recv_timeout(LONG_ENOUGH) {
            Ok(first) => first["port"].as_u64().unwrap().try_into().unwrap(),
            Err(RecvTimeoutError::Timeout) => panic!("the mail server of {python:?} takes too long to start"),
            Err(RecvTimeoutError::Disconnected) => {
                panic!("the mail server does not start: {python:?} (SMTP_PYTHON) needs the package aiosmtpd")
            }
        }
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn object(replies: Replies) -> Value {
    replies.iter().map(|(address, replies)| ((*address).to_owned(), json!(replies))).collect()
}
