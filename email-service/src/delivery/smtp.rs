//! Mails to a mail server.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use lettre::transport::smtp::AsyncSmtpTransportBuilder;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use tokio::runtime::Handle;

use super::symptom::Symptom;
use super::{DeliveryError, Transport};
use crate::mail::Mail;

/// Sends mails to one server, over connections that are used again.
pub struct Smtp {
    settings: AsyncSmtpTransportBuilder,
    timeout: Duration,
    runtime: Handle,
    /// Made when it is first needed, and anew after a timeout.
    connections: Mutex<Option<Connections>>,
}

type Connections = AsyncSmtpTransport<Tokio1Executor>;

/// For TCP and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a server may take over a mail. After the mail's last byte it must be given 10 minutes (RFC 5321,
/// 4.5.3.2.6): a client that gives up earlier sends again what was accepted.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(11 * 60);

/// How long a server may take to greet, when it is asked whether it takes mail at all.
const GREETING_TIMEOUT: Duration = Duration::from_secs(60);

impl Smtp {
    /// Sends to the server of `url`, by tasks on `runtime`. Nothing is connected yet.
    ///
    /// | URL | encryption | port unless given |
    /// |---|---|---|
    /// | `smtps://user:password@host` | TLS from the start | 465 |
    /// | `smtp://user:password@host?tls=required` | STARTTLS, or no mail | 587 |
    /// | `smtp://host?tls=opportunistic` | STARTTLS if the server offers it | 587 |
    /// | `smtp://host` | none | 25 |
    ///
    /// User and password are percent-encoded and may be left out; a path is the name for EHLO.
    ///
    /// # Errors
    ///
    /// The URL is none of these.
    pub fn new(url: &str, runtime: Handle) -> Result<Self, InvalidSmtpUrl> {
        let settings = Connections::from_url(url).map_err(|error| InvalidSmtpUrl(error.to_string()))?;
        Ok(Self {
            settings: settings.timeout(Some(CONNECT_TIMEOUT)),
            timeout: DELIVERY_TIMEOUT,
            runtime,
            connections: Mutex::default(),
        })
    }

    /// The same with another limit for the time that one mail may take.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn send(&self, mail: &Mail) -> Result<(), DeliveryError> {
        let connections = self.connections();
        let bytes = mail.message().formatted();
        let sending = connections.send_raw(mail.message().envelope(), &bytes);
        let symptom = match self.limit(&connections, self.timeout, sending).await {
            Some(Ok(_)) => return Ok(()),
            Some(Err(error)) => Symptom::of(&error),
            None => Symptom::Broken(format!("no answer within {:?}", self.timeout)),
        };
        Err(symptom.judge(symptom.is_ambiguous() && self.is_in_order().await))
    }

    async fn is_in_order(&self) -> bool {
        let connections = self.connections();
        let limit = self.timeout.min(GREETING_TIMEOUT);
        matches!(self.limit(&connections, limit, connections.test_connection()).await, Some(Ok(true)))
    }

    /// What `work` has to say, or none if it takes too long.
    ///
    /// When work is dropped half way, lettre gives its connection back for the next mail, which would take
    /// the answers to this one for its own. So the connections are shut down before: what comes back to
    /// them then is closed.
    async fn limit<T>(
        &self,
        connections: &Connections,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = pin!(work);
        if let Ok(done) = tokio::time::timeout(limit, &mut work).await {
            return Some(done);
        }
        self.take_connections();
        connections.shutdown().await;
        None
    }

    fn connections(&self) -> Connections {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.get_or_insert_with(|| self.settings.clone().build()).clone()
    }

    fn take_connections(&self) -> Option<Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Transport for Smtp {
    fn deliver<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), DeliveryError>> {
        self.send(mail).boxed()
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        // The last of the connections says goodbye on a task of its own, which needs a runtime.
        let _entered = self.runtime.enter();
        drop(self.take_connections());
    }
}

/// The text is no URL of a mail server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the URL of a mail server, such as smtp://localhost:2525 or smtps://user:password@host: {0}")]
pub struct InvalidSmtpUrl(String);
