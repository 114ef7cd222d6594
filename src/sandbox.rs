//! Confinement of a render process by the kernel: files, system calls, memory, and its end with its parent.
//!
//! Designs, fonts and pictures come from anyone. The process that decodes them may reach nothing but the socket to its
//! parent and the files that [`Allowed`] lists, so that a flaw in a decoder gives nobody the network, the keys or the
//! results of others. Starting such processes and talking to them does not belong here.
//!
//! A process confines itself in this order, because each step needs what a later one takes away:
//!
//! 1. [`prefer_as_oom_victim`], [`limit_data`], [`give_up_privileges`], [`die_with_parent`]
//! 2. [`confine_files`], while the process has one thread
//! 3. threads are started and the GPU is opened
//! 4. [`confine_system_calls`], before the first byte of a request is read
//!
//! Only Linux has these means. Elsewhere the functions do nothing and say so in their results.

mod confinement;
#[cfg(target_os = "linux")]
mod files;
mod memory;
mod probe;
#[cfg(target_os = "linux")]
mod process;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod system_calls;

pub use confinement::{Allowed, Confinement, Level};
pub use memory::{memory_for_each, memory_of_machine, resident_bytes};
pub use probe::{Attempt, Outcome, Probe, probe};
#[cfg(target_os = "linux")]
pub use process::{avoid_oom_kill, die_with_parent, give_up_privileges, limit_data, prefer_as_oom_victim};

/// Takes all files from the calling process except those that are open or allowed, and TCP ports, other programs'
/// abstract sockets and signals to other processes where the kernel can (Landlock).
///
/// It applies to the calling thread and to threads started by it afterwards, so the process must have one thread. With
/// more, nothing is confined and the result says so. Metadata of files (`stat`) can still be read.
pub fn confine_files(allowed: &Allowed) -> Level {
    #[cfg(target_os = "linux")]
    return files::confine(allowed);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = allowed;
        Level::None("Landlock exists on Linux only".to_owned())
    }
}

/// Takes system calls from all threads of the process that reach beyond it: sockets, other programs, other processes,
/// changes to the file system, and interfaces of the kernel that often had flaws (seccomp). They fail with `EPERM`, or
/// with `ENOSYS` where libraries then use an older call that is allowed.
///
/// No file can be created or replaced any more, also in [`Allowed::write`]. Without [`Allowed::devices`], none can be
/// opened for writing either. This holds even where the kernel has no Landlock.
pub fn confine_system_calls(allowed: &Allowed) -> Level {
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    return system_calls::confine(allowed);
    #[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
    {
        let _ = allowed;
        Level::None("system calls are filtered on Linux on x86-64 and ARM64 only".to_owned())
    }
}

/// Does nothing: other systems than Linux have no score by which they choose what to end when memory runs out.
#[cfg(not(target_os = "linux"))]
pub fn prefer_as_oom_victim() -> std::io::Result<()> {
    Ok(())
}

/// Does nothing and returns `false`: other systems than Linux cannot protect a process when memory runs out.
#[cfg(not(target_os = "linux"))]
pub fn avoid_oom_kill() -> bool {
    false
}

/// Does nothing: other systems than Linux do not end a process with its parent. The process must end itself when the
/// socket to its parent closes.
#[cfg(not(target_os = "linux"))]
pub fn die_with_parent(_parent: u32) -> std::io::Result<()> {
    Ok(())
}

/// Does nothing: only Linux has these privileges.
#[cfg(not(target_os = "linux"))]
pub fn give_up_privileges() -> std::io::Result<()> {
    Ok(())
}

/// Does nothing: other systems than Linux do not enforce a limit on private memory.
#[cfg(not(target_os = "linux"))]
pub fn limit_data(_bytes: u64) -> std::io::Result<()> {
    Ok(())
}
