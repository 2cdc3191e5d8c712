//! Maven, which knows where Kafka's jars are and what they need.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::config::KAFKA_VERSION;
use crate::error::FetchError;
use crate::process;

/// 3.8.1 works with Maven 3.6.3 and newer. Naming it keeps a fetch from changing by itself.
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

/// Has Maven put the jars of Kafka and of all that it needs into `folder`.
pub(crate) fn fetch_into(folder: &Path, maven: &Path) -> Result<(), FetchError> {
    let pom = folder.join("pom.xml");
    fs::write(&pom, POM.replace("KAFKA_VERSION", KAFKA_VERSION)).map_err(FetchError::io("write", &pom))?;

    // By itself, for a clear error: under `setpriv` a missing command is just another failure.
    process::run(Command::new(maven).arg("--version"))
        .map_err(|source| FetchError::MavenMissing { maven: maven.to_owned(), source })?;

    let mut command = process::bound_command(maven);
    command
        // -U: Maven remembers a failed download and would not try again for a day.
        .args(["--batch-mode", "-U", "-f"])
        .arg(&pom)
        .arg(GOAL)
        .arg(format!("-DoutputDirectory={}", folder.display()));
    tracing::info!("fetching Kafka {KAFKA_VERSION} with Maven, 44 MB, once");
    let (status, said) = follow(command).map_err(FetchError::io("run", maven))?;
    if status.success() {
        return Ok(());
    }
    Err(FetchError::MavenFailed { maven: maven.to_owned(), status, output: errors_in(&said) })
}

/// Runs Maven to its end, and tells how far it is.
fn follow(mut command: Command) -> io::Result<(ExitStatus, Vec<String>)> {
    const EVERY: Duration = Duration::from_secs(2);
    let (reader, writer) = io::pipe()?;
    let mut child = command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // It holds the writing ends, and with them open the pipe would not end.
    drop(command);

    let (mut files, mut told) = (0, Instant::now());
    let mut said = Vec::new();
    for line in BufReader::new(reader).lines().map_while(Result::ok) {
        files += usize::from(line.contains("Downloaded from"));
        said.push(line);
        if told.elapsed() >= EVERY {
            told = Instant::now();
            tracing::info!("fetching Kafka {KAFKA_VERSION}: {files} files so far");
        }
    }
    Ok((child.wait()?, said))
}

/// What matters of a failed run: its first error lines, up to where they turn into general advice,
/// else its last lines.
fn errors_in(said: &[String]) -> String {
    const LINES: usize = 10;
    let errors: Vec<&str> = said
        .iter()
        .map(|line| line.trim_end())
        .filter(|line| line.contains("ERROR"))
        .take_while(|line| *line != "[ERROR]")
        .take(LINES)
        .collect();
    if errors.is_empty() {
        return said[said.len().saturating_sub(LINES)..].join("\n");
    }
    errors.join("\n")
}
