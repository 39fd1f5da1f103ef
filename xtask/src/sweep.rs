//! Removes a run with all that belongs to it: processes, mounts, namespaces, cgroups, folders.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    engine::{cgroup, namespace_prefix},
    process::{ProcessId, naming, output_of, wait_until},
    run::Run,
};

/// How often processes are looked for: a dying one may start another, as conmon does to clean up.
const ROUNDS: u32 = 5;

/// Where the control groups are mounted: one hierarchy, or a folder for each.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Removes every run whose owner is gone, and those left running on purpose if `detached`; says which.
pub(crate) fn abandoned(detached: bool) {
    for run in Run::all() {
        if !run.is_owned() && (detached || !run.is_detached()) {
            println!("xtask: removing the test bed of an earlier run, {}", run.dir.display());
            remove(&run);
        }
    }
}

/// Removes `run`. What cannot be removed is said, and does not stop the rest.
pub(crate) fn remove(run: &Run) {
    end_processes(run);
    for mount in mounts_below(&[&run.dir, &run.data]) {
        complain(output_of(Command::new("umount").arg("--lazy").arg(&mount)).map(drop));
    }
    for name in namespaces(run) {
        complain(output_of(Command::new("ip").args(["netns", "delete", &name])).map(drop));
    }
    for folder in cgroups(run).into_iter().chain(podman_cgroups(run)) {
        remove_cgroup(&folder);
    }
    for folder in [&run.data, &run.dir] {
        if folder.exists() {
            complain(fs::remove_dir_all(folder).map_err(|e| format!("cannot remove {}: {e}", folder.display())));
        }
    }
}

fn complain(outcome: Result<(), String>) {
    if let Err(problem) = outcome {
        eprintln!("xtask: while cleaning up: {problem}");
    }
}

/// Ends whatever names the run's folders, with all descendants, and whatever is left in its control groups.
fn end_processes(run: &Run) {
    for _ in 0..ROUNDS {
        let groups: Vec<PathBuf> = cgroups(run).into_iter().chain(podman_cgroups(run)).collect();
        groups.iter().for_each(|folder| thaw(folder));
        let mut found = naming(&run.dir);
        found.extend(naming(&run.data));
        found.extend(groups.iter().flat_map(|folder| members(folder)));
        if found.is_empty() {
            return;
        }
        found.iter().for_each(|pid| pid.kill());
    }
}

/// Mount points below `folders`, the deepest first.
fn mounts_below(folders: &[&Path]) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    let mut points: Vec<PathBuf> = points.filter(|point| folders.iter().any(|f| point.starts_with(f))).collect();
    points.sort();
    points.reverse();
    points
}

fn namespaces(run: &Run) -> Vec<String> {
    let prefix = namespace_prefix(run);
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name.starts_with(&prefix)).collect()
}

fn cgroups(run: &Run) -> Vec<PathBuf> {
    let hierarchies = fs::read_dir(CGROUPS).into_iter().flatten().flatten().map(|entry| entry.path());
    let all = hierarchies.chain([PathBuf::from(CGROUPS)]).map(|folder| folder.join(cgroup(run)));
    all.filter(|folder| folder.is_dir()).collect()
}

/// The control groups that Podman left of containers of this run. Its parent group is shared by every Podman of the machine,
/// so ours are told by their ids, which its log of events has.
fn podman_cgroups(run: &Run) -> Vec<PathBuf> {
    let engines = subfolders(&run.dir).into_iter().map(|folder| folder.join("tmp/events"));
    let logs = engines.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let texts = logs.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let ids: BTreeSet<String> = texts.flat_map(|text| container_ids(&text)).collect();
    let hierarchies = fs::read_dir(CGROUPS).into_iter().flatten().flatten().map(|entry| entry.path());
    let parents = hierarchies.chain([PathBuf::from(CGROUPS)]).map(|folder| folder.join("libpod_parent"));
    let all =
        parents.flat_map(|parent| ids.iter().map(move |id| parent.join(format!("libpod-{id}"))).collect::<Vec<_>>());
    all.filter(|folder| folder.is_dir()).collect()
}

/// The ids in a log of Podman's events, one event a line.
fn container_ids(log: &str) -> Vec<String> {
    let ids = log.lines().filter_map(|line| line.split_once("\"ID\":\"")?.1.split('"').next());
    ids.filter(|id| id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).map(str::to_owned).collect()
}

/// Lets paused containers go on: what is frozen cannot end, not even when it is killed.
fn thaw(folder: &Path) {
    subfolders(folder).iter().for_each(|child| thaw(child));
    for (file, text) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
        let file = folder.join(file);
        if file.exists() {
            complain(fs::write(&file, text).map_err(|error| format!("cannot write {}: {error}", file.display())));
        }
    }
}

fn members(folder: &Path) -> Vec<ProcessId> {
    let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    let own = text.lines().filter_map(ProcessId::parse);
    own.chain(subfolders(folder).iter().flat_map(|child| members(child))).collect()
}

/// Removes a control group and those below it. It stays while a process in it is not reaped, for a moment.
fn remove_cgroup(folder: &Path) {
    subfolders(folder).iter().for_each(|child| remove_cgroup(child));
    wait_until(Duration::from_secs(1), || fs::remove_dir(folder).is_ok() || !folder.exists());
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_ids_are_taken_from_a_log() {
        let id = "ab".repeat(32);
        let log = format!(
            "{{\"ID\":\"{id}\",\"Type\":\"container\"}}\n{{\"Type\":\"system\"}}\n{{\"ID\":\"../..\"}}\n{{\"ID\":\"ab\"}}\n"
        );
        assert_eq!(container_ids(&log), [id]);
    }
}
