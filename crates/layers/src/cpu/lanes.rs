//! Eight `f32` at a time: AVX2 with FMA where the CPU has it (asked at run time), plain Rust elsewhere.
//!
//! A kernel is a struct with its operands; [`dispatch`] runs its [`WithLanes::run`] with the lanes of this CPU. Whatever
//! `run` calls has to be `#[inline(always)]`, or it is compiled without the CPU's instructions.

/// How many numbers a vector holds.
pub const WIDTH: usize = 8;

/// Eight `f32`. Operations work lane by lane, and a NaN stays a NaN.
pub trait Lanes: Copy {
    /// The same number in every lane.
    fn splat(value: f32) -> Self;
    /// The eight numbers at `source`.
    ///
    /// # Safety
    /// They have to be readable.
    unsafe fn read(source: *const f32) -> Self;
    /// Writes the lanes to `target`.
    ///
    /// # Safety
    /// Eight numbers have to be writable there.
    unsafe fn write(self, target: *mut f32);
    /// `self + other`
    fn add(self, other: Self) -> Self;
    /// `self - other`
    fn sub(self, other: Self) -> Self;
    /// `self * other`
    fn mul(self, other: Self) -> Self;
    /// `self / other`
    fn div(self, other: Self) -> Self;
    /// `self * factor + term`, with one rounding where the CPU has an instruction for it.
    fn mul_add(self, factor: Self, term: Self) -> Self;
    /// The larger of the two; NaN where `self` is NaN.
    fn at_least(self, bound: Self) -> Self;
    /// The smaller of the two; NaN where `self` is NaN.
    fn at_most(self, bound: Self) -> Self;
    /// The nearest integer.
    fn round(self) -> Self;
    /// 2 to the power of an integer in `-126..=127`.
    fn exp2_of_integer(self) -> Self;
    /// Without the sign.
    fn abs(self) -> Self;
    /// A number that is not negative, with the sign of `other`.
    fn with_sign_of(self, other: Self) -> Self;
    /// `yes` where `self < bound`, else `no`.
    fn if_less(self, bound: Self, yes: Self, no: Self) -> Self;

    /// The square root.
    fn sqrt(self) -> Self;
    /// Asks for the cache line at `address`, which need not be readable, without waiting for it.
    #[inline(always)]
    fn prefetch(address: *const f32) {
        let _ = address;
    }
    /// The sum of the lanes, always in the same order: a fixed tree.
    #[inline(always)]
    fn sum(self) -> f32 {
        let v = self.to_array();
        ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
    }
    /// The lanes as an array.
    #[inline(always)]
    fn to_array(self) -> [f32; WIDTH] {
        let mut array = [0.0; WIDTH];
        // SAFETY: the array has room for the lanes.
        unsafe { self.write(array.as_mut_ptr()) };
        array
    }
    /// The first eight numbers of a slice.
    ///
    /// # Panics
    /// When there are fewer.
    #[inline(always)]
    fn load(source: &[f32]) -> Self {
        assert!(source.len() >= WIDTH);
        // SAFETY: there are eight.
        unsafe { Self::read(source.as_ptr()) }
    }
    /// Writes the lanes to the start of a slice.
    ///
    /// # Panics
    /// When it is shorter than eight.
    #[inline(always)]
    fn store(self, target: &mut [f32]) {
        assert!(target.len() >= WIDTH);
        // SAFETY: there are eight.
        unsafe { self.write(target.as_mut_ptr()) };
    }
    /// The first eight numbers of a slice, or all of them and zeros behind.
    #[inline(always)]
    fn load_partly(source: &[f32]) -> Self {
        if source.len() >= WIDTH {
            return Self::load(source);
        }
        let mut array = [0.0; WIDTH];
        array[..source.len()].copy_from_slice(source);
        Self::load(&array)
    }
    /// Writes as many lanes as the slice has room for.
    #[inline(always)]
    fn store_partly(self, target: &mut [f32]) {
        if target.len() >= WIDTH {
            return self.store(target);
        }
        let length = target.len();
        target.copy_from_slice(&self.to_array()[..length]);
    }
}

/// A kernel that is compiled once for each kind of lanes.
pub trait WithLanes {
    /// What it computes.
    type Output;
    /// Runs it. Has to be `#[inline(always)]`.
    fn run<L: Lanes>(self) -> Self::Output;
}

/// Runs a kernel with the lanes of this CPU.
pub fn dispatch<W: WithLanes>(kernel: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if x86::available() {
        // SAFETY: the CPU has just been asked.
        return unsafe { x86::run(kernel) };
    }
    kernel.run::<Portable>()
}

/// Runs a kernel with lanes in plain Rust, on any CPU; for tests.
pub fn dispatch_portable<W: WithLanes>(kernel: W) -> W::Output {
    kernel.run::<Portable>()
}

#[derive(Clone, Copy)]
#[repr(align(32))]
struct Portable([f32; WIDTH]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, operation: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| operation(self.0[i], other.0[i])))
    }

    #[inline(always)]
    fn map(self, operation: impl Fn(f32) -> f32) -> Self {
        Self(self.0.map(operation))
    }
}

impl Lanes for Portable {
    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; WIDTH])
    }
    #[inline(always)]
    unsafe fn read(source: *const f32) -> Self {
        // SAFETY: the caller's promise; the array needs no more alignment than its elements.
        Self(unsafe { source.cast::<[f32; WIDTH]>().read() })
    }
    #[inline(always)]
    unsafe fn write(self, target: *mut f32) {
        // SAFETY: the caller's promise; the array needs no more alignment than its elements.
        unsafe { target.cast::<[f32; WIDTH]>().write(self.0) }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        // Without the instruction `f32::mul_add` is a call into the C library for each number.
        let fused = cfg!(any(target_feature = "fma", target_arch = "aarch64"));
        Self(std::array::from_fn(|i| {
            if fused { self.0[i].mul_add(factor.0[i], term.0[i]) } else { self.0[i] * factor.0[i] + term.0[i] }
        }))
    }
    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        self.zip(bound, |a, bound| if a < bound { bound } else { a })
    }
    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        self.zip(bound, |a, bound| if a > bound { bound } else { a })
    }
    #[inline(always)]
    fn round(self) -> Self {
        self.map(f32::round_ties_even)
    }
    #[inline(always)]
    fn exp2_of_integer(self) -> Self {
        self.map(|power| f32::from_bits((((power as i32) + 127) << 23) as u32))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        self.map(f32::abs)
    }
    #[inline(always)]
    fn with_sign_of(self, other: Self) -> Self {
        self.zip(other, f32::copysign)
    }
    #[inline(always)]
    fn if_less(self, bound: Self, yes: Self, no: Self) -> Self {
        Self(std::array::from_fn(|i| if self.0[i] < bound.0[i] { yes.0[i] } else { no.0[i] }))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.map(f32::sqrt)
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Lanes, WIDTH, WithLanes};
    use std::arch::x86_64::*;

    /// Whether this CPU has AVX2 and FMA.
    pub fn available() -> bool {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
    }

    /// Runs a kernel with AVX2 and FMA.
    ///
    /// # Safety
    /// The CPU has to have both.
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn run<W: WithLanes>(kernel: W) -> W::Output {
        kernel.run::<Avx2>()
    }

    /// Named by nothing but [`run`], so wherever there is one the CPU has the instructions.
    #[derive(Clone, Copy)]
    struct Avx2(__m256);

    // In all of these, SAFETY: the CPU has AVX2 and FMA, as said at `Avx2`.
    #[allow(clippy::undocumented_unsafe_blocks)]
    impl Lanes for Avx2 {
        #[inline(always)]
        fn splat(value: f32) -> Self {
            Self(unsafe { _mm256_set1_ps(value) })
        }
        #[inline(always)]
        unsafe fn read(source: *const f32) -> Self {
            Self(unsafe { _mm256_loadu_ps(source) })
        }
        #[inline(always)]
        unsafe fn write(self, target: *mut f32) {
            unsafe { _mm256_storeu_ps(target, self.0) }
        }
        #[inline(always)]
        fn add(self, other: Self) -> Self {
            Self(unsafe { _mm256_add_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            Self(unsafe { _mm256_sub_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            Self(unsafe { _mm256_mul_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn div(self, other: Self) -> Self {
            Self(unsafe { _mm256_div_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn mul_add(self, factor: Self, term: Self) -> Self {
            Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, term.0) })
        }
        #[inline(always)]
        fn at_least(self, bound: Self) -> Self {
            // Of a NaN and a number the instruction takes its second operand.
            Self(unsafe { _mm256_max_ps(bound.0, self.0) })
        }
        #[inline(always)]
        fn at_most(self, bound: Self) -> Self {
            Self(unsafe { _mm256_min_ps(bound.0, self.0) })
        }
        #[inline(always)]
        fn round(self) -> Self {
            const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
            Self(unsafe { _mm256_round_ps::<NEAREST>(self.0) })
        }
        #[inline(always)]
        fn exp2_of_integer(self) -> Self {
            unsafe {
                let power = _mm256_add_epi32(_mm256_cvtps_epi32(self.0), _mm256_set1_epi32(127));
                Self(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(power)))
            }
        }
        #[inline(always)]
        fn abs(self) -> Self {
            Self(unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0) })
        }
        #[inline(always)]
        fn with_sign_of(self, other: Self) -> Self {
            unsafe {
                let sign = _mm256_and_ps(_mm256_set1_ps(-0.0), other.0);
                Self(_mm256_or_ps(sign, self.0))
            }
        }
        #[inline(always)]
        fn if_less(self, bound: Self, yes: Self, no: Self) -> Self {
            unsafe {
                let less = _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, bound.0);
                Self(_mm256_blendv_ps(no.0, yes.0, less))
            }
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            Self(unsafe { _mm256_sqrt_ps(self.0) })
        }
        #[inline(always)]
        fn prefetch(address: *const f32) {
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
        }
    }

    const _: () = assert!(size_of::<__m256>() == WIDTH * size_of::<f32>());
}
