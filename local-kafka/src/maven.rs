//! Kafka's jars: those of an installation, or fetched once with Maven into a cache.
//!
//! A fetch goes to a temporary directory, which is renamed when it is complete. `complete` lists the
//! jars and their sizes; a cache that differs from it is fetched again. One process at a time
//! fetches, the others wait for it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::config::{Config, KAFKA_VERSION};
use crate::error::FetchError;
use crate::process;

/// 3.8.1 works with Maven 3.6.3 and newer. Naming it keeps a build from changing by itself.
const GOAL: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// The binding is the one for slf4j 1.7, which Kafka 4.3 is built with.
const POM: &str = "\
<project xmlns=\"http://maven.apache.org/POM/4.0.0\">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId>
  <artifactId>local-kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>KAFKA_VERSION</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>2.25.3</version>
    </dependency>
  </dependencies>
</project>
";

/// The class path of Kafka, fetched if it is not there.
pub(crate) fn class_path(config: &Config) -> Result<PathBuf, FetchError> {
    let jars = match &config.kafka_home {
        Some(home) => installed(home)?,
        None => cached(&config.cache_dir, &config.maven)?,
    };
    // Java expands this wildcard to all jars of the folder.
    Ok(jars.join("*"))
}

fn installed(home: &Path) -> Result<PathBuf, FetchError> {
    let jars = home.join("libs");
    let is_kafka = |(name, _): &(String, u64)| name.starts_with("kafka_");
    match sizes(&jars) {
        Ok(sizes) if sizes.iter().any(is_kafka) => Ok(jars),
        _ => Err(FetchError::NotAnInstallation {
            home: home.to_owned(),
        }),
    }
}

fn cached(cache: &Path, maven: &Path) -> Result<PathBuf, FetchError> {
    let jars = cache.join(format!("kafka-{KAFKA_VERSION}"));
    if is_complete(&jars) {
        return Ok(jars);
    }
    fs::create_dir_all(cache).map_err(failed("create", cache))?;
    let _lock = lock(&cache.join(format!("kafka-{KAFKA_VERSION}.lock")))?;
    if !is_complete(&jars) {
        fetch(&jars, cache, maven)?;
    }
    Ok(jars)
}

fn lock(file: &Path) -> Result<File, FetchError> {
    let lock = File::create(file).map_err(failed("create", file))?;
    if lock.try_lock().is_err() {
        tracing::info!("waiting for another process that is fetching Kafka {KAFKA_VERSION}");
        lock.lock().map_err(failed("lock", file))?;
    }
    Ok(lock)
}

fn fetch(jars: &Path, cache: &Path, maven: &Path) -> Result<(), FetchError> {
    let prefix = format!("kafka-{KAFKA_VERSION}.partial-");
    remove_leftovers(cache, &prefix);
    let partial = tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(cache)
        .map_err(failed("create a folder in", cache))?;

    copy_dependencies(partial.path(), maven)?;

    let manifest = manifest(partial.path()).map_err(failed("list", partial.path()))?;
    let complete = partial.path().join("complete");
    fs::write(&complete, manifest).map_err(failed("write", &complete))?;
    publish(partial, jars)
}

/// Of fetches that were killed.
fn remove_leftovers(cache: &Path, prefix: &str) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            // Only room on the disk is lost if it stays.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Puts a complete fetch in the place of what is there. A broker that runs from the old jars has
/// them open and goes on.
fn publish(partial: TempDir, jars: &Path) -> Result<(), FetchError> {
    if jars.exists() {
        tracing::warn!(path = %jars.display(), "replacing damaged jars");
        fs::remove_dir_all(jars).map_err(failed("remove", jars))?;
    }
    fs::rename(partial.path(), jars).map_err(failed("rename a finished fetch to", jars))?;
    let _ = partial.keep();
    Ok(())
}

fn copy_dependencies(folder: &Path, maven: &Path) -> Result<(), FetchError> {
    let pom = folder.join("pom.xml");
    fs::write(&pom, POM.replace("KAFKA_VERSION", KAFKA_VERSION)).map_err(failed("write", &pom))?;

    // By itself, for a clear error: under `setpriv` a missing command is just another failure.
    let mut version = Command::new(maven);
    process::run(version.arg("--version")).map_err(|source| FetchError::MavenMissing {
        maven: maven.to_owned(),
        source,
    })?;

    let (reader, writer) = io::pipe().map_err(failed("make a pipe for", maven))?;
    let mut command = process::bound_command(maven);
    command
        // -U: Maven remembers a failed download and would not try again for a day.
        .args(["--batch-mode", "-U", "-f"])
        .arg(&pom)
        .arg(GOAL)
        .arg(format!("-DoutputDirectory={}", folder.display()))
        .stdin(Stdio::null())
        .stdout(
            writer
                .try_clone()
                .map_err(failed("make a pipe for", maven))?,
        )
        .stderr(writer);
    let mut child = command.spawn().map_err(failed("run setpriv for", maven))?;
    // It holds the writing ends, and with them open the pipe would not end.
    drop(command);

    let output = follow(BufReader::new(reader));
    let status = child.wait().map_err(failed("wait for", maven))?;
    if !status.success() {
        return Err(FetchError::MavenFailed {
            maven: maven.to_owned(),
            status,
            output: errors_in(&output),
        });
    }
    Ok(())
}

/// Reads what Maven says until it ends, and tells how far it is.
fn follow(output: impl BufRead) -> Vec<String> {
    const EVERY: Duration = Duration::from_secs(2);
    tracing::info!("fetching Kafka {KAFKA_VERSION} with Maven, 44 MB, once");
    let (start, mut told) = (Instant::now(), Instant::now());
    let mut files = 0;
    let mut lines = Vec::new();
    for line in output.lines().map_while(Result::ok) {
        files += usize::from(line.contains("Downloaded from"));
        lines.push(line);
        if told.elapsed() >= EVERY {
            told = Instant::now();
            tracing::info!("fetching Kafka {KAFKA_VERSION}: {files} files so far");
        }
    }
    tracing::info!(
        "Maven ended after {:.1} s and {files} files",
        start.elapsed().as_secs_f64()
    );
    lines
}

/// What matters of a failed run: its error lines, else its last ones.
fn errors_in(output: &[String]) -> String {
    const LINES: usize = 10;
    let errors: Vec<&str> = output
        .iter()
        .filter(|line| line.contains("ERROR"))
        .take(LINES)
        .map(String::as_str)
        .collect();
    if errors.is_empty() {
        return output[output.len().saturating_sub(LINES)..].join("\n");
    }
    errors.join("\n")
}

fn is_complete(jars: &Path) -> bool {
    let listed = fs::read_to_string(jars.join("complete"));
    listed.is_ok_and(|listed| manifest(jars).is_ok_and(|found| found == listed))
}

/// One line for each jar: its size and its name.
fn manifest(jars: &Path) -> io::Result<String> {
    Ok(sizes(jars)?
        .iter()
        .map(|(name, size)| format!("{size} {name}\n"))
        .collect())
}

/// The jars of a folder with their sizes, by name.
fn sizes(folder: &Path) -> io::Result<Vec<(String, u64)>> {
    let mut jars = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".jar") {
            jars.push((name, entry.metadata()?.len()));
        }
    }
    jars.sort();
    Ok(jars)
}

fn failed(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.as_ref().to_owned();
    move |source| FetchError::Io {
        action,
        path,
        source,
    }
}
