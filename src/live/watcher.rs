//! Tells when something may have changed in the folders of some files.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::report::Failure;

/// How a folder is watched, and which one it is: another one may be given its name.
type Folder = (RecursiveMode, Option<(u64, u64)>);

/// Watches folders, others when it is told to.
pub(super) struct Watcher {
    notices: mpsc::Sender<()>,
    folders: BTreeMap<PathBuf, Folder>,
    /// Kept for what it does until it goes.
    _watching: Option<RecommendedWatcher>,
}

impl Watcher {
    /// Watches nothing yet; notices go to `notices`.
    pub(super) fn new(notices: mpsc::Sender<()>) -> Self {
        Self { notices, folders: BTreeMap::new(), _watching: None }
    }

    /// Watches the folders of `paths` from now on.
    ///
    /// # Errors
    /// [`Failure`] when they cannot be watched; those before still are.
    pub(super) fn watch(&mut self, paths: &[PathBuf]) -> Result<(), Failure> {
        let identity = |folder: &Path| folder.metadata().ok().map(|found| (found.dev(), found.ino()));
        let folders: BTreeMap<PathBuf, Folder> =
            folders(paths).into_iter().map(|(folder, mode)| (folder.clone(), (mode, identity(&folder)))).collect();
        if folders == self.folders {
            return Ok(());
        }
        let notices = self.notices.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let read_only = event.as_ref().is_ok_and(|event| event.kind.is_access());
            if !read_only {
                // One waiting notice is enough: everything is read anew.
                let _ = notices.try_send(());
            }
        })
        .map_err(|error| Failure::new(format!("cannot watch the files: {error}")))?;
        for (folder, (mode, _)) in &folders {
            watcher
                .watch(folder, *mode)
                .map_err(|error| Failure::new(format!("cannot watch {}: {error}", folder.display())))?;
        }
        (self.folders, self._watching) = (folders, Some(watcher));
        // Something may have changed since the files were read.
        let _ = self.notices.try_send(());
        Ok(())
    }
}

/// What is watched: folders with all that is below them; of a file its folder alone, since an editor replaces the file, and a
/// ConfigMap swaps a link beside it. What lies below another watched folder is watched with that. Of what is not there, the
/// nearest folder that is.
fn folders(paths: &[PathBuf]) -> BTreeMap<PathBuf, RecursiveMode> {
    let (whole, files): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(|path| path.is_dir());
    let mut folders: BTreeMap<PathBuf, RecursiveMode> =
        whole.iter().map(|folder| ((*folder).clone(), RecursiveMode::Recursive)).collect();
    for file in files {
        let folder = existing(file);
        if !whole.iter().any(|whole| folder.starts_with(whole)) {
            folders.insert(folder.to_owned(), RecursiveMode::NonRecursive);
        }
    }
    folders
}

/// The nearest folder above `file` that is there.
fn existing(file: &Path) -> &Path {
    let above = file.ancestors().skip(1).take_while(|folder| !folder.as_os_str().is_empty());
    above.into_iter().find(|folder| folder.is_dir()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use notify::RecursiveMode::{NonRecursive, Recursive};

    use super::folders;

    #[test]
    fn a_files_folder_is_watched_without_what_is_below_it() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::create_dir_all(path("all/deep")).unwrap();
        let watched = folders(&[
            path("a.yaml"),
            path("all"),
            path("all/deep/b.yaml"),
            PathBuf::from("c.yaml"),
            path("gone/there/d.yaml"),
            PathBuf::from("gone/e.yaml"),
        ]);
        let expected = [(PathBuf::from("."), NonRecursive), (path(""), NonRecursive), (path("all"), Recursive)];
        assert_eq!(watched, expected.map(|(path, mode)| (path.components().collect(), mode)).into());
    }
}
