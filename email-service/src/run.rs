//! The service: the topology, customers over HTTP, and the mailer.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use actix_web::web::Data;
use lettre::message::Mailbox;
use service::{
    Background, Environment, Gauge, RunningService, SecretFile, StartServiceError, duration, topics,
};
use streams::ClientError;
use tokio::runtime::Handle;
use utoipa::OpenApi as _;

use crate::api::CustomersApi;
use crate::delivery::{InvalidSmtpUrl, MailFolder, Smtp, Transport};
use crate::http::{self, Customers};
use crate::mail::parse_sender;
use crate::mailer::{
    MAILER_GROUP, Mailer, MailerConfig, MailerError, MailerMetrics, RetryPolicy, StopRequest, WAITING,
};
use crate::topic_end::TopicEnd;
use crate::topology::{APPLICATION, topology};

/// Where mails go, and whom they come from.
#[derive(Clone, Debug, clap::Args)]
pub struct MailArgs {
    /// The mail server, such as smtps://user:password@host or smtp://host:25?tls=opportunistic. Without one, mails
    /// are written as .eml files to `mail` in the data directory, which keeps the latest 10,000.
    #[arg(long, hide_env_values = true)]
    pub smtp_url: Option<String>,
    /// A file that holds the URL of the mail server: with a password in it, it stands in no list of processes.
    #[arg(long, value_name = "FILE", conflicts_with = "smtp_url")]
    pub smtp_url_file: Option<SecretFile>,
    /// Whom the mails come from.
    #[arg(long, default_value = "Orders <orders@localhost>", value_parser = parse_sender)]
    pub mail_from: Mailbox,
    /// How long after a mail's first temporary refusal it is tried again; each pause is twice as long as the one
    /// before, up to half an hour
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration)]
    pub mail_retry_after: Duration,
    /// How long after its first temporary refusal a mail is given up and becomes a dead letter
    #[arg(long, value_name = "DURATION", default_value = "96h", value_parser = duration)]
    pub mail_give_up_after: Duration,
}

impl MailArgs {
    fn retry(&self) -> RetryPolicy {
        let default = RetryPolicy::default();
        RetryPolicy {
            first_pause: self.mail_retry_after,
            longest_pause: default.longest_pause.max(self.mail_retry_after),
            give_up_after: self.mail_give_up_after,
        }
    }
}

impl MailArgs {
    fn smtp_url(&self) -> Option<&str> {
        self.smtp_url.as_deref().or(self.smtp_url_file.as_ref().map(SecretFile::secret))
    }
}

/// Why email-service cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartEmailError {
    /// As any service.
    #[error(transparent)]
    Service(#[from] StartServiceError),
    /// There is no reader of customers; most likely a setting is wrong.
    #[error("could not make the reader of customers: {0}")]
    Reader(ClientError),
    /// The URL of the mail server.
    #[error(transparent)]
    SmtpUrl(#[from] InvalidSmtpUrl),
    /// The folder for mails.
    #[error("could not make the folder for mails {}: {source}", path.display())]
    Folder {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The mailer's thread.
    #[error("could not start the mailer's thread: {0}")]
    Thread(io::Error),
}

/// Starts email-service, within a tokio runtime. `folder` is for mails where there is no mail server.
///
/// # Errors
///
/// The topology, the producer of commands or the mailer cannot be started.
pub fn run(
    environment: &Environment,
    mail: &MailArgs,
    folder: PathBuf,
) -> Result<RunningService, StartEmailError> {
    let transport: Arc<dyn Transport> = match mail.smtp_url() {
        Some(url) => Arc::new(Smtp::new(url, Handle::current())?),
        None => Arc::new(
            MailFolder::new(&folder).map_err(|source| StartEmailError::Folder { path: folder, source })?,
        ),
    };
    let email = topology();
    let streams = environment.start(email.topology, vec![topics::CUSTOMERS.spec(), WAITING.spec()])?;
    let reader = environment.clients.reader(APPLICATION).map_err(StartEmailError::Reader)?;
    let customers = Data::new(Customers {
        table: email.customers,
        queries: streams.queries(),
        commands: environment.commands()?,
        end: TopicEnd::new(topics::CUSTOMERS.name(), environment.partitions, reader),
    });
    let config = MailerConfig {
        client_id: environment.client_id.clone(),
        transactional_id: format!("{MAILER_GROUP}-{}", environment.state.instance_id()),
        retry: mail.retry(),
        ..MailerConfig::new(mail.mail_from.clone())
    };
    let mailer = Mailer::new(environment.clients.clone(), transport, config, Handle::current());
    let mailer = MailerThread::start(mailer).map_err(StartEmailError::Thread)?;
    Ok(RunningService::new("email-service", streams)
        .with_routes(move |config| http::routes(config, customers.clone()))
        .with_api(CustomersApi::openapi())
        .with_background(mailer))
}

/// Keeps the mailer running on a thread of its own.
struct MailerThread {
    stop: Arc<StopRequest>,
    problem: Arc<Mutex<Option<String>>>,
    metrics: Arc<MailerMetrics>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Between the end of a mailer and the next one.
const RESTART: Duration = Duration::from_secs(1);

impl MailerThread {
    fn start(mailer: Mailer) -> io::Result<Self> {
        let (stop, problem) = (Arc::<StopRequest>::default(), Arc::new(Mutex::default()));
        let metrics = mailer.metrics().clone();
        let thread = thread::Builder::new().name("mailer".to_string()).spawn({
            let (stop, problem) = (stop.clone(), problem.clone());
            move || keep_running(|| mailer.run(&stop), &stop, &problem)
        })?;
        Ok(Self { stop, problem, metrics, thread: Mutex::new(Some(thread)) })
    }
}

fn keep_running(
    mut mail: impl FnMut() -> Result<(), MailerError>,
    stop: &StopRequest,
    problem: &Mutex<Option<String>>,
) {
    let tell = |reason| *problem.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    while !stop.is_requested() {
        let error = match catch_unwind(AssertUnwindSafe(&mut mail)) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "a bug: it has panicked, see the log".to_owned(),
        };
        tracing::error!(error, "the mailer is started anew");
        tell(Some(error));
        thread::park_timeout(RESTART);
        tell(None);
    }
}

impl Background for MailerThread {
    fn reasons(&self) -> Vec<String> {
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = self.metrics.refused_partitions();
        let refused = refused.iter().map(|(partition, reason)| format!("mailer: {partition}: {reason}"));
        problem.iter().map(|problem| format!("mailer: {problem}")).chain(refused).collect()
    }

    fn gauges(&self) -> Vec<Gauge> {
        let waiting = self.metrics.waiting();
        let gauge =
            |name, help, label: &str, value| Gauge { name, help, label: ("reply", label.to_owned()), value };
        let counts = waiting.iter().map(|count| {
            let mails = count.mails.try_into().unwrap_or(i64::MAX);
            gauge(
                "mails_waiting",
                "Mails that were refused temporarily, by what the server replies",
                &count.reply,
                mails,
            )
        });
        let ages = waiting.iter().map(|count| {
            let (name, help) = (
                "mails_waiting_since_timestamp_seconds",
                "When the first of the mails that wait was refused",
            );
            gauge(name, help, &count.reply, count.since.as_second())
        });
        counts.chain(ages).collect()
    }

    fn counters(&self) -> BTreeMap<&'static str, u64> {
        let name = |name| match name {
            "sent" => "mails_sent",
            "retried" => "mails_retried",
            "refused" => "mails_refused",
            "without_customer" => "mails_without_customer",
            _ => "mailer_dead_letters",
        };
        self.metrics.read().into_iter().map(|(counter, value)| (name(counter), value)).collect()
    }

    fn request_stop(&self, until: Instant) {
        self.stop.request(until);
    }

    fn stop(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.thread().unpark();
            // It may have panicked: then it has stopped.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_mailer_that_panics_is_shown_and_started_again() {
        let (stop, problem, starts) = (StopRequest::default(), Mutex::default(), AtomicU32::new(0));
        thread::scope(|scope| {
            let mailer = scope.spawn(|| {
                let mail = || match starts.fetch_add(1, Ordering::Relaxed) {
                    0 => panic!("a bug in the mailer"),
                    _ => Ok(()),
                };
                keep_running(mail, &stop, &problem);
            });
            while problem.lock().unwrap().as_deref() != Some("a bug: it has panicked, see the log") {
                assert!(!mailer.is_finished(), "it has ended in silence");
                thread::yield_now();
            }
            mailer.thread().unpark();
        });
        assert_eq!((starts.into_inner(), problem.into_inner().unwrap()), (2, None));
    }
}
