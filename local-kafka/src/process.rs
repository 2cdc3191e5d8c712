//! Child processes that do not outlive this one.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Ends itself when the parent is gone before `setpriv` could ask for its signal; else becomes the
/// program.
const UNLESS_ORPHANED: &str = r#"[ "$PPID" = "$0" ] && exec "$@""#;

/// A command for `program` that gets SIGKILL from the kernel when the thread that spawned it ends.
///
/// The process that results is `program` itself, in a process group of its own: a Ctrl-C in the
/// terminal reaches this process, which decides about its children.
pub(crate) fn bound_command(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "/bin/sh", "-c", UNLESS_ORPHANED])
        .arg(std::process::id().to_string())
        .arg(program)
        .process_group(0);
    command
}

/// A child that dies with this process, however this process ends, and when it is dropped.
#[derive(Debug)]
pub(crate) struct BoundChild {
    child: Child,
    /// Keeps the thread that spawned the child alive: the kernel ties the child to that thread.
    _lifeline: mpsc::Sender<()>,
}

impl BoundChild {
    /// Spawns what [`bound_command`] made.
    pub(crate) fn spawn(mut command: Command) -> io::Result<Self> {
        let (lifeline, released) = mpsc::channel::<()>();
        let (report, spawned) = mpsc::sync_channel(1);
        thread::Builder::new().name("kafka-lifeline".into()).spawn(move || {
            // The receiver is gone only if the caller is.
            let _ = report.send(command.spawn());
            // Nothing is ever sent: this returns when the lifeline is dropped.
            let _ = released.recv();
        })?;
        let child = spawned.recv().map_err(io::Error::other)??;
        Ok(Self { child, _lifeline: lifeline })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits for the child to end by itself; `None` when it has not by then.
    pub(crate) fn wait_for(&mut self, patience: Duration) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + patience;
        loop {
            let status = self.try_wait()?;
            if status.is_some() || Instant::now() >= deadline {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal, named without SIG. The child has not been waited for, so its id is its own.
    pub(crate) fn signal(&self, name: &str) -> io::Result<()> {
        let pid = self.pid().to_string();
        let status = Command::new("/bin/sh").args(["-c", r#"kill -s "$0" "$1""#, name, &pid]).status()?;
        if status.success() {
            return Ok(());
        }
        Err(io::Error::other(format!("kill ended with {status}")))
    }

    pub(crate) fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for BoundChild {
    fn drop(&mut self) {
        // The kernel does it otherwise, when the lifeline ends.
        let _ = self.kill();
    }
}

/// Runs a short command to its end and returns how it ended with all that it said.
pub(crate) fn run(command: &mut Command) -> io::Result<(ExitStatus, String)> {
    let output = command.output()?;
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok((output.status, said))
}
