//! The unix socket: whoever the file system lets open it is admin, and is known by the name of their user.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

use crate::{config::Bearings, report::Failure};

/// The name of the socket where none is configured.
const NAME: &str = "homeostat.sock";

/// Where the socket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where the configuration says.
    Configured(PathBuf),
    /// In the journal's folder: who may write the journal may make it, and no other homeostat is there.
    Journal(PathBuf),
    /// In the folder of the user's running programs, since there is no journal to be with.
    User(PathBuf),
}

impl Place {
    /// That of a homeostat with this configuration.
    pub(crate) fn of(bearings: &Bearings) -> Self {
        match (&bearings.socket, &bearings.journal) {
            (Some(path), _) => Self::Configured(path.clone()),
            (None, Some(journal)) => Self::Journal(journal.join(NAME)),
            (None, None) => Self::User(user_folder().join(NAME)),
        }
    }

    /// The path.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Configured(path) | Self::Journal(path) | Self::User(path) => path,
        }
    }
}

/// `$XDG_RUNTIME_DIR`, or a folder of the user's own where there is none.
fn user_folder() -> PathBuf {
    let given = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    given.unwrap_or_else(|| std::env::temp_dir().join(format!("homeostat-{}", rustix::process::geteuid().as_raw())))
}

/// A socket that listens. Its file goes with it.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(super) listener: UnixListener,
    pub(crate) path: PathBuf,
    /// Device and inode: another file of that name is not ours to remove.
    file: Option<(u64, u64)>,
}

impl Socket {
    /// Listens at `place`, mode 0600. What a homeostat left there that has ended is replaced.
    ///
    /// # Errors
    /// [`Failure`] when somebody listens there, or nobody can.
    pub(crate) async fn open(place: &Place) -> Result<Self, Failure> {
        let path = place.path();
        let help = "set spec.socket in the configuration to a path of at most 100 bytes in a folder that homeostat may write to";
        let unusable = |error: io::Error| {
            Failure::new(format!("cannot listen on the socket {}: {error}", path.display())).help(help)
        };
        if let Place::User(path) = place {
            own_folder(path.parent().unwrap_or(Path::new("."))).map_err(unusable)?;
        }
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(Failure::new(format!("{} is there already, and is no socket", path.display()))
                    .help("remove it, or set spec.socket in the configuration to another path"));
            }
            Ok(_) if UnixStream::connect(path).await.is_ok() => {
                return Err(Failure::new(format!("another homeostat listens on {}", path.display()))
                    .help("stop it, or set spec.socket in the configuration to another path"));
            }
            // Nobody listens there, or nothing is there.
            Ok(_) | Err(_) => {}
        }
        // Under another name until nobody else may open it; then it takes the place of what was left behind.
        let name = path.file_name().map_or_else(|| NAME.into(), |name| name.to_string_lossy().into_owned());
        let hidden = path.with_file_name(format!(".{name}.{}", std::process::id()));
        let listener = UnixListener::bind(&hidden).map_err(unusable)?;
        let shown = fs::set_permissions(&hidden, fs::Permissions::from_mode(0o600))
            .and_then(|()| fs::rename(&hidden, path))
            .and_then(|()| fs::symlink_metadata(path));
        match shown {
            Ok(file) => Ok(Self { listener, path: path.to_owned(), file: Some((file.dev(), file.ino())) }),
            Err(error) => {
                // What is left of it is of no use to anybody.
                let _ = fs::remove_file(&hidden);
                Err(unusable(error))
            }
        }
    }

    /// Who opened the connection: the name of their user, or its number.
    pub(super) fn user(stream: &UnixStream) -> io::Result<String> {
        let uid = stream.peer_cred()?.uid();
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Ok(user_name(&users, uid).unwrap_or_else(|| format!("uid {uid}")))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let there = fs::symlink_metadata(&self.path).ok().map(|file| (file.dev(), file.ino()));
        if there.is_some() && there == self.file {
            // It is in nobody's way: the next homeostat replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A folder that nobody else may enter. One that somebody else has made is not used.
fn own_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if let Err(error) = fs::DirBuilder::new().mode(0o700).create(folder)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(error);
    }
    if is_own(folder) {
        return Ok(());
    }
    Err(io::Error::other(format!("{} is not a folder of this user alone", folder.display())))
}

/// Whether `folder` is this user's, and nobody else may write to it.
pub(crate) fn is_own(folder: &Path) -> bool {
    fs::symlink_metadata(folder).is_ok_and(|found| {
        found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0
    })
}

/// The name of the user with this number, in the text of /etc/passwd.
fn user_name(users: &str, uid: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_known_by_their_numbers() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbad\n+nis\nann:x:1000:1000::/home/ann:/bin/sh\nben:x:100:1::/:/\n";
        assert_eq!(
            [0, 1000, 100, 10].map(|uid| user_name(users, uid)),
            [Some("root".into()), Some("ann".into()), Some("ben".into()), None]
        );
    }

    #[tokio::test]
    async fn what_a_dead_process_left_is_replaced_and_what_somebody_uses_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        // Its file stays, and nobody listens any more.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let place = Place::Configured(path.clone());
        let socket = Socket::open(&place).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let failure = Socket::open(&place).await.unwrap_err().to_string();
        assert!(failure.contains("another homeostat listens"), "{failure}");
        drop(socket);
        assert!(!path.exists(), "the file has to go with the socket");
        fs::write(&path, "something else").unwrap();
        let failure = Socket::open(&place).await.unwrap_err().to_string();
        assert!(failure.contains("is no socket"), "{failure}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "something else");
        let long = Place::Configured(folder.path().join("a".repeat(120)));
        assert!(Socket::open(&long).await.is_err());
    }
}
