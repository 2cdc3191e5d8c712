//! The mail arrives: from POST to a real SMTP server.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::process::Command;
use std::time::Duration;

use pipeline_tests::{Client, Deployment, PATIENCE, Process, Service, order};
use serde_json::{Value, json};
use service::topics;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_who_is_refused_for_now_gets_the_mail_later_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let replies = json!({"busy@example.org": ["451 4.7.1 greylisted"]});
    let server = mail_server_with(&replies, &directory.path().join("smtp.log"));
    let port = json_line(&server, "\"port\"")["port"].as_u64().unwrap();
    let mut pipeline = Deployment::new("mail-later").with(
        Service::Email,
        &["--smtp-url", &format!("smtp://127.0.0.1:{port}"), "--mail-retry-after", "10s"],
    );
    pipeline.start_all().await;
    for (id, email) in
        [("c-busy", "busy@example.org"), ("c-other", "other@example.org"), ("c-last", "last@example.org")]
    {
        let customer = json!({"name": "Ada Lovelace", "email": email, "level": "gold"});
        pipeline
            .client(Service::Email)
            .put(&format!("/v1/customers/{id}"), &customer)
            .await
            .expect_status(200);
    }
    pipeline.orders().create(&order("busy", "p-1", 1)).await.expect_status(201);
    let waiting = "streams_mails_waiting{application=\"email-service\",reply=\"451 4.7.1\"} 1";
    await_metric(pipeline.client(Service::Email), waiting).await;
    pipeline.orders().create(&order("other", "p-1", 1)).await.expect_status(201);
    assert_eq!(json_line(&server, "\"content\"")["to"], json!(["other@example.org"]));
    pipeline.stop(Service::Email, 0);
    pipeline.start(Service::Email, 0).await;
    assert_eq!(json_line(&server, "\"content\"")["to"], json!(["busy@example.org"]));
    // Nothing comes a second time: the next mail is the next order's.
    pipeline.orders().create(&order("last", "p-1", 1)).await.expect_status(201);
    assert_eq!(json_line(&server, "\"content\"")["to"], json!(["last@example.org"]));
}

/// As after the group's offsets have expired: the mailer has begun, there are records, and there is no offset.
#[tokio::test(flavor = "multi_thread")]
async fn without_its_offsets_the_mailer_sends_nothing_and_says_so() {
    let mut pipeline = Deployment::new("mail-offsets");
    let gold = topics::TIERS[1].spec();
    for topic in [&gold, &email_service::WAITING.spec()] {
        pipeline.log().create(topic, 4);
    }
    // The same key, so the same partition.
    pipeline.log().write_bytes("email-waiting", b"begun", b"true").await;
    pipeline.log().write_bytes(&gold.name, b"begun", b"{}").await;
    pipeline.launch(Service::Email, 0);
    let client = pipeline.client(Service::Email);
    let refused = async {
        loop {
            let readiness = client.get("/readyz").await.body.to_string();
            if readiness.contains("mails were sent, but there is no committed offset") {
                return readiness;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let readiness = tokio::time::timeout(PATIENCE, refused).await.expect("the mailer never refuses");
    assert!(readiness.contains("set the offsets of the group email-service-mailer"), "{readiness}");
}

/// A mail server that takes connections and says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_over_in_time_though_a_mail_is_under_way() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", silent.local_addr().unwrap());
    let mut pipeline =
        Deployment::new("mail-stop").with(Service::Email, &["--smtp-url", &url, "--shutdown-timeout", "3s"]);
    pipeline.start_all().await;
    let customer = json!({"name": "Ada Lovelace", "email": "ada@example.org", "level": "gold"});
    pipeline.client(Service::Email).put("/v1/customers/c-first", &customer).await.expect_status(200);
    pipeline.orders().create(&order("first", "p-1", 1)).await.expect_status(201);
    let _connection = silent.accept().await.unwrap();
    let process = pipeline.process(Service::Email, 0);
    process.signal("TERM");
    let status = process.await_end_for(Duration::from_secs(9));
    assert!(status.success(), "{status}");
}

/// Waits until a line stands in the metrics.
async fn await_metric(client: &Client, line: &str) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !client.text("/metrics").await.lines().any(|found| found == line) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{line} never stood in the metrics");
}

/// aiosmtpd, with the script of email-service's own tests.
fn mail_server(log: &std::path::Path) -> Process {
    mail_server_with(&json!({}), log)
}

/// The same with replies to addresses before they are accepted.
fn mail_server_with(replies: &Value, log: &std::path::Path) -> Process {
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let python =
        std::env::var("SMTP_PYTHON").unwrap_or_else(|_| format!("{workspace}/target/venv/bin/python"));
    let settings = json!({"port": 0, "replies": replies, "credentials": null, "utf8": true});
    let mut command = Command::new(python);
    command.arg(format!("{workspace}/email-service/tests/email/smtp_server.py")).arg(settings.to_string());
    Process::start("smtp server", &mut command, log)
}

fn json_line(server: &Process, text: &str) -> Value {
    serde_json::from_str(&server.await_line(text)).unwrap()
}
