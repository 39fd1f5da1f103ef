//! The image of the test containers: a busybox root file system, since no registry may be reachable.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{http, process::output_of};

/// Its name in every engine. `localhost` keeps the engines from asking a registry for it.
pub(crate) const NAME: &str = "localhost/homeostat/testbed:latest";

/// The program that the image is made of; statically linked.
const BUSYBOX: &str = "/bin/busybox";

/// Makes the archive of the root file system in `folder`, unless it is there.
pub(crate) fn build(folder: &Path) -> Result<PathBuf, String> {
    let archive = folder.join("rootfs.tar");
    if archive.exists() {
        return Ok(archive);
    }
    let root = folder.join("rootfs");
    fill(&root)?;
    output_of(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg("."))?;
    Ok(archive)
}

fn fill(root: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot make the image in {}: {error}", root.display());
    for folder in ["bin", "etc", "proc", "sys", "dev", "root", "tmp"] {
        fs::create_dir_all(root.join(folder)).map_err(failed)?;
    }
    fs::copy(BUSYBOX, root.join("bin/busybox")).map_err(failed)?;
    for applet in output_of(Command::new(BUSYBOX).arg("--list"))?.lines().filter(|applet| *applet != "busybox") {
        symlink("busybox", root.join("bin").join(applet)).map_err(failed)?;
    }
    Ok(())
}

/// Puts the image into the engine behind `socket`, unless it is there.
pub(crate) fn import(socket: &Path, archive: &Path) -> Result<(), String> {
    if let Ok((200, _)) = http::request(socket, "GET", &format!("/images/{NAME}/json"), b"") {
        return Ok(());
    }
    let body = fs::read(archive).map_err(|error| format!("cannot read {}: {error}", archive.display()))?;
    let (repository, _) = NAME.rsplit_once(':').unwrap_or((NAME, ""));
    // Without a tag both engines name it `latest`; Podman 4.3 does so even when another tag is given.
    let path = format!("/images/create?fromSrc=-&repo={repository}&tag=latest");
    match http::request(socket, "POST", &path, &body)? {
        (200, _) => Ok(()),
        (status, text) => Err(format!("the engine refused the image with status {status}: {}", text.trim())),
    }
}
