//! Mails to a real mail server.

use std::time::Duration;

use domain::Customer;
use email_service::DeliveryError::{Deferred, Misconfigured, Refused, Temporary};
use email_service::{DeliveryError, Smtp, Transport, compose};
use tokio::runtime::Handle;

use crate::samples::{ada, failed, mail, sender};
use crate::smtp_server::{Replies, SmtpServer};

fn smtp(server: &SmtpServer) -> Smtp {
    Smtp::new(&server.url("", ""), Handle::current()).unwrap()
}

/// How a failure is built from its reason.
type Failure = fn(String) -> DeliveryError;

/// What the server says to one mail after the other, all to the same address.
#[track_caller]
fn check(replies: Replies, expected: &[Result<(), Failure>]) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let server = SmtpServer::start(replies);
        let smtp = smtp(&server);
        let mail = mail("o-1", replies[0].0);
        for expected in expected {
            let found = smtp.deliver(&mail).await;
            match (&found, expected) {
                (Ok(()), Ok(())) => assert_eq!(server.mail().to, [replies[0].0]),
                (Err(found), Err(expected)) => {
                    assert_eq!(found, &expected(reason(found)), "{replies:?}");
                }
                _ => panic!("{found:?} to {replies:?}"),
            }
        }
        server.check_no_more();
    });
}

fn reason(error: &DeliveryError) -> String {
    match error {
        Temporary(reason) | Deferred(reason) | Misconfigured(reason) | Refused(reason) => reason.clone(),
    }
}

#[test]
fn a_refusal_for_now_is_about_this_mail_and_may_end() {
    check(
        &[("ada@example.org", &["451 later", "data: 452 too much", "421 not you"])],
        &[Err(Deferred), Err(Deferred), Err(Deferred), Ok(())],
    );
}

#[test]
fn a_refusal_for_good_is_about_this_mail() {
    check(
        &[("ada@example.org", &["550 5.1.1 nobody here", "data: 554 spam", "501 what address?"])],
        &[Err(Refused), Err(Refused), Err(Refused), Ok(())],
    );
}

#[test]
fn a_refusal_of_ourselves_is_not() {
    check(
        &[("ada@example.org", &["530 5.7.0 who are you?", "550 5.1.8 no such sender"])],
        &[Err(Misconfigured), Err(Misconfigured), Ok(())],
    );
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_composed() {
    let server = SmtpServer::start(&[]);
    let smtp = smtp(&server);
    for (email, to) in
        [("ada@example.org", "ada@example.org"), ("zoë@bücher.example", "zoë@xn--bcher-kva.example")]
    {
        let mail = mail("o-1", email);
        smtp.deliver(&mail).await.unwrap();
        let received = server.mail();
        assert_eq!(received.from, "orders@shop.example");
        assert_eq!(received.to, [to]);
        assert_eq!(received.content.trim_end().as_bytes(), mail.message().formatted().trim_ascii_end());
    }
    server.check_no_more();
}

/// By another reader of mails than those who compose them.
#[tokio::test]
async fn a_mail_is_read_as_text_and_as_html() {
    let server = SmtpServer::start(&[]);
    let zoe = Customer { name: "Zoë <1>".into(), ..ada() };
    smtp(&server).deliver(&compose(&sender(), &zoe, &failed("o-1")).unwrap()).await.unwrap();
    let parts = server.mail().parts;
    let [(plain, text), (rich, html)] = &parts[..] else { panic!("{parts:?}") };
    assert_eq!([plain, rich], ["text/plain", "text/html"]);
    assert!(text.starts_with("Hello Zoë <1>,\n"), "{text}");
    assert!(text.ends_with("\nKind regards,\n  Orders\n"), "{text}");
    assert!(html.contains("Hello Zoë &lt;1&gt;,</p>") && html.ends_with("</html>\n"), "{html}");
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = SmtpServer::start(&[]);
    let smtp = smtp(&server);
    for n in 0..5 {
        smtp.deliver(&mail(&format!("o-{n}"), "ada@example.org")).await.unwrap();
        assert_eq!(server.mail().connection, 1);
        // The connection is given back by a task.
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_server_may_go_and_come_back() {
    let mut server = SmtpServer::start(&[]);
    let smtp = smtp(&server);
    let mail = mail("o-1", "ada@example.org");
    smtp.deliver(&mail).await.unwrap();
    server.mail();
    server.kill();
    let error = smtp.deliver(&mail).await.unwrap_err();
    assert!(matches!(error, Temporary(_)), "{error}");
    server.restart();
    smtp.deliver(&mail).await.unwrap();
    server.mail();
    server.check_no_more();
}

/// The connection of the mail that was given up must not serve another one.
#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let server = SmtpServer::start(&[("ada@example.org", &["hang", "550 5.1.1 nobody"])]);
    let smtp = smtp(&server).with_timeout(Duration::from_millis(300));
    let (ada, eve) = (mail("o-1", "ada@example.org"), mail("o-2", "eve@example.org"));
    let error = smtp.deliver(&ada).await.unwrap_err();
    assert!(matches!(error, Deferred(_)), "others may go on: {error}");
    smtp.deliver(&eve).await.unwrap();
    assert_eq!(server.mail().to, ["eve@example.org"]);
    let error = smtp.deliver(&ada).await.unwrap_err();
    assert!(matches!(error, Refused(_)), "{error}");
    smtp.deliver(&ada).await.unwrap();
    assert_eq!(server.mail().to, ["ada@example.org"]);
    server.check_no_more();
}

#[tokio::test]
async fn a_wrong_password_is_no_fault_of_the_mail() {
    let server = SmtpServer::with_user("me", "s p@ce");
    let mail = mail("o-1", "ada@example.org");
    for (user, expected) in [("", false), ("me:wrong@", false), ("me:s%20p%40ce@", true)] {
        let smtp = Smtp::new(&server.url(user, ""), Handle::current()).unwrap();
        match smtp.deliver(&mail).await {
            Ok(()) => assert!(expected, "{user}"),
            Err(error) => assert!(!expected && matches!(error, Misconfigured(_)), "{user}: {error}"),
        }
    }
    server.mail();
    server.check_no_more();
}

#[tokio::test]
async fn a_server_that_knows_ascii_alone() {
    let server = SmtpServer::without_utf8();
    let smtp = smtp(&server);
    let error = smtp.deliver(&mail("o-1", "zoë@example.org")).await.unwrap_err();
    assert!(matches!(&error, Refused(reason) if reason.contains("SMTPUTF8")), "{error}");
    for (email, to) in [("zoe@example.org", "zoe@example.org"), ("info@exämple.de", "info@xn--exmple-cua.de")]
    {
        smtp.deliver(&mail("o-2", email)).await.unwrap();
        assert_eq!(server.mail().to, [to]);
    }
    server.check_no_more();
}

#[tokio::test]
async fn no_mail_goes_unencrypted_where_tls_is_required() {
    let server = SmtpServer::start(&[]);
    let mail = mail("o-1", "ada@example.org");
    for url in [server.url("", "?tls=required"), server.url("", "").replace("smtp:", "smtps:")] {
        let smtp = Smtp::new(&url, Handle::current()).unwrap().with_timeout(Duration::from_secs(5));
        let error = smtp.deliver(&mail).await.unwrap_err();
        assert!(!matches!(error, Refused(_)), "{url}: {error}");
    }
    let required = Smtp::new(&server.url("", "?tls=required"), Handle::current()).unwrap();
    let error = required.deliver(&mail).await.unwrap_err();
    assert!(error.to_string().contains("STARTTLS is not supported"), "{error}");
    let opportunistic = Smtp::new(&server.url("", "?tls=opportunistic"), Handle::current()).unwrap();
    opportunistic.deliver(&mail).await.unwrap();
    server.mail();
    server.check_no_more();
}

#[tokio::test]
async fn what_is_no_url_of_a_mail_server() {
    for url in ["", "localhost:25", "http://localhost", "smtp://host?tls=maybe", "smtp://"] {
        assert!(Smtp::new(url, Handle::current()).is_err(), "{url:?}");
    }
}

/// As at the end of a process, where the last reference may go on any thread.
#[test]
fn the_last_reference_may_go_outside_of_the_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = SmtpServer::start(&[]);
    let smtp = Smtp::new(&server.url("", ""), runtime.handle().clone()).unwrap();
    runtime.block_on(smtp.deliver(&mail("o-1", "ada@example.org"))).unwrap();
    drop(smtp);
    let smtp = Smtp::new(&server.url("", ""), runtime.handle().clone()).unwrap();
    runtime.block_on(smtp.deliver(&mail("o-1", "ada@example.org"))).unwrap();
    drop(runtime);
    drop(smtp);
}
