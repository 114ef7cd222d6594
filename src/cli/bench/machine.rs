//! Properties and resource use of the machine: processor, peak memory of this process, memory of the graphics cards.

use std::process::Command;

const BYTES_PER_MB: f64 = 1e6;

/// Model name of the processor, as the kernel reports it.
pub(super) fn processor() -> String {
    let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = known.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// Number of cores that this process may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Resets [`peak_rss_mb`]. Where the kernel refuses, the peak stays that of the whole process.
pub(super) fn reset_peak_rss() {
    // 5 resets the peak (proc_pid_clear_refs(5)). After a refusal, the peak includes earlier work.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Peak resident memory since the reset, in millions of bytes; `None` without /proc.
pub(super) fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib: f64 =
        status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / BYTES_PER_MB)
}

/// CPU time of all running threads of this process, in ms; `None` where the kernel does not report it. Unlike
/// wall-clock time it excludes waiting for the processor.
pub(super) fn cpu_ms() -> Option<f64> {
    let of_thread = |entry: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(entry.ok()?.path().join("schedstat")).ok()?;
        text.split_ascii_whitespace().next()?.parse::<f64>().ok()
    };
    let nanoseconds: f64 = std::fs::read_dir("/proc/self/task").ok()?.filter_map(of_thread).sum();
    (nanoseconds > 0.0).then_some(nanoseconds / 1e6)
}

/// Memory in use on all NVIDIA cards, by all processes, in millions of bytes; `None` without `nvidia-smi`, which comes
/// with the driver (in a container with `NVIDIA_DRIVER_CAPABILITIES=utility`).
pub(super) fn gpu_memory_mb() -> Option<f64> {
    let arguments = ["--query-gpu=memory.used", "--format=csv,noheader,nounits"];
    let output = Command::new("nvidia-smi").args(arguments).output().ok().filter(|it| it.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mib: Option<f64> = text.lines().map(|line| line.trim().parse::<f64>().ok()).sum();
    Some(mib? * f64::from(1 << 20) / BYTES_PER_MB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn machine_peak_memory_follows_what_is_touched() {
        reset_peak_rss();
        let before = peak_rss_mb().expect("a number");
        let block = vec![1u8; 256 << 20];
        assert_eq!(block.iter().map(|it| u64::from(*it)).sum::<u64>(), 256 << 20);
        let grown = peak_rss_mb().expect("a number") - before;
        assert!(grown > 30.0, "{grown} MB"); // other tests may have freed memory in the meantime
    }
}
