//! Eight `f32` at a time: AVX2 with FMA where the CPU has it (asked at run time), plain Rust elsewhere. Products, which
//! take sixteen at a time, use AVX-512 where there is that.
//!
//! A kernel is a struct with its operands; [`dispatch`] runs its [`WithLanes::run`] with the lanes of this CPU. Whatever
//! `run` calls has to be `#[inline(always)]`, or it is compiled without the CPU's instructions.

/// How many numbers a vector holds.
pub const WIDTH: usize = 8;

/// Sixteen `f32`: as many columns of a product as are summed side by side.
pub trait Wide: Copy {
    /// How many of these the registers hold as sums, beside what is read.
    const SUMS: usize;

    /// Zeros.
    fn zeros() -> Self;
    /// The sixteen numbers at `source`.
    ///
    /// # Safety
    /// They have to be readable.
    unsafe fn read(source: *const f32) -> Self;
    /// Writes the lanes to `target`.
    ///
    /// # Safety
    /// Sixteen numbers have to be writable there.
    unsafe fn write(self, target: *mut f32);
    /// `self + factor * row`, with one rounding where the CPU has an instruction for it.
    fn add_scaled(self, factor: f32, row: Self) -> Self;
}

/// Eight `f32`. Operations work lane by lane, and a NaN stays a NaN.
pub trait Lanes: Copy {
    /// What products are made of on this CPU.
    type Wide: Wide;

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
    /// Rows to columns: lane `i` of the vector `j` is what was lane `j` of the vector `i`.
    #[inline(always)]
    fn transpose(rows: [Self; WIDTH]) -> [Self; WIDTH] {
        let rows = rows.map(Self::to_array);
        std::array::from_fn(|column| Self::load(&rows.map(|row| row[column])))
    }
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
    if x86::has_avx512() {
        // SAFETY: the CPU has just been asked.
        return unsafe { x86::run_avx512(kernel) };
    } else if x86::has_avx2() {
        // SAFETY: the CPU has just been asked.
        return unsafe { x86::run_avx2(kernel) };
    }
    kernel.run::<Portable>()
}

/// Runs a kernel with lanes in plain Rust, on any CPU; for tests.
#[cfg(test)]
pub fn dispatch_portable<W: WithLanes>(kernel: W) -> W::Output {
    kernel.run::<Portable>()
}

/// Runs a kernel with AVX2 at most, as a CPU without AVX-512 would; for tests.
#[cfg(test)]
pub fn dispatch_without_avx512<W: WithLanes>(kernel: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if x86::has_avx2() {
        // SAFETY: the CPU has just been asked.
        return unsafe { x86::run_avx2(kernel) };
    }
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

impl Wide for [Portable; 2] {
    const SUMS: usize = 6;

    #[inline(always)]
    fn zeros() -> Self {
        [Portable::splat(0.0); 2]
    }
    #[inline(always)]
    unsafe fn read(source: *const f32) -> Self {
        // SAFETY: the caller's promise.
        unsafe { [Portable::read(source), Portable::read(source.add(WIDTH))] }
    }
    #[inline(always)]
    unsafe fn write(self, target: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe {
            self[0].write(target);
            self[1].write(target.add(WIDTH));
        }
    }
    #[inline(always)]
    fn add_scaled(self, factor: f32, row: Self) -> Self {
        let factor = Portable::splat(factor);
        [factor.mul_add(row[0], self[0]), factor.mul_add(row[1], self[1])]
    }
}

impl Lanes for Portable {
    type Wide = [Self; 2];

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
    use super::{Lanes, WIDTH, Wide, WithLanes};
    use std::{arch::x86_64::*, marker::PhantomData};

    /// Whether this CPU has AVX2 and FMA.
    pub fn has_avx2() -> bool {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
    }

    /// Whether this CPU has AVX-512 as well.
    pub fn has_avx512() -> bool {
        has_avx2() && is_x86_feature_detected!("avx512f")
    }

    /// Runs a kernel with AVX2 and FMA.
    ///
    /// # Safety
    /// The CPU has to have both.
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn run_avx2<W: WithLanes>(kernel: W) -> W::Output {
        kernel.run::<Avx2<TwoYmm>>()
    }

    /// Runs a kernel with AVX2 and FMA, and its products with AVX-512.
    ///
    /// # Safety
    /// The CPU has to have all of them.
    #[target_feature(enable = "avx2,fma,avx512f")]
    pub unsafe fn run_avx512<W: WithLanes>(kernel: W) -> W::Output {
        kernel.run::<Avx2<Zmm>>()
    }

    /// As [`Zmm`], of AVX2 and FMA.
    #[derive(Clone, Copy)]
    struct TwoYmm(__m256, __m256);

    // In all of these, SAFETY: the CPU has AVX2 and FMA, as said at `TwoYmm`.
    #[allow(clippy::undocumented_unsafe_blocks)]
    impl Wide for TwoYmm {
        /// Twelve of the sixteen registers: the others hold the two of a row and a factor.
        const SUMS: usize = 6;

        #[inline(always)]
        fn zeros() -> Self {
            unsafe { Self(_mm256_setzero_ps(), _mm256_setzero_ps()) }
        }
        #[inline(always)]
        unsafe fn read(source: *const f32) -> Self {
            unsafe { Self(_mm256_loadu_ps(source), _mm256_loadu_ps(source.add(WIDTH))) }
        }
        #[inline(always)]
        unsafe fn write(self, target: *mut f32) {
            unsafe {
                _mm256_storeu_ps(target, self.0);
                _mm256_storeu_ps(target.add(WIDTH), self.1);
            }
        }
        #[inline(always)]
        fn add_scaled(self, factor: f32, row: Self) -> Self {
            unsafe {
                let factor = _mm256_set1_ps(factor);
                Self(_mm256_fmadd_ps(factor, row.0, self.0), _mm256_fmadd_ps(factor, row.1, self.1))
            }
        }
    }

    /// Named by nothing but [`run_avx512`], so wherever there is one the CPU has the instructions.
    #[derive(Clone, Copy)]
    struct Zmm(__m512);

    // In all of these, SAFETY: the CPU has AVX-512, as said at `Zmm`.
    #[allow(clippy::undocumented_unsafe_blocks)]
    impl Wide for Zmm {
        /// More than the eight that the two units with their four cycles need; the thirty-two registers would hold more.
        const SUMS: usize = 12;

        #[inline(always)]
        fn zeros() -> Self {
            Self(unsafe { _mm512_setzero_ps() })
        }
        #[inline(always)]
        unsafe fn read(source: *const f32) -> Self {
            Self(unsafe { _mm512_loadu_ps(source) })
        }
        #[inline(always)]
        unsafe fn write(self, target: *mut f32) {
            unsafe { _mm512_storeu_ps(target, self.0) }
        }
        #[inline(always)]
        fn add_scaled(self, factor: f32, row: Self) -> Self {
            Self(unsafe { _mm512_fmadd_ps(_mm512_set1_ps(factor), row.0, self.0) })
        }
    }

    /// Named by nothing but [`run_avx2`] and [`run_avx512`], so wherever there is one the CPU has the instructions.
    #[derive(Clone, Copy)]
    struct Avx2<W>(__m256, PhantomData<W>);

    // In all of these, SAFETY: the CPU has AVX2 and FMA, as said at `Avx2`.
    #[allow(clippy::undocumented_unsafe_blocks)]
    impl<W: Wide> Lanes for Avx2<W> {
        type Wide = W;

        #[inline(always)]
        fn splat(value: f32) -> Self {
            Self(unsafe { _mm256_set1_ps(value) }, PhantomData)
        }
        #[inline(always)]
        unsafe fn read(source: *const f32) -> Self {
            Self(unsafe { _mm256_loadu_ps(source) }, PhantomData)
        }
        #[inline(always)]
        unsafe fn write(self, target: *mut f32) {
            unsafe { _mm256_storeu_ps(target, self.0) }
        }
        #[inline(always)]
        fn add(self, other: Self) -> Self {
            Self(unsafe { _mm256_add_ps(self.0, other.0) }, PhantomData)
        }
        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            Self(unsafe { _mm256_sub_ps(self.0, other.0) }, PhantomData)
        }
        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            Self(unsafe { _mm256_mul_ps(self.0, other.0) }, PhantomData)
        }
        #[inline(always)]
        fn div(self, other: Self) -> Self {
            Self(unsafe { _mm256_div_ps(self.0, other.0) }, PhantomData)
        }
        #[inline(always)]
        fn mul_add(self, factor: Self, term: Self) -> Self {
            Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, term.0) }, PhantomData)
        }
        #[inline(always)]
        fn at_least(self, bound: Self) -> Self {
            // Of a NaN and a number the instruction takes its second operand.
            Self(unsafe { _mm256_max_ps(bound.0, self.0) }, PhantomData)
        }
        #[inline(always)]
        fn at_most(self, bound: Self) -> Self {
            Self(unsafe { _mm256_min_ps(bound.0, self.0) }, PhantomData)
        }
        #[inline(always)]
        fn round(self) -> Self {
            const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
            Self(unsafe { _mm256_round_ps::<NEAREST>(self.0) }, PhantomData)
        }
        #[inline(always)]
        fn exp2_of_integer(self) -> Self {
            unsafe {
                let power = _mm256_add_epi32(_mm256_cvtps_epi32(self.0), _mm256_set1_epi32(127));
                Self(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(power)), PhantomData)
            }
        }
        #[inline(always)]
        fn abs(self) -> Self {
            Self(unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0) }, PhantomData)
        }
        #[inline(always)]
        fn with_sign_of(self, other: Self) -> Self {
            unsafe {
                let sign = _mm256_and_ps(_mm256_set1_ps(-0.0), other.0);
                Self(_mm256_or_ps(sign, self.0), PhantomData)
            }
        }
        #[inline(always)]
        fn if_less(self, bound: Self, yes: Self, no: Self) -> Self {
            unsafe {
                let less = _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, bound.0);
                Self(_mm256_blendv_ps(no.0, yes.0, less), PhantomData)
            }
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            Self(unsafe { _mm256_sqrt_ps(self.0) }, PhantomData)
        }
        #[inline(always)]
        fn transpose(rows: [Self; WIDTH]) -> [Self; WIDTH] {
            let [a, b, c, d, e, f, g, h] = rows.map(|row| row.0);
            unsafe {
                // Pairs of rows, then fours, then halves of all eight.
                let (ab, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
                let (cd, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
                let (ef, ef_high) = (_mm256_unpacklo_ps(e, f), _mm256_unpackhi_ps(e, f));
                let (gh, gh_high) = (_mm256_unpacklo_ps(g, h), _mm256_unpackhi_ps(g, h));
                let upper = [
                    _mm256_shuffle_ps::<0x44>(ab, cd),
                    _mm256_shuffle_ps::<0xEE>(ab, cd),
                    _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
                    _mm256_shuffle_ps::<0xEE>(ab_high, cd_high),
                ];
                let lower = [
                    _mm256_shuffle_ps::<0x44>(ef, gh),
                    _mm256_shuffle_ps::<0xEE>(ef, gh),
                    _mm256_shuffle_ps::<0x44>(ef_high, gh_high),
                    _mm256_shuffle_ps::<0xEE>(ef_high, gh_high),
                ];
                std::array::from_fn(|column| {
                    let (upper, lower) = (upper[column % 4], lower[column % 4]);
                    let halves = if column < 4 {
                        _mm256_permute2f128_ps::<0x20>(upper, lower)
                    } else {
                        _mm256_permute2f128_ps::<0x31>(upper, lower)
                    };
                    Self(halves, PhantomData)
                })
            }
        }
        #[inline(always)]
        fn prefetch(address: *const f32) {
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
        }
    }

    const _: () = assert!(size_of::<__m256>() == WIDTH * size_of::<f32>());
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Transposed;

    impl WithLanes for Transposed {
        type Output = [[f32; WIDTH]; WIDTH];

        #[inline(always)]
        fn run<L: Lanes>(self) -> Self::Output {
            let row = |row: usize| L::load(&std::array::from_fn::<f32, WIDTH, _>(|column| (10 * row + column) as f32));
            L::transpose(std::array::from_fn(row)).map(L::to_array)
        }
    }

    #[test]
    fn rows_become_columns_on_every_kind_of_lanes() {
        for found in [dispatch(Transposed), dispatch_portable(Transposed)] {
            for (column, values) in found.iter().enumerate() {
                assert_eq!(*values, std::array::from_fn::<f32, WIDTH, _>(|row| (10 * row + column) as f32));
            }
        }
    }
}
