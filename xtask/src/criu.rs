//! criu, with which Docker writes running containers to files and brings them to life again.
//!
//! Debian bookworm's is too old for newer kernels: so it is taken from trixie, with all libraries that it needs, into a folder
//! of its own where nothing else finds them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    process::output_of,
    run::{target_folder, write},
};

/// Where it is taken from. The key lies on every Debian.
const SOURCE: &str =
    "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main\n";

/// The folder that has a program called `criu` which works on this machine. It is made when it is not there.
pub(crate) fn install() -> Result<PathBuf, String> {
    let folder = target_folder()?.join("criu");
    let programs = folder.join("bin");
    let program = programs.join("criu");
    if !program.exists() {
        eprintln!("xtask: installing criu into {}", folder.display());
        unpack(&folder)?;
        fs::create_dir_all(&programs).map_err(|error| format!("cannot make {}: {error}", programs.display()))?;
        // It is started by the loader of its own library, since this machine's may be older.
        let root = folder.join("root/usr");
        let start = format!(
            "#!/bin/sh\nexec {root}/lib64/ld-linux-x86-64.so.2 --library-path \
             {root}/lib/x86_64-linux-gnu:{root}/lib/x86_64-linux-gnu/compel {root}/sbin/criu \"$@\"\n",
            root = root.display()
        );
        let unfinished = folder.join("criu.sh");
        write(&unfinished, &start)?;
        fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o755))
            .and_then(|()| fs::rename(&unfinished, &program))
            .map_err(|error| format!("cannot make {}: {error}", program.display()))?;
    }
    output_of(Command::new(&program).arg("check"))
        .map_err(|error| format!("criu does not work on this machine: {error}"))?;
    Ok(programs)
}

/// Downloads the package and all that it depends on, as for a machine on which nothing is installed, and unpacks them.
fn unpack(folder: &Path) -> Result<(), String> {
    let apt = folder.join("apt");
    for part in ["lists/partial", "cache/archives/partial", "parts"] {
        let part = apt.join(part);
        fs::create_dir_all(&part).map_err(|error| format!("cannot make {}: {error}", part.display()))?;
    }
    write(&apt.join("sources.list"), SOURCE)?;
    write(&apt.join("status"), "")?;
    let own = [
        ("Dir::Etc::SourceList", "sources.list"),
        ("Dir::Etc::SourceParts", "parts"),
        ("Dir::State", ""),
        ("Dir::State::Lists", "lists"),
        ("Dir::State::status", "status"),
        ("Dir::Cache", "cache"),
    ];
    for arguments in [&["update"][..], &["install", "--yes", "--no-install-recommends", "--download-only", "criu"]] {
        let mut command = Command::new("apt-get");
        command.args(["--quiet", "--quiet", "-o", "Debug::NoLocking=1", "-o", "Acquire::Languages=none"]);
        for (option, place) in own {
            command.arg("-o").arg(format!("{option}={}", apt.join(place).display()));
        }
        output_of(command.args(arguments))?;
    }
    let archives = apt.join("cache/archives");
    let entries = fs::read_dir(&archives).map_err(|error| format!("cannot read {}: {error}", archives.display()))?;
    let packages = entries.flatten().map(|entry| entry.path());
    for package in packages.filter(|path| path.extension().is_some_and(|extension| extension == "deb")) {
        output_of(Command::new("dpkg").arg("-x").arg(package).arg(folder.join("root")))?;
    }
    Ok(())
}
