//! Kafka's jars: those of an installation, or fetched once into a cache.
//!
//! A fetch goes to a temporary folder, which is renamed when it is complete. Its file `complete`
//! lists the jars and their sizes; a cache that differs from its list is fetched again. One process
//! at a time changes the cache, the others wait for it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::config::KAFKA_VERSION;
use crate::error::FetchError;
use crate::maven;

/// The folder with the jars of the cache, fetched if they are not there.
pub(crate) fn cached(cache: &Path, maven: &Path) -> Result<PathBuf, FetchError> {
    let jars = cache.join(format!("kafka-{KAFKA_VERSION}"));
    if is_complete(&jars) {
        return Ok(jars);
    }
    fs::create_dir_all(cache).map_err(FetchError::io("create", cache))?;
    let _lock = lock(cache)?;
    if !is_complete(&jars) {
        fetch(&jars, cache, maven)?;
    }
    Ok(jars)
}

/// The folder with the jars of an installation.
pub(crate) fn installed(home: &Path) -> Result<PathBuf, FetchError> {
    let jars = home.join("libs");
    if sizes(&jars).is_ok_and(|sizes| has_kafka(&sizes)) {
        return Ok(jars);
    }
    Err(FetchError::NotAnInstallation { home: home.to_owned() })
}

/// The right to change the cache, until the file is dropped.
pub(crate) fn lock(cache: &Path) -> Result<File, FetchError> {
    let file = cache.join(format!("kafka-{KAFKA_VERSION}.lock"));
    let lock = File::create(&file).map_err(FetchError::io("create", &file))?;
    if lock.try_lock().is_err() {
        tracing::info!("waiting for another process that is preparing Kafka {KAFKA_VERSION}");
        lock.lock().map_err(FetchError::io("lock", &file))?;
    }
    Ok(lock)
}

fn fetch(jars: &Path, cache: &Path, maven: &Path) -> Result<(), FetchError> {
    let prefix = format!("kafka-{KAFKA_VERSION}.partial-");
    remove_leftovers(cache, &prefix);
    let partial = tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(cache)
        .map_err(FetchError::io("create a folder in", cache))?;

    maven::fetch_into(partial.path(), maven)?;

    let sizes = sizes(partial.path()).map_err(FetchError::io("list", partial.path()))?;
    if !has_kafka(&sizes) {
        return Err(FetchError::NothingFetched { maven: maven.to_owned() });
    }
    let complete = partial.path().join("complete");
    fs::write(&complete, manifest(&sizes)).map_err(FetchError::io("write", &complete))?;
    publish(partial, jars)?;
    let bytes: u64 = sizes.iter().map(|(_, size)| size).sum();
    tracing::info!("Kafka {KAFKA_VERSION} is there: {} files, {} MB", sizes.len(), bytes / 1_000_000);
    Ok(())
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
        fs::remove_dir_all(jars).map_err(FetchError::io("remove", jars))?;
    }
    fs::rename(partial.path(), jars).map_err(FetchError::io("rename a finished fetch to", jars))?;
    let _ = partial.keep();
    Ok(())
}

fn is_complete(jars: &Path) -> bool {
    let listed = fs::read_to_string(jars.join("complete"));
    listed.is_ok_and(|listed| sizes(jars).is_ok_and(|sizes| manifest(&sizes) == listed))
}

/// One line for each jar.
fn manifest(sizes: &[(String, u64)]) -> String {
    sizes.iter().map(|(name, size)| format!("{size} {name}\n")).collect()
}

fn has_kafka(sizes: &[(String, u64)]) -> bool {
    sizes.iter().any(|(name, _)| name.starts_with("kafka_"))
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

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// A stand-in for Maven from `tests/maven/`; it notes each fetch in `fetches` beside its folder.
    fn maven(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/maven").join(name)
    }

    fn fetches(cache: &Path) -> usize {
        fs::read_to_string(cache.join("fetches")).unwrap_or_default().lines().count()
    }

    fn entries(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn jars_are_fetched_once() {
        let cache = tempfile::tempdir().unwrap();
        let jars = cached(cache.path(), &maven("works")).unwrap();
        assert_eq!(entries(&jars), ["complete", "kafka_2.13.jar", "other.jar", "pom.xml"]);
        assert_eq!(cached(cache.path(), Path::new("/no/mvn")).unwrap(), jars);
        assert_eq!(fetches(cache.path()), 1);
    }

    #[test]
    fn several_at_once_fetch_once() {
        let cache = tempfile::tempdir().unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| cached(cache.path(), &maven("works")).unwrap());
            }
        });
        assert_eq!(fetches(cache.path()), 1);
    }

    #[test]
    fn a_damaged_cache_is_repaired() {
        for damage in [
            (|jars| fs::write(jars.join("other.jar"), "").unwrap()) as fn(&Path),
            |jars| fs::remove_file(jars.join("kafka_2.13.jar")).unwrap(),
            |jars| fs::remove_file(jars.join("complete")).unwrap(),
        ] {
            let cache = tempfile::tempdir().unwrap();
            let jars = cached(cache.path(), &maven("works")).unwrap();
            damage(&jars);
            cached(cache.path(), &maven("works")).unwrap();
            assert!(is_complete(&jars), "{:?}", entries(&jars));
            assert_eq!(fetches(cache.path()), 2);
        }
    }

    #[test]
    fn a_failed_fetch_says_why_and_leaves_nothing_behind() {
        let cache = tempfile::tempdir().unwrap();
        let leftover = cache.path().join(format!("kafka-{KAFKA_VERSION}.partial-killed"));
        fs::create_dir(&leftover).unwrap();

        let error = cached(cache.path(), &maven("fails")).unwrap_err().to_string();
        assert!(error.contains("could not fetch Kafka 4.2.1 (exit status: 1)"), "{error}");
        assert!(error.contains("[ERROR] Could not transfer artifact"), "{error}");
        assert!(!error.contains("[INFO]"), "{error}");
        assert_eq!(entries(cache.path()), ["kafka-4.2.1.lock"]);

        cached(cache.path(), &maven("works")).unwrap();
    }

    #[test]
    fn what_is_missing_is_named() {
        #[track_caller]
        fn check(outcome: Result<PathBuf, FetchError>, expected: &str) {
            let error = outcome.unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let cache = tempfile::tempdir().unwrap();
        check(cached(cache.path(), Path::new("/no/mvn")), "cannot run `/no/mvn` to fetch Kafka 4.2.1");
        check(cached(cache.path(), Path::new("true")), "`true` ended well but fetched no Kafka 4.2.1");
        check(installed(cache.path()), "no Kafka installation in ");
    }
}
