//! The Python that tests send with: a virtual environment with the official CloudEvents SDK, made once and kept.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    process::output_of,
    run::{target_folder, write},
};

/// What is installed. Versions are fixed, so that every machine sends the same.
const PACKAGES: [&str; 5] =
    ["cloudevents==2.2.0", "deprecation==2.1.0", "packaging==26.3", "python-dateutil==4.0.0", "tzdata==2026.6"];

/// Debian's; one of a user's own may lack what environments are made with.
const PYTHON: &str = "/usr/bin/python3";

/// Makes the environment if it is not there, and gives its interpreter.
pub(crate) fn install() -> Result<PathBuf, String> {
    let folder = target_folder()?.join("python");
    let (interpreter, mark) = (folder.join("bin/python"), folder.join("installed"));
    let wanted = PACKAGES.join("\n");
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(interpreter);
    }
    println!("xtask: installing {}", PACKAGES.join(" "));
    output_of(Command::new(PYTHON).args(["-m", "venv", "--clear"]).arg(&folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    output_of(Command::new(&interpreter).args(pip).args(PACKAGES))?;
    write(&mark, &wanted)?;
    Ok(interpreter)
}
