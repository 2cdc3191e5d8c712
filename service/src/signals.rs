//! Being asked to stop: SIGTERM or ctrl-c.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for SIGTERM and SIGINT from now on. What is returned ends at the first of them; a second one ends
/// the process at once, with the exit code that a shell would give.
///
/// # Errors
///
/// The operating system refuses.
pub fn stop_signal() -> io::Result<impl Future<Output = ()> + Send> {
    let mut signals =
        Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
    Ok(async move {
        let first = signals.next().await;
        tracing::info!(signal = first.name, "stopping");
        tokio::spawn(async move { std::process::exit(signals.next().await.exit_code) });
    })
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

struct Received {
    name: &'static str,
    exit_code: i32,
}

impl Signals {
    async fn next(&mut self) -> Received {
        tokio::select! {
            _ = self.terminate.recv() => Received { name: "SIGTERM", exit_code: 128 + 15 },
            _ = self.interrupt.recv() => Received { name: "SIGINT", exit_code: 128 + 2 },
        }
    }
}
