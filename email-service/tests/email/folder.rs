//! Mails as files.

use std::fs;
use std::path::Path;

use email_service::{DeliveryError, MailFolder, Transport};

use crate::samples::mail;

fn files(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_mail_is_a_file_of_its_own() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data/mail");
    let folder = MailFolder::new(&path).unwrap();
    let mails = [mail("o-1", "ada@example.org"), mail("...", "ada@example.org")];
    for mail in [&mails[0], &mails[1], &mails[0]] {
        folder.deliver(mail).await.unwrap();
    }
    assert_eq!(files(&path), ["=2E=2E=2E.1.VALIDATED.eml", "o-1.1.VALIDATED.eml"]);
    assert_eq!(fs::read(path.join("o-1.1.VALIDATED.eml")).unwrap(), mails[0].message().formatted());
}

#[tokio::test]
async fn a_folder_that_is_away_may_come_back() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("mail");
    let folder = MailFolder::new(&path).unwrap();
    fs::remove_dir(&path).unwrap();
    let mail = mail("o-1", "ada@example.org");
    let error = folder.deliver(&mail).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Temporary(_)), "{error}");
    fs::create_dir(&path).unwrap();
    folder.deliver(&mail).await.unwrap();
    assert_eq!(files(&path), ["o-1.1.VALIDATED.eml"]);
}
