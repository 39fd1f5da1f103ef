//! Debian's packages that the test bed is made of, and the compiler that libFuzzer is built with, installed where they are missing.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::process::output_of;

/// Each package, and the program that shows that it, or another of the same use, is there.
const NEEDED: [(&str, &str); 12] = [
    ("docker.io", "dockerd"),
    ("podman", "podman"),
    ("runc", "runc"),
    ("iptables", "iptables"),
    ("iproute2", "ip"),
    ("util-linux", "nsenter"),
    ("mount", "mount"),
    ("prometheus", "prometheus"),
    ("g++", "c++"),
    ("openssl", "openssl"),
    ("prometheus-alertmanager", "prometheus-alertmanager"),
    ("prometheus-node-exporter", "prometheus-node-exporter"),
];

/// Packages that are asked for by name. The program of the first is called like that of the package `busybox`, which is not
/// statically linked; the second brings no program of its own.
const ASKED_FOR: [&str; 2] = ["busybox-static", "python3-venv"];

/// Folders that a root shell does not always have in its PATH.
const MORE_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Forbids packages to start daemons, where there is an init system that would do so.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Where `program` is.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(MORE_FOLDERS.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Installs what is missing.
///
/// An error says what to do: it needs root and a Debian, and is of no use elsewhere.
pub(crate) fn install() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("the test bed needs root, for network namespaces and container engines; run it as root, \
                    or leave it out: cargo xtask test --without-testbed"
            .into());
    }
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    if find("apt-get").is_none() {
        return Err(format!(
            "the test bed needs {}, and this is not a Debian where it could install them; \
             install them, or leave it out: cargo xtask test --without-testbed",
            missing.join(", ")
        ));
    }
    println!("xtask: installing {}", missing.join(" "));
    let quiet = NoDaemons::enforce()?;
    apt(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&missing);
    let installed = apt(&arguments);
    drop(quiet);
    installed
}

fn missing() -> Vec<&'static str> {
    let mut missing: Vec<_> = NEEDED.iter().filter(|(_, it)| find(it).is_none()).map(|(package, _)| *package).collect();
    let status =
        |package| output_of(Command::new("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", package]));
    missing.extend(ASKED_FOR.into_iter().filter(|package| status(package).as_deref() != Ok("installed")));
    missing
}

fn apt(arguments: &[&str]) -> Result<(), String> {
    // A lock that another apt holds, as on a machine that has just come up, is waited for: two minutes.
    let options = ["--quiet", "--quiet", "-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0"];
    let mut command = Command::new("apt-get");
    command.args(options).args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("cannot run apt-get: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let what = arguments.first().unwrap_or(&"");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("apt-get {what} ended with {}:\n{out}{err}", output.status))
}

/// While it lives, packages start no daemons when they are installed.
struct NoDaemons {
    ours: bool,
}

impl NoDaemons {
    fn enforce() -> Result<Self, String> {
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        let written = fs::write(POLICY, "#!/bin/sh\nexit 101\n");
        written
            .and_then(|()| fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755)))
            .map_err(|error| format!("cannot write {POLICY}: {error}"))?;
        Ok(Self { ours: true })
    }
}

impl Drop for NoDaemons {
    fn drop(&mut self) {
        if self.ours {
            let _ = fs::remove_file(POLICY);
        }
    }
}
