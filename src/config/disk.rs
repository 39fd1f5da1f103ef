//! The files that a configuration includes, where they are.

use std::{fs, path::Path};

use homeostat_configuration::{Files, MAX_BYTES};

use crate::files;

/// Names of one folder that are read: more is not a folder of configurations. Some of them only would be another configuration.
const MAX_NAMES: usize = 10_000;

/// The disk.
pub(super) struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<String, String> {
        let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
        if metadata.is_dir() {
            return Err("it is a folder".into());
        }
        if usize::try_from(metadata.len()).is_ok_and(|bytes| bytes > MAX_BYTES) {
            return Err(format!("it has {} bytes, more than {MAX_BYTES}", metadata.len()));
        }
        files::read(path).map(|source| source.text).map_err(|failure| failure.to_string())
    }

    fn names(&self, folder: &Path) -> Result<Vec<String>, String> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
        let mut names = Vec::new();
        for (number, entry) in entries.enumerate() {
            if number >= MAX_NAMES {
                return Err(format!("it has more than {MAX_NAMES} entries"));
            }
            let entry = entry.map_err(|error| error.to_string())?;
            // A folder is no file, whatever its name fits.
            if !entry.path().is_dir() {
                names.extend(entry.file_name().into_string());
            }
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_too_many_names_is_refused_and_not_read_in_part() {
        let folder = tempfile::tempdir().unwrap();
        (0..MAX_NAMES).for_each(|number| fs::write(folder.path().join(format!("{number}.yaml")), "").unwrap());
        let read = || Disk.names(folder.path()).map(|names| names.len());
        assert_eq!(read(), Ok(MAX_NAMES));
        fs::write(folder.path().join("one-more.yaml"), "").unwrap();
        assert_eq!(read(), Err(format!("it has more than {MAX_NAMES} entries")));
    }
}
