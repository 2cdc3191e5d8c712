//! Work that blocks.

use std::io;
use std::thread;

use tokio::sync::oneshot;

/// Starts `work` on a thread of its own. Unlike the runtime's threads for such work, nobody waits for it when the
/// process ends. What is returned fails if the work panics.
pub(crate) fn on_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<oneshot::Receiver<T>> {
    let (done, result) = oneshot::channel();
    thread::Builder::new().name(name.to_owned()).spawn(move || drop(done.send(work())))?;
    Ok(result)
}
