//! The programs under test.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The path of a program of this workspace, built as it stands now.
pub fn binary(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(build).join(name)
}

/// Cargo builds the programs of other packages only when it is asked to. There are no examples; who asks for them gets
/// the programs with the features that dependencies have in tests, and so most of them from what was built for these.
fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args(["build", "--workspace", "--bins", "--examples", "--quiet", "--locked"])
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the programs under test do not build");
    // The test itself is in <target>/<profile>/deps.
    let test = std::env::current_exe().expect("a test has a path");
    test.ancestors().nth(2).expect("a test is in a target directory").to_owned()
}
