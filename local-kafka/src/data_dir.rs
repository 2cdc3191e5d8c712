//! The directory in which a broker keeps everything: settings, log, records.
//!
//! Whoever holds the lock of the file `lock` owns the directory. The broker holds it too, through
//! its standard input, so a broker that is still dying after its parent keeps the next one out.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;
use uuid::Uuid;

use crate::error::StartError;
use crate::settings;

const TEMPORARY_PREFIX: &str = "local-kafka-";

/// A broker that lost its parent is gone in a moment; another one stays.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// A data directory that is ours.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    lock: File,
    _temporary: Option<TempDir>,
}

impl DataDir {
    /// Takes `path`, or a temporary directory that is deleted with this value.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, StartError> {
        match path {
            Some(path) => {
                fs::create_dir_all(path).map_err(StartError::io("create", path))?;
                let path = path.canonicalize().map_err(StartError::io("resolve", path))?;
                Self::take(path, None, LOCK_PATIENCE)
            }
            None => {
                sweep_abandoned();
                let temporary = tempfile::Builder::new()
                    .prefix(TEMPORARY_PREFIX)
                    .tempdir()
                    .map_err(StartError::io("create a temporary directory in", std::env::temp_dir()))?;
                Self::take(temporary.path().to_owned(), Some(temporary), LOCK_PATIENCE)
            }
        }
    }

    fn take(path: PathBuf, temporary: Option<TempDir>, patience: Duration) -> Result<Self, StartError> {
        let file = path.join("lock");
        let lock = File::create(&file).map_err(StartError::io("create", &file))?;
        let deadline = Instant::now() + patience;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(StartError::DataDirInUse { data_dir: path });
                }
                Err(TryLockError::Error(source)) => {
                    return Err(StartError::io("lock", &file)(source));
                }
            }
        }
        Ok(Self { path, lock, _temporary: temporary })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where Kafka keeps its records.
    pub(crate) fn records(&self) -> PathBuf {
        self.path.join("data")
    }

    pub(crate) fn server_properties(&self) -> PathBuf {
        self.path.join("server.properties")
    }

    pub(crate) fn log4j2(&self) -> PathBuf {
        self.path.join("log4j2.properties")
    }

    /// What the broker and its JVM have said since the last start.
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("kafka.log")
    }

    /// The cluster that the directory was formatted for, if it was.
    pub(crate) fn cluster_id(&self) -> Result<Option<String>, StartError> {
        let file = self.records().join("meta.properties");
        match fs::read_to_string(&file) {
            Ok(content) => {
                Ok(content.lines().find_map(|line| line.strip_prefix("cluster.id=")).map(str::to_owned))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StartError::io("read", &file)(error)),
        }
    }

    pub(crate) fn write_settings(&self, server_properties: &str) -> Result<(), StartError> {
        for (file, content) in
            [(self.server_properties(), server_properties), (self.log4j2(), settings::LOG4J2)]
        {
            fs::write(&file, content).map_err(StartError::io("write", &file))?;
        }
        Ok(())
    }

    /// An empty log; that of the run before is kept as `kafka.log.old`.
    pub(crate) fn new_log(&self) -> Result<File, StartError> {
        let log = self.log();
        match fs::rename(&log, self.path.join("kafka.log.old")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StartError::io("rename", &log)(error));
            }
            _ => {}
        }
        File::create(&log).map_err(StartError::io("create", &log))
    }

    /// The last lines of the log.
    pub(crate) fn log_tail(&self) -> String {
        const LINES: usize = 30;
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// The lock, for a process that shall own the directory with us.
    pub(crate) fn share_lock(&self) -> Result<Stdio, StartError> {
        let lock = self.lock.try_clone();
        Ok(lock.map_err(StartError::io("share the lock of", &self.path))?.into())
    }
}

/// A new id in the form that Kafka gives them: 16 random bytes in URL-safe base64.
pub(crate) fn new_cluster_id() -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // The first bit is cleared: an id that began with '-' would look like an option to Kafka's tools.
    let bits = Uuid::new_v4().as_u128() & (u128::MAX >> 1);
    // 22 digits of 6 bits: the last one holds the 2 bits that are left of 128, at its upper end.
    (0..22)
        .map(|digit| match 122_i32 - 6 * digit {
            shift @ 0.. => bits >> shift,
            _ => bits << 4,
        })
        .map(|value| char::from(DIGITS[(value & 63) as usize]))
        .collect()
}

/// Deletes the temporary directories of processes that were killed before they could.
fn sweep_abandoned() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(TEMPORARY_PREFIX) && is_abandoned(&entry.path()) {
            tracing::debug!(path = %entry.path().display(), "deleting an abandoned data directory");
            // What cannot be deleted is left for the next sweep.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Old enough for its owner to have locked it, and locked by nobody.
fn is_abandoned(data_dir: &Path) -> bool {
    let file = data_dir.join("lock");
    let age = fs::metadata(&file)
        .and_then(|metadata| metadata.modified())
        .map(|modified| SystemTime::now().duration_since(modified));
    matches!(age, Ok(Ok(age)) if age > Duration::from_secs(60))
        && File::open(&file).is_ok_and(|lock| lock.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_id_has_the_form_of_kafkas() {
        let id = new_cluster_id();
        assert_eq!(id.len(), 22, "{id}");
        assert!(id.ends_with(['A', 'Q', 'g', 'w']), "{id}");
    }

    #[test]
    fn a_directory_has_one_owner() {
        let directory = tempfile::tempdir().unwrap();
        let take = || DataDir::take(directory.path().to_owned(), None, Duration::ZERO);
        let owner = take().unwrap();
        let refused = take().unwrap_err();
        assert!(matches!(refused, StartError::DataDirInUse { .. }), "{refused}");
        drop(owner);
        take().unwrap();
    }

    #[test]
    fn only_what_nobody_owns_is_abandoned() {
        let temporary = DataDir::open(None).unwrap();
        let lock = temporary.path().join("lock");
        assert!(!is_abandoned(temporary.path()), "young and owned");
        make_old(&lock);
        assert!(!is_abandoned(temporary.path()), "old and owned");
        temporary.lock.unlock().unwrap();
        assert!(is_abandoned(temporary.path()), "old and owned by nobody");
    }

    fn make_old(file: &Path) {
        let an_hour_ago = SystemTime::now() - Duration::from_secs(3600);
        File::options().write(true).open(file).unwrap().set_modified(an_hour_ago).unwrap();
    }
}
