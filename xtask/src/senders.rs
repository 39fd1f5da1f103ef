//! Programs of tests that are written in Go, because the packages that they test against are.

use std::{path::PathBuf, process::Command};

use crate::{packages, process::output_of, run::target_folder, stages::root};

/// Where Go installs itself, when it does not come from a package.
const GO: &str = "/usr/local/go/bin/go";

/// Builds the sender of remote-write and says where it is. Go asks its module proxy for what is not in its cache.
pub(crate) fn remote_write() -> Result<PathBuf, String> {
    let go = packages::find("go").or_else(|| Some(PathBuf::from(GO)).filter(|go| go.is_file())).ok_or(
        "the test bed needs Go, 1.25 or later, for a sender made of Prometheus' packages; install it from go.dev, \
         or leave the test bed out: cargo xtask test --without-testbed",
    )?;
    let program = target_folder()?.join("senders/remote_write");
    let mut build = Command::new(go);
    build.current_dir(root().join("tests/senders")).args(["build", "-o"]).arg(&program).arg("./remote_write");
    output_of(&mut build)?;
    Ok(program)
}
