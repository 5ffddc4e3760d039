//! Memory of tensors stays with the process.

/// Tells glibc to keep memory that is freed, rather than give it back to the system and fetch it anew in each step: the system
/// clears every page that it gives, which took a sixth of the time of a training step of ResNet-20 (see `benches/README.md`).
/// The peak is the same; what is not used stays reserved until the process ends. Elsewhere than on Linux with glibc nothing is done.
pub(crate) fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only sets options of the allocator. It fails, harmlessly, where it knows an option not.
    unsafe {
        // Large blocks come from the heap as all others do, and the heap does not shrink.
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
    }
}
