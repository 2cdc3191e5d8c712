//! `script/bootstrap` on a machine that has nothing but the OS: in fresh roots of Debian's releases.

use std::io::Write;
use std::process::Command;

#[test]
fn debian_12_gets_all_that_is_missing() {
    check("bookworm");
}

#[test]
fn debian_13_gets_all_that_is_missing() {
    check("trixie");
}

/// Making a root takes root's rights, a mount namespace and mmdebstrap. Where they are not, the test says so and passes.
#[track_caller]
fn check(release: &str) {
    if let Err(reason) = can_make_roots() {
        // Not eprintln, which the test harness keeps to itself.
        let said = format!("left out: bootstrap on Debian {release}: {reason}\n");
        std::io::stderr().write_all(said.as_bytes()).expect("stderr is open");
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/bootstrap/in_fresh_debian.sh");
    let output = Command::new("unshare")
        .args(["--mount", "--kill-child", "--pid", "--fork", script, release])
        .arg(directory.path())
        .output()
        .expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{release}: {}\n{said}", output.status);
}

fn can_make_roots() -> Result<(), String> {
    runs("mmdebstrap", &["--version"])?;
    runs("unshare", &["--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
}

fn runs(program: &str, arguments: &[&str]) -> Result<(), String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("{program}: {error}")),
    }
}
