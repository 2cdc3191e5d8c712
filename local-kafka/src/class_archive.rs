//! An archive of the classes that Kafka loads while it starts, which halves the time that takes.
//!
//! Java's class data sharing (JEP 350): a first broker is started for nothing but to write the
//! archive when it ends, and those after it map the file. Java ignores an archive that does not fit
//! its build or the jars, so the worst that a wrong one does is nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::Config;
use crate::jars;
use crate::java::Java;
use crate::kafka::{BROKER, LocalKafka};

/// What a JVM has to do with an archive.
#[derive(Debug, Clone)]
pub(crate) enum ClassArchive {
    /// Nothing.
    None,
    /// Map this one.
    Use(PathBuf),
    /// Write this one when it ends.
    Write(PathBuf),
}

impl ClassArchive {
    /// The archive for this Java and these jars, written now if it is not there. Without one Kafka
    /// runs as well, so nothing that goes wrong here is an error.
    pub(crate) fn prepared(config: &Config, java: &Java, jars: &Path) -> Self {
        let file = jars.join(format!("classes-{}.jsa", java.build));
        if !file.exists() {
            let Ok(_lock) = jars::lock(&config.cache_dir) else {
                return Self::None;
            };
            if !file.exists() {
                write(config, java, jars, &file);
            }
        }
        match fs::metadata(&file) {
            Ok(metadata) if metadata.len() > 0 => Self::Use(file),
            _ => Self::None,
        }
    }

    /// What tells the JVM that runs this class. Only the broker's own classes are worth writing.
    pub(crate) fn argument(&self, class: &str) -> Option<String> {
        match self {
            Self::Use(file) => Some(format!("-XX:SharedArchiveFile={}", file.display())),
            Self::Write(file) if class == BROKER => {
                Some(format!("-XX:ArchiveClassesAtExit={}", file.display()))
            }
            Self::Write(_) | Self::None => None,
        }
    }
}

fn write(config: &Config, java: &Java, jars: &Path, file: &Path) {
    tracing::info!("preparing Kafka for faster starts, once");
    let partial = file.with_extension("partial");
    if let Err(error) = run_once(config, java, jars, ClassArchive::Write(partial.clone())) {
        tracing::warn!(error, "Kafka will start slower: no class archive");
        return;
    }
    if let Err(error) = fs::rename(&partial, file) {
        tracing::warn!(%error, "Kafka will start slower: this Java wrote no class archive");
        // An empty one, so that not every start tries.
        let _ = fs::write(file, "");
    }
}

/// Starts and stops a broker that is not the one that the caller wants.
fn run_once(config: &Config, java: &Java, jars: &Path, archive: ClassArchive) -> Result<(), String> {
    let patience = Duration::from_secs(60);
    let config = Config {
        data_dir: None,
        port: None,
        settings: BTreeMap::new(),
        start_timeout: patience,
        stop_timeout: patience,
        ..config.clone()
    };
    LocalKafka::start_with(config, java.clone(), jars, archive)
        .map_err(|error| error.to_string())?
        .stop()
        .map_err(|error| error.to_string())
}
