//! Where the kernel's control groups are mounted here, in version 1, version 2, or both at once.

use std::path::PathBuf;

/// The mounts of control groups that this process sees.
#[derive(Debug, Default)]
pub(crate) struct Mounts(Vec<Mount>);

#[derive(Debug)]
struct Mount {
    /// Those of version 1; `None` is version 2, which has all that no version 1 has.
    controllers: Option<Vec<String>>,
    point: PathBuf,
    /// The group that is seen at `point`: not the topmost one inside a container.
    root: String,
}

/// A group's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// Whether it is of version 2.
    pub(crate) unified: bool,
}

impl Mounts {
    /// Those of this process. None where they cannot be read.
    pub(crate) fn here() -> Self {
        Self::of(&std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
    }

    /// Reads `/proc/self/mountinfo` (proc_pid_mountinfo(5)). What is not understood is left out.
    fn of(mountinfo: &str) -> Self {
        Self(mountinfo.lines().filter_map(mount).collect())
    }

    /// The folder that has `controller` for the container with the engine's `id`, by the `/proc/PID/cgroup` of one of its
    /// processes (cgroups(7)). `None` where that process is in no group named after the container, which shows that it is
    /// another machine's; and where the group cannot be seen from here.
    ///
    /// A process may be in a group below the container's, which it or its engine made: the container's is the one meant.
    pub(crate) fn folder(&self, controller: &str, groups: &str, id: &str) -> Option<Folder> {
        let lines = || {
            groups.lines().filter_map(|line| {
                let (_, rest) = line.split_once(':')?;
                rest.split_once(':')
            })
        };
        let named = |list: &str| list.split(',').any(|one| one == controller);
        let older = lines().find(|(list, _)| named(list));
        let (_, path) = older.or_else(|| lines().find(|(list, _)| list.is_empty()))?;
        let group = up_to(path, id)?;
        let fits = |mount: &&Mount| match &mount.controllers {
            Some(controllers) => older.is_some() && controllers.iter().any(|one| one == controller),
            None => older.is_none(),
        };
        let mount = self.0.iter().find(fits)?;
        let below = if mount.root == "/" { group } else { group.strip_prefix(mount.root.as_str())? };
        let path = mount.point.join(below.trim_start_matches('/'));
        Some(Folder { path, unified: mount.controllers.is_none() })
    }
}

/// `path` down to the part that is named after the container: `/docker/<id>`, `/machine.slice/libpod-<id>.scope`.
fn up_to<'a>(path: &'a str, id: &str) -> Option<&'a str> {
    let named = path.find(id)?;
    let rest = path.get(named..)?;
    let end = rest.find('/').map_or(path.len(), |slash| named + slash);
    path.get(..end)
}

/// `36 35 98:0 /root /point options - type source super-options`
fn mount(line: &str) -> Option<Mount> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, point) = (place.next()?.to_owned(), PathBuf::from(place.next()?));
    let mut kind = kind.split(' ');
    let controllers = match kind.next()? {
        "cgroup" => Some(kind.nth(1)?.split(',').map(str::to_owned).collect()),
        "cgroup2" => None,
        _ => return None,
    };
    Some(Mount { controllers, point, root })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "18091933c7f9";

    const ONLY_2: &str =
        "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n22 1 8:1 / / rw - ext4 /dev/sda rw\n";

    const BOTH: &str = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
         35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
         41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    const WITHIN: &str = "35 31 0:32 /docker/99 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

    /// Each is the mounts, a process's groups, a controller, and the folder.
    #[test]
    fn a_containers_folder_is_found() {
        let two = |path: &str| Some((format!("/sys/fs/cgroup/{path}"), true));
        let one = |path: &str| Some((format!("/sys/fs/cgroup/{path}"), false));
        for (mounts, groups, controller, wanted) in [
            (ONLY_2, "0::/system.slice/docker-{}.scope\n", "cpu", two("system.slice/docker-{}.scope")),
            (ONLY_2, "0::/docker/{}/init.scope\n", "memory", two("docker/{}")),
            (ONLY_2, "0::/machine.slice/libpod-{}.scope/container\n", "io", two("machine.slice/libpod-{}.scope")),
            (BOTH, "4:memory:/docker/{}\n2:cpu,cpuacct:/docker/{}\n0::/other\n", "memory", one("memory/docker/{}")),
            (BOTH, "4:memory:/docker/{}\n2:cpu,cpuacct:/a/{}\n0::/", "cpuacct", one("cpu,cpuacct/a/{}")),
            (BOTH, "4:memory:/docker/{}\n0::/docker/{}\n", "io", two("unified/docker/{}")),
            (BOTH, "4:memory:/user.slice\n0::/docker/{}\n", "memory", None),
            (BOTH, "8:pids:/docker/{}\n", "pids", None),
            (ONLY_2, "0::/user.slice\n", "cpu", None),
            (ONLY_2, "", "cpu", None),
            ("", "0::/docker/{}\n", "cpu", None),
            (WITHIN, "0::/docker/{}\n", "cpu", None),
            (WITHIN, "0::/docker/99/docker/{}\n", "cpu", two("docker/{}")),
            ("nonsense\n - cgroup\n1 2 3 - cgroup2 x y\n", "0::/docker/{}\n", "cpu", None),
        ] {
            let found = Mounts::of(mounts).folder(controller, &groups.replace("{}", ID), ID);
            let wanted = wanted.map(|(path, unified)| Folder { path: path.replace("{}", ID).into(), unified });
            assert_eq!(found, wanted, "{controller} of {groups}");
        }
    }
}
