//! A process of one service, from its arguments to its exit code.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use streams::StateDirectory;

use crate::args::ServiceArgs;
use crate::environment::Environment;
use crate::explain::explain;
use crate::listener::bind;
use crate::logging;
use crate::open_files::raise_open_files;
use crate::running_service::RunningService;
use crate::serve::serve;
use crate::signals::stop_signal;

/// Runs the service `name` until SIGTERM or ctrl-c, and tells how that went: the whole of a main. `start`
/// is called within a tokio runtime.
pub fn run_service<E>(
    name: &str,
    args: &ServiceArgs,
    start: impl FnOnce(&Environment) -> Result<RunningService, E>,
) -> ExitCode
where
    E: Into<anyhow::Error>,
{
    logging::init(args);
    match run(name, args, |environment| start(environment).map_err(Into::into)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {}", explain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(
    name: &str,
    args: &ServiceArgs,
    start: impl FnOnce(&Environment) -> anyhow::Result<RunningService>,
) -> anyhow::Result<()> {
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let stop = stop_signal().context("could not listen for signals")?;
        let (listener, address) = bind(&args.http)?;
        let state = Arc::new(StateDirectory::open(&args.data_dir(name), args.instance_id.as_deref())?);
        let environment = Environment::new(args, Arc::new(args.kafka()), state, address)?;
        let service = start(&environment)?;
        tracing::info!(service = name, %address, client_id = environment.client_id, "answering at http://{address}");
        Ok(serve(listener, vec![service], args.max_requests, args.shutdown_timeout, stop).await?)
    })
}
