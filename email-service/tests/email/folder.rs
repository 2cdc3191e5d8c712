//! Mails as files.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use email_service::{DeliveryError, MailFolder, Transport};

use crate::samples::mail;

fn files(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.collect();
    names.sort();
    names
}

/// Delivers a mail about each of these orders, and says which are kept.
async fn deliver(folder: &MailFolder, orders: &[&str], path: &Path) -> Vec<String> {
    for order in orders {
        folder.deliver(&mail(order, "ada@example.org")).await.unwrap();
    }
    files(path).iter().map(|file| file.replace(".1.VALIDATED.eml", "")).collect()
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

#[tokio::test]
async fn the_latest_mails_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let folder = MailFolder::new(path).unwrap().keeping(3);
    assert_eq!(deliver(&folder, &["e", "d", "c", "b", "a"], path).await, ["a", "b", "c"]);
    assert_eq!(deliver(&folder, &["c", "f"], path).await, ["a", "c", "f"], "what comes again is new again");
    fs::remove_file(path.join("a.1.VALIDATED.eml")).unwrap();
    assert_eq!(deliver(&folder, &["g"], path).await, ["c", "f", "g"], "somebody else has deleted the oldest");
}

#[tokio::test]
async fn the_latest_mails_are_kept_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let orders = ["e", "d", "c", "b", "a"];
    deliver(&MailFolder::new(path).unwrap(), &orders, path).await;
    for (order, age) in orders.iter().zip([9, 1, 5, 2, 3]) {
        let file = File::options().write(true).open(path.join(format!("{order}.1.VALIDATED.eml"))).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(60 * age)).unwrap();
    }
    fs::write(path.join("notes.txt"), "not a mail").unwrap();
    let folder = MailFolder::new(path).unwrap().keeping(3);
    assert_eq!(deliver(&folder, &["f"], path).await, ["b", "d", "f", "notes.txt"]);
    assert_eq!(deliver(&folder, &["g"], path).await, ["d", "f", "g", "notes.txt"]);
}

#[tokio::test]
async fn ten_thousand_mails_are_kept_unless_said_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    for number in 0..10_010 {
        let file = File::create(path.join(format!("o-{number}.eml"))).unwrap();
        file.set_modified(hour_ago + Duration::from_millis(number)).unwrap();
    }
    let folder = MailFolder::new(path).unwrap();
    folder.deliver(&mail("new", "ada@example.org")).await.unwrap();
    assert_eq!(files(path).len(), 10_000);
    for (file, kept) in [("o-10.eml", false), ("o-11.eml", true), ("new.1.VALIDATED.eml", true)] {
        assert_eq!(path.join(file).exists(), kept, "{file}");
    }
}
