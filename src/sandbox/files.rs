//! Landlock: which files a process can open.

use std::fs;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use super::confinement::{Allowed, Level};

/// The restrictions that are asked for: the newest version that has any for a process without sockets.
const VERSION: ABI = ABI::V6;
/// The first kernel with [`VERSION`].
const KERNEL: &str = "Linux 6.12";

/// Files and folders of GPU drivers and of the Vulkan loader, and what they read about the machine.
const DRIVER_FILES: &[&str] = &[
    "/etc/OpenCL",
    "/etc/drirc",
    "/etc/glvnd",
    "/etc/ld.so.cache",
    "/etc/nvidia",
    "/etc/vulkan",
    "/lib",
    "/lib32",
    "/lib64",
    "/opt/nvidia",
    "/proc/cpuinfo",
    "/proc/devices",
    "/proc/driver",
    "/proc/filesystems",
    "/proc/meminfo",
    "/proc/modules",
    "/proc/self",
    "/proc/stat",
    "/proc/sys",
    "/proc/version",
    "/run/nvidia",
    "/run/opengl-driver",
    "/sys",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/nvidia",
    "/usr/local/share/vulkan",
    "/usr/share/drirc.d",
    "/usr/share/glvnd",
    "/usr/share/libdrm",
    "/usr/share/nvidia",
    "/usr/share/vulkan",
];

/// How the names of GPU device nodes in `/dev` begin: Direct Rendering, AMD, NVIDIA with Tegra, Arm, WSL, shared
/// buffers.
const DEVICES: &[&str] =
    &["dri", "kfd", "nvidia", "nvhost", "nvmap", "nvgpu", "nvsciipc", "mali", "dxg", "dma_heap", "udmabuf"];

pub(super) fn confine(allowed: &Allowed) -> Level {
    match threads() {
        Some(1) | None => {}
        Some(threads) => return Level::None(format!("the process has {threads} threads, and Landlock needs one")),
    }
    match restrict(allowed) {
        Ok(status) => level(&status),
        Err(error) => Level::None(format!("Landlock: {error}")),
    }
}

/// Number of threads of the process; `None` without `/proc`.
fn threads() -> Option<usize> {
    fs::read_dir("/proc/self/task").ok().map(Iterator::count)
}

fn restrict(allowed: &Allowed) -> Result<RestrictionStatus, RulesetError> {
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(VERSION))?
        .handle_access(AccessNet::from_all(VERSION))?
        .scope(Scope::from_all(VERSION))?
        .create()?;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    // The program itself, so that backtraces of panics have names.
    let program = std::env::current_exe().ok();
    let mut ruleset = ruleset.add_rules(path_beneath_rules(allowed.read.iter().chain(&program), read))?;
    // Replacing a file by renaming another takes the rights to create and to remove one.
    let create = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
    ruleset = ruleset.add_rules(path_beneath_rules(&allowed.write, read | create))?;
    if allowed.devices {
        ruleset = ruleset.add_rules(path_beneath_rules(DRIVER_FILES, read))?.add_rules(path_beneath_rules(
            devices(Path::new("/dev")),
            read | AccessFs::WriteFile | AccessFs::IoctlDev,
        ))?;
    }
    ruleset.restrict_self()
}

/// GPU device nodes and folders of them.
fn devices(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_gpu = |name: &str| DEVICES.iter().any(|it| name.starts_with(it));
    entries.filter(|it| it.file_name().to_str().is_some_and(is_gpu)).map(|it| it.path()).collect()
}

fn level(status: &RestrictionStatus) -> Level {
    match (&status.ruleset, &status.landlock) {
        (RulesetStatus::FullyEnforced, _) => Level::Full,
        (RulesetStatus::PartiallyEnforced, LandlockStatus::Available { effective_abi, .. }) => {
            let lacks = lacks(*effective_abi);
            Level::Partial(format!("Landlock version {effective_abi} does not restrict {lacks}; {KERNEL} does"))
        }
        (_, LandlockStatus::NotEnabled) => {
            Level::None("Landlock is off: add it to the kernel's parameter lsm=".to_owned())
        }
        _ => Level::None(
            "the kernel has no Landlock (Linux 5.13 has it), or a filter of system calls does not allow it".to_owned(),
        ),
    }
}

/// What versions older than [`VERSION`] do not restrict, in words.
fn lacks(version: ABI) -> String {
    let lacks = [
        (ABI::V3, "truncation"),
        (ABI::V4, "TCP ports"),
        (ABI::V5, "device controls"),
        (ABI::V6, "signals and abstract sockets"),
    ];
    let names: Vec<_> = lacks.iter().filter(|(since, _)| version < *since).map(|(_, name)| *name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpu_nodes_are_found_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["nvidia0", "nvidiactl", "null", "mem", "sda", "shm", "kfd", "kmsg"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("dri")).unwrap();
        let mut found = devices(folder.path());
        found.sort();
        let names: Vec<_> = found.iter().map(|it| it.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["dri", "kfd", "nvidia0", "nvidiactl"]);
    }

    #[test]
    fn older_versions_say_what_they_do_not_restrict() {
        assert_eq!(lacks(ABI::V1), "truncation, TCP ports, device controls, signals and abstract sockets");
        assert_eq!(lacks(ABI::V5), "signals and abstract sockets");
        assert_eq!(lacks(VERSION), "");
    }

    #[test]
    fn a_process_with_several_threads_is_not_confined_in_part() {
        let level = std::thread::scope(|scope| scope.spawn(|| confine(&Allowed::default())).join().unwrap());
        assert!(matches!(&level, Level::None(reason) if reason.ends_with("Landlock needs one")), "{level}");
        fs::read("/etc/passwd").unwrap();
    }
}
