//! Mails as files, for whoever has no mail server at hand.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

use futures::FutureExt;
use futures::future::BoxFuture;

use super::{DeliveryError, Transport};
use crate::mail::Mail;

/// Writes each mail to `<name>.eml` in a folder, and keeps the latest of them.
///
/// The file appears whole, under a name that belongs to the mail: a mail that is delivered again takes the
/// place of the first one. A folder belongs to one process.
#[derive(Debug, Clone)]
pub struct MailFolder {
    path: PathBuf,
    keep: usize,
    /// None before the first mail, which finds those of earlier processes.
    latest: Arc<Mutex<Option<Latest>>>,
}

/// How many mails are kept.
const KEEP: usize = 10_000;

impl MailFolder {
    /// The folder at `path`, which is made if it is not there. It keeps the latest 10,000 mails.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn new(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        fs::create_dir_all(&path)?;
        Ok(Self { path, keep: KEEP, latest: Arc::default() })
    }

    /// The same, keeping so many mails.
    pub fn keeping(mut self, mails: usize) -> Self {
        self.keep = mails;
        self
    }

    /// One mail at a time, so that none is taken for old while it is written again.
    fn write(&self, mail: &Mail) -> io::Result<()> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = match &mut *latest {
            Some(latest) => latest,
            unknown => unknown.insert(Latest::in_folder(&self.path)?),
        };
        let unfinished = self.path.join(format!("{}.tmp", mail.name()));
        let file = OsString::from(format!("{}.eml", mail.name()));
        fs::write(&unfinished, mail.message().formatted())?;
        fs::rename(unfinished, self.path.join(&file))?;
        latest.add(file);
        while let Some(old) = latest.next_beyond(self.keep) {
            remove(&self.path.join(&*old));
        }
        Ok(())
    }
}

/// The mail that was written is delivered, whatever becomes of the old one.
fn remove(file: &Path) {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(file = %file.display(), %error, "an old mail is not deleted");
        }
        _ => {}
    }
}

impl Transport for MailFolder {
    fn deliver<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), DeliveryError>> {
        async {
            let (folder, mail) = (self.clone(), mail.clone());
            match tokio::task::spawn_blocking(move || folder.write(&mail)).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(format!("cannot write to {}: {error}", self.path.display())),
                Err(error) => Err(error.to_string()),
            }
            .map_err(DeliveryError::Temporary)
        }
        .boxed()
    }
}

/// The files of a folder by age, so that it need not be read for each mail.
#[derive(Debug, Default)]
struct Latest {
    /// The oldest first, numbered as they came.
    by_age: BTreeMap<u64, Arc<OsStr>>,
    numbers: HashMap<Arc<OsStr>, u64>,
    next: u64,
}

impl Latest {
    /// What is there, by the time at which it was written.
    fn in_folder(path: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        for entry in fs::read_dir(path)? {
            let file = entry?;
            if Path::new(&file.file_name()).extension() == Some(OsStr::new("eml")) {
                files.push((file.metadata()?.modified()?, file.file_name()));
            }
        }
        files.sort_unstable();
        let mut latest = Self::default();
        files.into_iter().for_each(|(_, file)| latest.add(file));
        Ok(latest)
    }

    /// A file that is there already is new again.
    fn add(&mut self, file: OsString) {
        let file: Arc<OsStr> = file.into();
        if let Some(number) = self.numbers.insert(file.clone(), self.next) {
            self.by_age.remove(&number);
        }
        self.by_age.insert(self.next, file);
        self.next += 1;
    }

    /// Takes out the oldest file, if there are more than `keep`.
    fn next_beyond(&mut self, keep: usize) -> Option<Arc<OsStr>> {
        if self.by_age.len() <= keep {
            return None;
        }
        let (_, file) = self.by_age.pop_first()?;
        self.numbers.remove(&file);
        Some(file)
    }
}
