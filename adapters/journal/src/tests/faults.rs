//! Disks that fail: an error that says what, where and what next; nothing is written after it, and nothing is lost that was there.

use std::{
    fs::File,
    io,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::*;
use crate::writer::Store;

/// A file that fails when it is written or synced for that time, from 1, and counts what comes after that.
struct Faulty {
    file: File,
    fails_at: usize,
    sync: bool,
    kind: io::ErrorKind,
    syncs: usize,
    writes: Arc<AtomicUsize>,
}

impl Store for Faulty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        if !self.sync && self.writes.load(Ordering::SeqCst) == self.fails_at {
            // As a full disk does: some of it.
            Store::write(&mut self.file, &bytes[..bytes.len() / 2])?;
            return Err(self.kind.into());
        }
        Store::write(&mut self.file, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.syncs += 1;
        if self.sync && self.syncs == self.fails_at { Err(self.kind.into()) } else { self.file.sync() }
    }
}

#[test]
fn after_a_failure_nothing_is_written_and_what_was_acknowledged_stays() {
    for (sync, kind, advice) in [
        (false, io::ErrorKind::StorageFull, "make room on that disk, or give the journal less with `maxBytes`"),
        (true, io::ErrorKind::StorageFull, "make room on that disk"),
        (false, io::ErrorKind::ReadOnlyFilesystem, "mount it for writing"),
        (true, io::ErrorKind::Other, "look at the disk before starting again"),
    ] {
        let what = format!("{kind:?}, sync {sync}");
        let folder = scratch();
        let writes = Arc::new(AtomicUsize::new(0));
        let (journal, _) = Journal::open_on(
            folder.path(),
            Options::default(),
            |_| {},
            |file| Box::new(Faulty { file, fails_at: 2, sync, kind, syncs: 0, writes: writes.clone() }),
        )
        .unwrap();
        journal.append(&[note("one")]).unwrap().wait().unwrap();
        let failed = journal.append(&[note("two")]).unwrap();
        let error = failed.wait().unwrap_err();
        assert!(matches!(error, JournalError::Io { .. }), "{what}: {error}");
        let text = error.to_string();
        assert!(text.contains("00000001.journal") && text.contains(advice), "{what}: {text}");
        let written = writes.load(Ordering::SeqCst);
        for records in [vec![note("three")], vec![note("four")]] {
            let error = journal.append(&records).unwrap_err();
            assert!(
                matches!(error, JournalError::Poisoned { .. }) && error.to_string().contains(advice),
                "{what}: {error}"
            );
        }
        assert!(matches!(journal.roll(vec![]), Err(JournalError::Poisoned { .. })), "{what}");
        drop(journal);
        assert_eq!(writes.load(Ordering::SeqCst), written, "{what}: it was tried again on the same file");
        let found = opened(folder.path());
        // The second was not acknowledged: it may be there or not, but as a whole.
        assert!(["one,two", "one"].contains(&texts(&found.records).join(",").as_str()), "{what}: {found:?}");
        let (journal, _) = open(folder.path()).unwrap();
        journal.append(&[note("works again")]).unwrap().wait().unwrap();
    }
}

#[test]
fn everybody_who_waits_is_told_of_a_failure() {
    let folder = scratch();
    let (journal, _) = Journal::open_on(
        folder.path(),
        Options::default(),
        |_| {},
        |file| {
            let kind = io::ErrorKind::StorageFull;
            Box::new(Faulty { file, fails_at: 1, sync: true, kind, syncs: 0, writes: Arc::default() })
        },
    )
    .unwrap();
    let tickets: Vec<_> = (0..200).map_while(|n| journal.append(&[note(&n.to_string())]).ok()).collect();
    assert!(!tickets.is_empty());
    for ticket in tickets {
        assert!(ticket.wait().is_err());
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named_with_what_to_do() {
    let folder = scratch();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = open(&file.join("journal")).unwrap_err().to_string();
    assert!(error.contains("cannot create") && error.contains("file/journal"), "{error}");
}

/// A small file system of its own, which is gone with the value. None where this may not be done.
struct Small(TempDir);

impl Small {
    fn mount(size: &str) -> Option<Self> {
        let folder = scratch();
        let options = format!("size={size}");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "homeostat-test"]).arg(folder.path()).output();
        mount.is_ok_and(|mount| mount.status.success()).then_some(Self(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_ends_the_journal_and_room_lets_it_go_on() {
    // Who may not mount has the same in `after_a_failure_...`.
    let Some(disk) = Small::mount("128k") else { return };
    let folder = disk.0.path().join("journal");
    let (journal, _) = open(&folder).unwrap();
    let text = "x".repeat(1000);
    let mut acknowledged = 0;
    let error = loop {
        match journal.append(&[note(&text)]).and_then(crate::Durable::wait) {
            Ok(()) => acknowledged += 1,
            Err(error) => break error.to_string(),
        }
        assert!(acknowledged < 1000, "the disk does not get full");
    };
    assert!(error.contains("No space left on device") && error.contains("make room"), "{error}");
    drop(journal);
    // Read where there is room: everything that was acknowledged is there.
    let elsewhere = copy(&folder);
    assert_eq!(opened(elsewhere.path()).recovered.last_record, acknowledged);
    // And in place, once there is more.
    let more = Command::new("mount").args(["-o", "remount,size=1m"]).arg(disk.0.path()).status().unwrap();
    assert!(more.success());
    let (journal, found) = open(&folder).unwrap();
    assert!(found.recovered.last_record >= acknowledged && found.recovered.cut.is_some(), "{:?}", found.recovered);
    journal.append(&[note("works again")]).unwrap().wait().unwrap();
    // A new segment that there is no room for leaves the journal as it was.
    let error = journal.roll(vec![7; 2 << 20]).unwrap().wait().unwrap_err().to_string();
    assert!(error.contains("00000002.journal") && error.contains("No space left on device"), "{error}");
    drop(journal);
    assert_eq!(opened(&folder).records.last(), Some(&note("works again")));
    assert!(!folder.join("00000002.new").exists());
}

#[test]
fn a_disk_mounted_read_only_is_said() {
    let Some(disk) = Small::mount("128k") else { return };
    let folder = disk.0.path().join("journal");
    drop(open(&folder).unwrap());
    assert!(Command::new("mount").args(["-o", "remount,ro"]).arg(disk.0.path()).status().unwrap().success());
    let error = open(&folder).unwrap_err().to_string();
    assert!(error.contains("Read-only file system") && error.contains("mount it for writing"), "{error}");
}
