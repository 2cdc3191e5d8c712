//! The broker and its life.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use crate::class_archive::ClassArchive;
use crate::config::Config;
use crate::data_dir::{self, DataDir};
use crate::error::{SignalError, StartError};
use crate::java::Java;
use crate::process::{self, BoundChild};
use crate::readiness::Probe;
use crate::{jars, ports, settings};

pub(crate) const BROKER: &str = "kafka.Kafka";
const STORAGE_TOOL: &str = "kafka.tools.StorageTool";

/// For a broker that shares a small machine with its clients. Against Java's defaults the simple
/// collector and compiler take 40 % of the memory and half of the CPU off a broker in its first
/// minutes and a third off a transaction for good; only a long burst costs more CPU, by 10 %. With
/// room for so many young objects one collection at most takes place while clients start on a fresh
/// broker: that takes a tenth off the time until they are ready. In large pages, where the system
/// has them, the heap takes an eighth off the broker's CPU in a burst.
const JVM: [&str; 7] = [
    "-Xms256m",
    "-Xmx512m",
    "-Xmn160m",
    "-XX:+UseTransparentHugePages",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
];

/// A Kafka broker that this process owns. Dropping it kills the broker.
///
/// Its functions block the thread that calls them: async code goes through `spawn_blocking`.
#[derive(Debug)]
pub struct LocalKafka {
    /// Before the data directory: the broker must be gone when that is deleted.
    broker: Option<BoundChild>,
    config: Config,
    java: Java,
    class_path: PathBuf,
    archive: ClassArchive,
    cluster_id: String,
    port: u16,
    data_dir: DataDir,
}

impl LocalKafka {
    /// Starts a broker and waits until it answers; the first start on a machine fetches Kafka.
    ///
    /// # Errors
    ///
    /// Java, Maven or `setpriv` missing, a failed fetch, a data directory or port in use, a broker
    /// that ends early or does not answer in time. Nothing runs then.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let java = Java::find(&config.java)?;
        let (jars, archive) = match &config.kafka_home {
            Some(home) => (jars::installed(home)?, ClassArchive::None),
            None => {
                let jars = jars::cached(&config.cache_dir, &config.maven)?;
                let archive = ClassArchive::prepared(&config, &java, &jars);
                (jars, archive)
            }
        };
        Self::start_with(config, java, &jars, archive)
    }

    pub(crate) fn start_with(
        config: Config,
        java: Java,
        jars: &Path,
        archive: ClassArchive,
    ) -> Result<Self, StartError> {
        let data_dir = DataDir::open(config.data_dir.as_deref())?;
        let mut kafka = Self {
            broker: None,
            cluster_id: String::new(),
            port: config.port.unwrap_or_default(),
            config,
            java,
            // Java expands this wildcard to all jars of the folder.
            class_path: jars.join("*"),
            archive,
            data_dir,
        };
        kafka.launch(kafka.config.port)?;
        Ok(kafka)
    }

    /// Stops the broker if it runs, and starts it again with the same data on the same port.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start). Nothing runs then, and it can be tried again.
    pub fn restart(&mut self) -> Result<(), StartError> {
        if let Err(error) = self.stop() {
            tracing::debug!(%error, "restarting Kafka that did not stop in an orderly way");
        }
        self.launch(Some(self.port))
    }

    /// Asks the broker for a controlled shutdown and waits for its end.
    ///
    /// # Errors
    ///
    /// [`SignalError::Killed`] when it did not end in time; it has ended then, too.
    pub fn stop(&mut self) -> Result<(), SignalError> {
        self.stop_within(self.config.stop_timeout)
    }

    /// The same with another limit than [`Config::stop_timeout`].
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop).
    pub fn stop_within(&mut self, timeout: Duration) -> Result<(), SignalError> {
        let mut broker = self.take_running()?;
        // A paused broker gets the first signal when it has the second.
        send(&broker, "TERM")?;
        send(&broker, "CONT")?;
        match broker.wait_for(timeout) {
            Ok(Some(_)) => Ok(()),
            _ => Err(SignalError::Killed { timeout }),
        }
    }

    /// Kills the broker with SIGKILL, as a crash would.
    ///
    /// # Errors
    ///
    /// [`SignalError::NotRunning`], or the operating system refuses.
    pub fn kill(&mut self) -> Result<(), SignalError> {
        let mut broker = self.take_running()?;
        broker.kill().map(drop).map_err(failed_signal(&broker, "KILL"))
    }

    /// Stops the broker's time with SIGSTOP: connections stay and nobody answers.
    ///
    /// # Errors
    ///
    /// [`SignalError::NotRunning`], or the operating system refuses.
    pub fn pause(&mut self) -> Result<(), SignalError> {
        send(self.running()?, "STOP")
    }

    /// Lets a paused broker go on.
    ///
    /// # Errors
    ///
    /// [`SignalError::NotRunning`], or the operating system refuses.
    pub fn resume(&mut self) -> Result<(), SignalError> {
        send(self.running()?, "CONT")
    }

    /// How the broker ended, or `None` while it runs. Also `None` after [`stop`](Self::stop) and
    /// [`kill`](Self::kill): this tells of an end that nobody here asked for.
    ///
    /// # Errors
    ///
    /// The operating system refuses to tell.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.broker.as_mut().map_or(Ok(None), BoundChild::try_wait)
    }

    /// Whether the broker's process is there. A supervisor restarts one that is not.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.running().is_ok()
    }

    /// Where clients find the broker: `127.0.0.1:port`. It stays the same over a restart.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The broker's process, if one was started and not stopped.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.broker.as_ref().map(BoundChild::pid)
    }

    /// The id of the cluster. It lives in the data directory.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Where the broker keeps its data.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.data_dir.path()
    }

    /// What the broker has logged since its last start: warnings and errors.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.data_dir.log()
    }

    /// Launches on the port that is asked for, or on one that the operating system chooses. A port
    /// that it gave, the broker's or the controller's, can be gone when the broker listens.
    fn launch(&mut self, port: Option<u16>) -> Result<(), StartError> {
        const ATTEMPTS: usize = 5;
        const PATIENCE: Duration = Duration::from_secs(2);
        let mut attempt = 1;
        loop {
            self.port = match port {
                Some(port) if ports::becomes_free(port, PATIENCE) => port,
                Some(port) => return Err(StartError::PortTaken { port }),
                None => free_port()?,
            };
            match self.launch_once() {
                Err(StartError::PortTaken { port }) if attempt < ATTEMPTS => {
                    tracing::debug!(port, "somebody else took a free port first; trying again");
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    fn launch_once(&mut self) -> Result<(), StartError> {
        self.data_dir.write_settings(&settings::server_properties(
            self.port,
            free_port()?,
            &self.data_dir.records(),
            &self.config.settings,
        ))?;
        self.cluster_id = match self.data_dir.cluster_id()? {
            Some(cluster_id) => cluster_id,
            None => self.format()?,
        };
        let probe = Probe::new(&self.bootstrap_servers(), &self.cluster_id)?;
        let broker = self.spawn()?;
        self.broker = Some(self.await_ready(broker, &probe)?);
        Ok(())
    }

    fn format(&self) -> Result<String, StartError> {
        let cluster_id = data_dir::new_cluster_id();
        let mut tool = self.java_command(STORAGE_TOOL);
        tool.args(["format", "-t", &cluster_id, "-c"]).arg(self.data_dir.server_properties());
        let (status, output) = process::run(&mut tool).map_err(setpriv_missing)?;
        if !status.success() {
            return Err(StartError::FormatFailed {
                data_dir: self.data_dir.path().to_owned(),
                status,
                output,
            });
        }
        Ok(cluster_id)
    }

    fn spawn(&self) -> Result<BoundChild, StartError> {
        let log = self.data_dir.new_log()?;
        let both = log.try_clone().map_err(StartError::io("open", self.data_dir.log()))?;
        let mut kafka = self.java_command(BROKER);
        kafka
            .arg(self.data_dir.server_properties())
            .stdin(self.data_dir.share_lock()?)
            .stdout(log)
            .stderr(both);
        BoundChild::spawn(kafka).map_err(setpriv_missing)
    }

    fn java_command(&self, class: &str) -> Command {
        let mut java = process::bound_command(&self.java.executable);
        java.args(self.archive.argument(class))
            .args(JVM)
            .arg(format!("-Dlog4j2.configurationFile={}", self.data_dir.log4j2().display()))
            .arg("-cp")
            .arg(&self.class_path)
            .arg(class);
        java
    }

    fn await_ready(&self, mut broker: BoundChild, probe: &Probe) -> Result<BoundChild, StartError> {
        const STEP: Duration = Duration::from_millis(100);
        let timeout = self.config.start_timeout;
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) =
                broker.try_wait().map_err(StartError::io("wait for", &self.java.executable))?
            {
                return Err(self.explain(status));
            }
            if probe.is_ready(STEP) {
                return Ok(broker);
            }
            if Instant::now() >= deadline {
                return Err(StartError::Unresponsive {
                    port: self.port,
                    timeout,
                    log: self.data_dir.log(),
                    log_tail: self.data_dir.log_tail(),
                });
            }
            // An answer that is not the one we wait for comes at once.
            thread::sleep(STEP / 10);
        }
    }

    fn explain(&self, status: ExitStatus) -> StartError {
        let log_tail = self.data_dir.log_tail();
        if log_tail.contains("Address already in use") {
            return StartError::PortTaken { port: self.port };
        }
        StartError::Exited { status, log: self.data_dir.log(), log_tail }
    }

    fn running(&mut self) -> Result<&mut BoundChild, SignalError> {
        if !matches!(self.try_wait(), Ok(None)) {
            self.broker = None;
        }
        self.broker.as_mut().ok_or(SignalError::NotRunning)
    }

    fn take_running(&mut self) -> Result<BoundChild, SignalError> {
        self.running()?;
        self.broker.take().ok_or(SignalError::NotRunning)
    }
}

fn send(broker: &BoundChild, signal: &'static str) -> Result<(), SignalError> {
    broker.signal(signal).map_err(failed_signal(broker, signal))
}

fn failed_signal(broker: &BoundChild, signal: &'static str) -> impl FnOnce(io::Error) -> SignalError {
    let pid = broker.pid();
    move |source| SignalError::Failed { signal, pid, source }
}

fn free_port() -> Result<u16, StartError> {
    ports::free().map_err(StartError::io("get a port on", "127.0.0.1"))
}

fn setpriv_missing(source: io::Error) -> StartError {
    StartError::SetprivMissing { source }
}
