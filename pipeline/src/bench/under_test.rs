//! The pipeline that is measured: this same program as a process of its own.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use reqwest::Url;
use service::with_environment;
use tokio::time::timeout;

use super::process::Process;
use crate::on_thread::on_thread;
use crate::up::UpArgs;

/// A `pipeline up`, killed when it is dropped.
pub(super) struct UnderTest {
    child: Running,
    pub(super) url: Url,
    /// From its start until it said that all of it runs.
    pub(super) ready_after: Duration,
}

/// So high that no order of a bench reaches it.
const FRAUD_LIMIT: &str = "1000000000000";

const READY_WITHIN: Duration = Duration::from_secs(120);

impl UnderTest {
    /// Starts it on a Kafka that answers, and waits until all of it runs. From the main thread: it does not outlive
    /// the thread that starts it.
    pub(super) async fn start(
        bootstrap_servers: &str,
        data_dir: &Path,
        more: &[OsString],
    ) -> anyhow::Result<Self> {
        let started = Instant::now();
        let mut command = command(bootstrap_servers, data_dir, more)?;
        let mut child = Running(command.spawn().context("could not start `pipeline up`")?);
        let stdout = child.0.stdout.take().context("its stdout is not piped")?;
        let line = on_thread("stdout", || BufReader::new(stdout).lines().next())?;
        let line = timeout(READY_WITHIN, line).await;
        let ready_after = started.elapsed();
        let line = line.context("`pipeline up` did not become ready in time")?.ok().flatten().transpose()?;
        let line = line.context("`pipeline up` has ended before it was ready")?;
        let url = line.strip_prefix("ready ").and_then(|url| url.parse().ok());
        let url = url.with_context(|| format!("`pipeline up` did not say where it is but {line:?}"))?;
        Ok(Self { child, url, ready_after })
    }

    pub(super) fn process(&self) -> Process {
        Process(self.child.0.id())
    }
}

fn command(bootstrap_servers: &str, data_dir: &Path, more: &[OsString]) -> anyhow::Result<Command> {
    let program = env::current_exe().context("could not find this program itself")?;
    // Its id becomes that of the program. As with the broker, the kernel ends it should this process be killed.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command.args(["up", "--http", "127.0.0.1:0", "--log-level", "warn"]);
    command.args(["--fraud-limit", FRAUD_LIMIT, "--bootstrap-servers", bootstrap_servers, "--data-dir"]);
    command.arg(data_dir).args(more).stdin(Stdio::null()).stdout(Stdio::piped());
    // What is measured stands in the command line and nowhere else.
    let up = with_environment(UpArgs::augment_args(clap::Command::new("up")));
    for variable in up.get_arguments().filter_map(clap::Arg::get_env) {
        command.env_remove(variable);
    }
    Ok(command)
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended, which is as good.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_environment_variable_changes_what_is_measured() {
        let command = command("127.0.0.1:1", Path::new("d"), &["--threads".into(), "2".into()]).unwrap();
        let removed: Vec<_> =
            command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        for setting in ["BOOTSTRAP_SERVERS", "PARTITIONS", "TOPIC_PREFIX", "THREADS", "DEADLINE", "SMTP_URL"]
        {
            let variable = format!("ORDER_PIPELINE_{setting}");
            assert!(removed.contains(&variable.as_ref()), "{variable} is not in {removed:?}");
        }
        assert!(command.get_args().collect::<Vec<_>>().ends_with(&["--threads".as_ref(), "2".as_ref()]));
    }
}
