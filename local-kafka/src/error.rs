//! What can go wrong, with what was attempted, on what, and why.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use thiserror::Error;

use crate::KAFKA_VERSION;

/// Why Kafka's jars are not there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The installation named by the caller holds no Kafka.
    #[error("no Kafka installation in {}: found no libs/kafka_*.jar", home.display())]
    NotAnInstallation {
        /// The folder that was searched.
        home: PathBuf,
    },
    /// Maven could not be run.
    #[error(
        "cannot run `{}` to fetch Kafka {KAFKA_VERSION}; install Maven (Debian, Ubuntu: apt-get install maven) \
         or point KAFKA_HOME to an existing installation",
        maven.display()
    )]
    MavenMissing {
        /// The command that was tried.
        maven: PathBuf,
        /// Why it did not run.
        source: io::Error,
    },
    /// Maven ran and failed.
    #[error("`{}` could not fetch Kafka {KAFKA_VERSION} ({status}):\n{output}", maven.display())]
    MavenFailed {
        /// The command that was run.
        maven: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What it said last.
        output: String,
    },
    /// Maven said that all is well, and it is not.
    #[error("`{}` ended well but fetched no Kafka {KAFKA_VERSION}", maven.display())]
    NothingFetched {
        /// The command that was run.
        maven: PathBuf,
    },
    /// A file, folder or program could not be used.
    #[error("fetching Kafka {KAFKA_VERSION}: cannot {action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl FetchError {
    /// For `map_err`: adds what was attempted and on what.
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// Why a broker did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The jars are not there.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Java could not be run.
    #[error(
        "cannot run `{}`; Kafka {KAFKA_VERSION} needs Java 17 or newer \
         (Debian, Ubuntu: apt-get install openjdk-17-jre-headless, or a newer one)",
        java.display()
    )]
    JavaMissing {
        /// The command that was tried.
        java: PathBuf,
        /// Why it did not run.
        source: io::Error,
    },
    /// Java is older than Kafka needs.
    #[error("`{}` is Java {version}; Kafka {KAFKA_VERSION} needs 17 or newer", java.display())]
    JavaTooOld {
        /// The command that was asked.
        java: PathBuf,
        /// The version of the Java specification that it implements.
        version: String,
    },
    /// Something ran under Java's name and is not Java.
    #[error("`{}` does not say which Java it is ({status}):\n{output}", java.display())]
    NotJava {
        /// The command that was asked.
        java: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        output: String,
    },
    /// The program that ties the broker's life to this process could not be run.
    #[error(
        "cannot run `setpriv`, which ends the broker with its parent (Debian, Ubuntu: apt-get install util-linux)"
    )]
    SetprivMissing {
        /// Why it did not run.
        source: io::Error,
    },
    /// Another broker uses the data directory.
    #[error("the data directory {} is in use by another local Kafka", data_dir.display())]
    DataDirInUse {
        /// The directory.
        data_dir: PathBuf,
    },
    /// The data directory could not be prepared for Kafka.
    #[error("Kafka's StorageTool could not format {} ({status}):\n{output}", data_dir.display())]
    FormatFailed {
        /// The directory.
        data_dir: PathBuf,
        /// How the tool ended.
        status: ExitStatus,
        /// What it said.
        output: String,
    },
    /// Something else listens on the port.
    #[error("port {port} on 127.0.0.1 is taken")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The broker ended before it answered.
    #[error("Kafka ended while it was starting ({status}); the end of {}:\n{log_tail}", log.display())]
    Exited {
        /// How it ended.
        status: ExitStatus,
        /// Where its log is, as long as the data directory is kept.
        log: PathBuf,
        /// The last lines of the log.
        log_tail: String,
    },
    /// The broker runs but does not answer.
    #[error("Kafka did not answer on 127.0.0.1:{port} within {timeout:?}; the end of {}:\n{log_tail}", log.display())]
    Unresponsive {
        /// The port that was asked.
        port: u16,
        /// How long it was waited for.
        timeout: Duration,
        /// Where the broker's log is, as long as the data directory is kept.
        log: PathBuf,
        /// The last lines of the log.
        log_tail: String,
    },
    /// The client that asks the broker whether it is up could not be made.
    #[error("cannot make a Kafka client to ask the broker whether it is up")]
    Client(#[from] rdkafka::error::KafkaError),
    /// A file, folder, port or process could not be used.
    #[error("starting Kafka: cannot {action} {}", subject.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        subject: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl StartError {
    /// For `map_err`: adds what was attempted and on what.
    pub(crate) fn io(action: &'static str, subject: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let subject = subject.as_ref().to_owned();
        move |source| Self::Io { action, subject, source }
    }
}

/// Why a running broker could not be stopped, paused or resumed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SignalError {
    /// There is no broker to send a signal to.
    #[error("Kafka is not running")]
    NotRunning,
    /// The signal could not be sent, or the end of the broker not be awaited.
    #[error("cannot send {signal} to Kafka (pid {pid})")]
    Failed {
        /// The signal's name, without SIG.
        signal: &'static str,
        /// The broker's process.
        pid: u32,
        /// Why it failed.
        source: io::Error,
    },
    /// The broker did not end in time and was killed.
    #[error("Kafka did not stop within {timeout:?} and was killed")]
    Killed {
        /// How long it was waited for.
        timeout: Duration,
    },
}
