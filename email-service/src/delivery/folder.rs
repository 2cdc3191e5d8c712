//! Mails as files, for whoever has no mail server at hand.

use std::path::PathBuf;
use std::{fs, io};

use futures::FutureExt;
use futures::future::BoxFuture;

use super::{DeliveryError, Transport};
use crate::mail::Mail;

/// Writes each mail to `<name>.eml` in a folder.
///
/// The file appears whole, under a name that belongs to the mail: a mail that is delivered again takes the
/// place of the first one.
#[derive(Debug, Clone)]
pub struct MailFolder {
    path: PathBuf,
}

impl MailFolder {
    /// The folder at `path`, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn new(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        fs::create_dir_all(&path)?;
        Ok(Self { path })
    }

    fn write(&self, mail: &Mail) -> io::Result<()> {
        let unfinished = self.path.join(format!("{}.tmp", mail.name()));
        fs::write(&unfinished, mail.message().formatted())?;
        fs::rename(unfinished, self.path.join(format!("{}.eml", mail.name())))
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
