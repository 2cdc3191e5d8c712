//! `pipeline up`: Kafka, the six services and the seeds, in one process.
//!
//! What is started first ends last: the listener and the state directory, which cost nothing to have and
//! tell at once that another process has them; the broker; the services. A stop goes the same way back, so
//! that the services still have a broker with which to finish their transactions.

mod args;
mod broker;
mod lobby;
mod services;
mod topics;
mod welcome;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use futures::FutureExt;
use service::{Environment, RunningService, bind, init_logging, serve, stop_signal};
use streams::StateDirectory;

pub(crate) use args::UpArgs;
use broker::Broker;
use lobby::Lobby;
use welcome::welcome;

/// Runs until SIGTERM or ctrl-c, or until something cannot run.
pub(crate) async fn up(mut args: UpArgs) -> anyhow::Result<()> {
    init_logging(&args.service);
    let stop = stop_signal().context("could not listen for signals")?.shared();
    let (listener, address) = bind(&args.service.http)?;
    let state = Arc::new(StateDirectory::open(&args.data_dir(), args.service.instance_id.as_deref())?);

    let Some(config) = args.local_kafka() else {
        return run_services(&args, listener, address, state, stop).await;
    };
    let Some(broker) = start_broker(&listener, config, stop.clone()).await? else { return Ok(()) };
    args.service.bootstrap_servers = broker.bootstrap_servers().to_owned();
    let limit = args.service.shutdown_timeout;
    // The broker stops in what the services leave.
    args.service.shutdown_timeout = limit / 4 * 3;
    let stopping = stop.clone().map(|()| Instant::now()).shared();
    let noted = tokio::spawn(stopping.clone());
    let outcome = run_services(&args, listener, address, state, stop).await;
    noted.abort();
    let since = stopping.now_or_never().unwrap_or_else(Instant::now);
    broker.stop((since + limit).saturating_duration_since(Instant::now())).await;
    outcome
}

/// The broker, or none if the stop comes first.
async fn start_broker(
    listener: &TcpListener,
    config: local_kafka::Config,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<Option<Broker>> {
    let lobby = Lobby::open(listener)?;
    let broker = tokio::select! {
        broker = Broker::start(config) => broker.map(Some),
        () = stop => Ok(None),
    };
    lobby.close().await;
    broker
}

async fn run_services(
    args: &UpArgs,
    listener: TcpListener,
    address: SocketAddr,
    state: Arc<StateDirectory>,
    stop: impl Future<Output = ()> + Clone,
) -> anyhow::Result<()> {
    let environment = Environment::new(&args.service, Arc::new(args.service.kafka()), state, address)?;
    tokio::select! {
        created = topics::create(&environment) => created?,
        () = stop.clone() => return Ok(()),
    }
    let services = services::start(&environment, args)?;
    let all_run = RunningService::all_run(&services);
    let mut welcomed = Ok(());
    let until_stop = async {
        tokio::pin!(stop);
        tokio::select! {
            () = &mut stop => return,
            result = welcome(all_run, address, args.with_seeds()) => welcomed = result,
        }
        if welcomed.is_ok() {
            stop.await;
        }
    };
    let (most, within) = (args.service.max_requests, args.service.shutdown_timeout);
    let served = serve(listener, services, most, within, until_stop).await;
    welcomed?;
    Ok(served?)
}
