//! Loops compiled several times, for what the CPU turns out to have.

/// A loop with its operands.
pub trait Kernel {
    /// What it returns.
    type Output;

    /// Does it. Has to be `#[inline(always)]`, as everything that it calls, or it is compiled without the CPU's
    /// instructions.
    fn run(self) -> Self::Output;
}

/// Runs a kernel compiled for AVX-512 or AVX2 where the CPU has them. The results are the same on any x86 CPU: no
/// products are fused into sums, and how many sums there are side by side is fixed by the code.
pub fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512vl") {
            // SAFETY: the CPU has just been asked.
            return unsafe { run_with_avx512(kernel) };
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has just been asked.
            return unsafe { run_with_avx2(kernel) };
        }
    }
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx2")]
fn run_with_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_with_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}
