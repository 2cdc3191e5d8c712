//! The Java virtual machine that runs Kafka.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use crate::error::StartError;
use crate::process;

const OLDEST: u32 = 17;

/// A `java` executable that is new enough.
#[derive(Debug, Clone)]
pub(crate) struct Java {
    /// The executable itself: `java` on the PATH may be a script, and a signal must reach the JVM.
    pub(crate) executable: PathBuf,
    /// The exact version of the virtual machine: what it has compiled or archived is for itself only.
    pub(crate) build: String,
}

impl Java {
    pub(crate) fn find(java: &Path) -> Result<Self, StartError> {
        let mut command = Command::new(java);
        command.args(["-XshowSettings:properties", "-version"]);
        let (status, said) = process::run(&mut command)
            .map_err(|source| StartError::JavaMissing { java: java.to_owned(), source })?;
        Self::parse(java, status, said)
    }

    fn parse(java: &Path, status: ExitStatus, said: String) -> Result<Self, StartError> {
        let (Some(home), Some(version), Some(build)) = (
            property(&said, "java.home"),
            property(&said, "java.specification.version"),
            property(&said, "java.vm.version"),
        ) else {
            return Err(StartError::NotJava { java: java.to_owned(), status, output: said });
        };
        // Before Java 9 the version reads "1.8".
        if !version.parse().is_ok_and(|major: u32| major >= OLDEST) {
            return Err(StartError::JavaTooOld { java: java.to_owned(), version: version.to_owned() });
        }
        Ok(Self { executable: Path::new(home).join("bin/java"), build: build.to_owned() })
    }
}

fn property<'a>(settings: &'a str, name: &str) -> Option<&'a str> {
    settings.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(said: &str, expected: &str) {
        let found = match Java::parse(Path::new("java"), ExitStatus::default(), said.into()) {
            Ok(java) => java.executable.display().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(found.starts_with(expected), "{said:?} gave {found:?}");
    }

    #[test]
    fn java_says_which_it_is() {
        let too_old = "`java` is Java 1.8; Kafka 4.2.1 needs 17 or newer";
        check(&properties("17"), "/opt/jdk/bin/java");
        check(&properties("25"), "/opt/jdk/bin/java");
        check(&properties("1.8"), too_old);
        check(&properties("11"), &too_old.replace("1.8", "11"));
        check("Hello\n", "`java` does not say which Java it is");
    }

    fn properties(version: &str) -> String {
        format!(
            "Property settings:\n    java.home = /opt/jdk\n    java.specification.version = {version}\n    \
             java.vm.version = {version}.0.1+2\n"
        )
    }
}
