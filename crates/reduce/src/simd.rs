//! Loops compiled several times, for what the CPU turns out to have.

/// Runs `work` compiled for AVX-512 or AVX2 where the CPU has them. Whatever it calls has to be `#[inline(always)]`, or
/// that is compiled without the CPU's instructions. The results are the same on any x86 CPU: no products are fused into
/// sums, and how many sums there are side by side is fixed by the code.
#[inline]
pub fn dispatch<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512vl")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512bw") {
            // SAFETY: the CPU has just been asked.
            return unsafe { with_avx512(work) };
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has just been asked.
            return unsafe { with_avx2(work) };
        }
    }
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2")]
fn with_avx512<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<T>(work: impl FnOnce() -> T) -> T {
    work()
}
