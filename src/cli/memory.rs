//! Free memory: kept for the next page, and given back to the system when there is none.
//!
//! A page needs some megabytes several times over, each for milliseconds. glibc gives such blocks back to the system at once,
//! and every page of them costs a fault when it comes again: measured, 94 pages a second where keeping them makes 134 (a
//! template of 1080 × 1080 px on two cores, 109 and 123 MB at most). What is kept would stay for ever: 3.2 GB after ten
//! hostile requests. So it is handed back every few seconds, as imgproxy does.

use std::time::Duration;

/// The largest block kept, in bytes: half of what a thread's heap can be, and as much as glibc accepts. A picture of 8
/// megapixels.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGEST_KEPT: libc::c_int = 32 << 20;
/// Free bytes that a thread's heap keeps.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: libc::c_int = 256 << 20;

/// To be called first of all, while there is one thread. Other allocators keep and give back by themselves.
pub(super) fn keep_for_the_next_page() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (parameter, value) in [(libc::M_MMAP_THRESHOLD, LARGEST_KEPT), (libc::M_TRIM_THRESHOLD, KEPT)] {
        #[expect(unsafe_code, reason = "the C library has no safe way to be told")]
        // SAFETY: mallopt takes two numbers and touches nothing but the allocator's own settings.
        let accepted = unsafe { libc::mallopt(parameter, value) };
        debug_assert_eq!(accepted, 1, "glibc refuses {parameter} = {value}");
    }
}

/// Between two times of giving back.
const INTERVAL: Duration = Duration::from_secs(10);

/// Never ends.
pub(super) async fn keep_giving_back() -> std::convert::Infallible {
    loop {
        tokio::time::sleep(INTERVAL).await;
        // Milliseconds mostly, but up to a second for gigabytes.
        if let Err(error) = tokio::task::spawn_blocking(give_back).await {
            tracing::warn!(%error, "free memory was not given back");
        }
    }
}

/// Other allocators give back by themselves.
fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "the C library has no safe way to ask")]
    // SAFETY: malloc_trim takes a number, locks what it needs, and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}
