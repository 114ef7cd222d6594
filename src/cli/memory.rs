//! Free memory: the allocator retains blocks for the next page and returns them to the system periodically.
//!
//! A page allocates some megabytes several times, each for milliseconds. By default, glibc returns such blocks to the
//! system at once, and every page of memory faults when it is used again: measured, 94 pages/s instead of 134 with
//! retained blocks (a template of 1080 × 1080 px on two cores, 109 and 123 MB at most). Retained blocks would stay
//! forever: 3.2 GB after ten hostile requests. So they are returned every few seconds, as imgproxy does.

use std::time::Duration;

/// Size of the largest retained block in bytes: half of a thread's maximum heap, and the most that glibc accepts.
/// Enough for a picture of 8 megapixels.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAX_RETAINED_BLOCK: libc::c_int = 32 << 20;
/// Free bytes that a thread's heap retains.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAX_RETAINED: libc::c_int = 256 << 20;

/// Configures the allocator; call it first, while there is one thread. Other allocators than glibc's need no
/// configuration.
pub(super) fn retain_free_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (parameter, value) in [(libc::M_MMAP_THRESHOLD, MAX_RETAINED_BLOCK), (libc::M_TRIM_THRESHOLD, MAX_RETAINED)] {
        #[expect(unsafe_code, reason = "mallopt has no safe wrapper")]
        // SAFETY: mallopt takes two numbers and touches nothing but the allocator's own settings.
        let accepted = unsafe { libc::mallopt(parameter, value) };
        debug_assert_eq!(accepted, 1, "glibc refuses {parameter} = {value}");
    }
}

/// Interval between two trims.
const INTERVAL: Duration = Duration::from_secs(10);

/// Returns free memory to the system periodically; never ends.
pub(super) async fn trim_periodically() -> std::convert::Infallible {
    loop {
        tokio::time::sleep(INTERVAL).await;
        // Takes milliseconds in most cases, and up to a second for gigabytes.
        if let Err(error) = tokio::task::spawn_blocking(trim).await {
            tracing::warn!(%error, "cannot return free memory to the system");
        }
    }
}

/// Does nothing for other allocators than glibc's, which return memory by themselves.
fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "malloc_trim has no safe wrapper")]
    // SAFETY: malloc_trim takes a number, locks what it needs, and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}
