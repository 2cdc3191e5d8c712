//! The mail arrives: from POST to a real SMTP server.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::process::Command;

use pipeline_tests::{Deployment, Process, Service, order};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_gets_one_mail_for_each_decided_order() {
    let directory = tempfile::tempdir().unwrap();
    let server = mail_server(&directory.path().join("smtp.log"));
    let port = json_line(&server, "\"port\"")["port"].as_u64().unwrap();
    let mut pipeline = Deployment::new("mail").with(
        Service::Email,
        &["--smtp-url", &format!("smtp://127.0.0.1:{port}"), "--mail-from", "Shop <shop@example.org>"],
    );
    pipeline.start_all().await;
    pipeline.stock("p-1", 1).await;
    let customer = json!({"name": "Ada Lovelace", "email": "ada@example.org", "level": "gold"});
    for id in ["c-first", "c-second"] {
        let path = format!("/v1/customers/{id}");
        pipeline.client(Service::Email).put(&path, &customer).await.expect_status(200);
        assert_eq!(pipeline.client(Service::Email).get(&path).await.expect_status(200).body, customer);
    }
    for (id, state) in [("first", "VALIDATED"), ("second", "FAILED")] {
        pipeline.orders().create(&order(id, "p-1", 1)).await.expect_status(201);
        assert_eq!(pipeline.orders().validated(id).await["state"], state);
        let mail = json_line(&server, "\"content\"");
        assert_eq!((&mail["from"], &mail["to"]), (&json!("shop@example.org"), &json!(["ada@example.org"])));
        let content = mail["content"].as_str().unwrap();
        let subject = content.lines().find(|line| line.starts_with("Subject:")).unwrap();
        assert!(subject.contains(id), "{subject}");
        assert!(content.contains(&format!("{id}.1.{state}@example.org")), "a stable Message-ID: {content}");
    }
    // A clean restart sends nothing again: the next mail is the next order's.
    pipeline.stop(Service::Email, 0);
    pipeline.start(Service::Email, 0).await;
    let path = "/v1/customers/c-third";
    pipeline.client(Service::Email).put(path, &customer).await.expect_status(200);
    pipeline.orders().create(&order("third", "p-1", 1)).await.expect_status(201);
    let mail = json_line(&server, "\"content\"");
    assert!(mail["content"].as_str().unwrap().contains("third.1.FAILED@"), "{mail}");
}

/// aiosmtpd, with the script of email-service's own tests.
fn mail_server(log: &std::path::Path) -> Process {
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let python =
        std::env::var("SMTP_PYTHON").unwrap_or_else(|_| format!("{workspace}/target/venv/bin/python"));
    let settings = json!({"port": 0, "replies": {}, "credentials": null, "utf8": true});
    let mut command = Command::new(python);
    command.arg(format!("{workspace}/email-service/tests/email/smtp_server.py")).arg(settings.to_string());
    Process::start("smtp server", &mut command, log)
}

fn json_line(server: &Process, text: &str) -> Value {
    serde_json::from_str(&server.await_line(text)).unwrap()
}
