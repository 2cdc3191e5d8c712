//! An archive of the classes that Kafka loads while it starts, which halves the time that takes.
//!
//! Java's class data sharing (JEP 350): a first broker is started for nothing but to write the
//! archive when it ends, and those after it map the file. Java ignores an archive that does not fit
//! its build or the jars, so the worst that a wrong one does is nothing.

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
    let partial = file.with_extension("jsa.partial");
    let trial = Config {
        data_dir: None,
        port: None,
        settings: Default::default(),
        stop_timeout: Duration::from_secs(60),
        ..config.clone()
    };
    let archive = ClassArchive::Write(partial.clone());
    let outcome = LocalKafka::start_with(trial, java.clone(), jars, archive)
        .map_err(|error| error.to_string())
        .and_then(|mut kafka| kafka.stop().map_err(|error| error.to_string()))
        .and_then(|()| fs::rename(&partial, file).map_err(|error| error.to_string()));
    if let Err(error) = outcome {
        tracing::warn!(error, "Kafka will start slower: no class archive");
        // An empty one says that this Java makes none, so that not every start tries.
        let _ = fs::write(file, "");
    }
}
