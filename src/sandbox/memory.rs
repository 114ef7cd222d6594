//! Memory of the machine and of processes.

use std::fs;
use std::path::{Path, PathBuf};

/// Memory for the parent, the system, and what is not counted as resident.
const RESERVE: u64 = 512 << 20;
/// The least memory for a renderer: less does not hold the fonts and one large page.
const LEAST: u64 = 512 << 20;
/// Control groups without a limit have a number near 2^63 in version 1.
const UNLIMITED: u64 = 1 << 60;

/// Default limit of resident memory in bytes for each of `renderers` processes: three quarters of the machine's memory
/// less 512 MiB, in equal parts, and at least 512 MiB. `None` if the machine's memory is unknown.
pub fn memory_for_each(machine: Option<u64>, renderers: usize) -> Option<u64> {
    let shared = (machine? / 4 * 3).saturating_sub(RESERVE);
    Some((shared / renderers.max(1) as u64).max(LEAST))
}

/// Resident memory of a process in bytes, with pages that it shares with others; `None` when there is no such process
/// or no `/proc`.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    #[cfg(target_os = "linux")]
    return resident_of(&fs::read_to_string(format!("/proc/{pid}/statm")).ok()?, rustix::param::page_size() as u64);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = pid;
        None
    }
}

/// The second number of `statm`, in bytes.
#[cfg(any(target_os = "linux", test))]
fn resident_of(statm: &str, page_size: u64) -> Option<u64> {
    statm.split_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(page_size)
}

/// Memory in bytes that all processes of this machine or container can use: the least of its physical memory and the
/// limits of its control groups. `None` on other systems than Linux.
pub fn memory_of_machine() -> Option<u64> {
    #[cfg(target_os = "linux")]
    let physical = {
        // `/proc/meminfo` is missing under ProcSubset=pid of systemd.
        let info = rustix::system::sysinfo();
        // Unsigned long has 32 bits on some machines.
        #[allow(clippy::useless_conversion, reason = "the type depends on the target")]
        u64::from(info.totalram).checked_mul(u64::from(info.mem_unit))
    };
    #[cfg(not(target_os = "linux"))]
    let physical = None;
    [physical, limit_below(Path::new("/"))].into_iter().flatten().min()
}

/// The least limit that the files of `/proc` and `/sys` below `root` state.
fn limit_below(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let files = groups.lines().flat_map(|line| limit_files(root, line));
    let limits = files.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    // In containers, lxcfs states the container's memory here.
    let stated = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|it| total_of(&it));
    limits.filter(|it| *it < UNLIMITED).chain(stated).min()
}

/// Files that may limit a control group, for a line of `/proc/self/cgroup` (`0::/a/b` in version 2, `4:memory:/a/b` in
/// version 1): those of the group and of all groups above it. A container may not see the upper part of the path, but
/// has its own group as the topmost folder, so files that do not exist are no problem.
fn limit_files(root: &Path, line: &str) -> Vec<PathBuf> {
    let mut parts = line.splitn(3, ':');
    let (Some(_), Some(controllers), Some(group)) = (parts.next(), parts.next(), parts.next()) else {
        return Vec::new();
    };
    let (folders, names): (&[&str], &[&str]) = if controllers.is_empty() {
        (&["sys/fs/cgroup", "sys/fs/cgroup/unified"], &["memory.max", "memory.high"])
    } else if controllers.split(',').any(|it| it == "memory") {
        (&["sys/fs/cgroup/memory"], &["memory.limit_in_bytes"])
    } else {
        return Vec::new();
    };
    let group = Path::new(group.trim_start_matches('/'));
    // Groups outside a container's own are shown as `/../..`.
    let is_outside = group.components().any(|it| it == std::path::Component::ParentDir);
    let groups: Vec<_> = if is_outside { vec![Path::new("")] } else { group.ancestors().collect() };
    let mut files = Vec::new();
    for folder in folders {
        for group in &groups {
            files.extend(names.iter().map(|name| root.join(folder).join(group).join(name)));
        }
    }
    files
}

/// `MemTotal` of `/proc/meminfo` in bytes.
fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|it| it.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn renderers_share_three_quarters_of_the_memory() {
        assert_eq!(memory_for_each(Some(8192 * MIB), 2), Some(2816 * MIB));
        assert_eq!(memory_for_each(Some(8192 * MIB), 1), Some(5632 * MIB));
        assert_eq!(memory_for_each(Some(65536 * MIB), 8), Some(6080 * MIB));
        assert_eq!(memory_for_each(None, 2), None);
    }

    #[test]
    fn small_machines_have_the_least_for_each_renderer() {
        assert_eq!(memory_for_each(Some(1024 * MIB), 2), Some(512 * MIB));
        assert_eq!(memory_for_each(Some(0), 2), Some(512 * MIB));
        assert_eq!(memory_for_each(Some(4096 * MIB), 0), Some(2560 * MIB), "no renderers count as one");
    }

    #[test]
    fn resident_memory_is_the_second_number_in_pages() {
        assert_eq!(resident_of("2000 300 40 5 0 600 0\n", 4096), Some(300 * 4096));
        assert_eq!(resident_of("2000 300 40 5 0 600 0\n", 65536), Some(300 * 65536));
        assert_eq!(resident_of("", 4096), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_and_this_machine_have_memory() {
        let resident = resident_bytes(std::process::id()).expect("/proc is mounted");
        let machine = memory_of_machine().expect("Linux states its memory");
        assert!(MIB < resident && resident < machine, "{resident} of {machine}");
        assert_eq!(resident_bytes(u32::MAX), None);
    }

    /// The limit with these files below the root.
    fn limit(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        limit_below(root.path())
    }

    #[test]
    fn the_least_limit_up_the_tree_counts() {
        let total = ("proc/meminfo", "MemFree:  1 kB\nMemTotal:        8388608 kB\n");
        let group = ("proc/self/cgroup", "0::/system.slice/tenter.service\n");
        let slice = ("sys/fs/cgroup/system.slice/memory.max", "3000000000\n");
        let service = ("sys/fs/cgroup/system.slice/tenter.service/memory.max", "4000000000\n");
        let none = ("sys/fs/cgroup/system.slice/tenter.service/memory.max", "max\n");
        let high = ("sys/fs/cgroup/system.slice/tenter.service/memory.high", "2000000000\n");
        let other = ("sys/fs/cgroup/user.slice/memory.max", "1000\n");
        assert_eq!(limit(&[]), None);
        assert_eq!(limit(&[total]), Some(8 << 30));
        assert_eq!(limit(&[total, group, none, other]), Some(8 << 30));
        assert_eq!(limit(&[total, group, service]), Some(4_000_000_000));
        assert_eq!(limit(&[total, group, service, slice]), Some(3_000_000_000));
        assert_eq!(limit(&[total, group, service, slice, high]), Some(2_000_000_000));
    }

    #[test]
    fn containers_have_their_limit_in_the_topmost_folder() {
        let limit_v2 = ("sys/fs/cgroup/memory.max", "1073741824\n");
        for group in ["0::/\n", "0::/docker/0123\n", "0::/../../other\n"] {
            assert_eq!(limit(&[("proc/self/cgroup", group), limit_v2]), Some(1 << 30), "{group}");
        }
        let group_v1 = ("proc/self/cgroup", "5:cpu,cpuacct:/docker/0123\n4:memory:/docker/0123\n0::/docker/0123\n");
        let limit_v1 = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
        assert_eq!(limit(&[group_v1, limit_v1]), Some(512 << 20));
        let none_v1 = ("sys/fs/cgroup/memory/docker/0123/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(limit(&[group_v1, none_v1]), None);
    }
}
