//! Elementary functions on [`Lanes`], within 2e-7 of the exact value (relative, where it is not denormal); [`erf`] within 4e-7.
//!
//! The polynomials are minimax fits, made for these intervals with reweighted least squares.

use super::lanes::Lanes;
use std::f32::consts::FRAC_2_SQRT_PI;

/// `e^x`. Below -87.3 it stays at the smallest normal number instead of vanishing, above 88.3 just below the largest
/// instead of overflowing; a NaN stays one.
#[inline(always)]
pub fn exp<L: Lanes>(x: L) -> L {
    // ln 2 in two parts: the product of the first with an integer up to 2^12 is exact.
    const LN2_HIGH: f32 = 0.693_115_23;
    const LN2_LOW: f32 = 3.194_618_3e-5;
    let x = x.at_least(L::splat(-87.3)).at_most(L::splat(88.3));
    let power = x.mul(L::splat(std::f32::consts::LOG2_E)).round();
    let rest = power.mul_add(L::splat(-LN2_HIGH), x);
    let rest = power.mul_add(L::splat(-LN2_LOW), rest);
    // On |rest| <= ln(2) / 2: 1 + rest + rest^2 * p(rest), off by at most 3e-9.
    let p = L::splat(0.001_381_453_9)
        .mul_add(rest, L::splat(0.008_368_745))
        .mul_add(rest, L::splat(0.041_668_39))
        .mul_add(rest, L::splat(0.166_665_21))
        .mul_add(rest, L::splat(0.499_999_94));
    let fraction = p.mul(rest).mul_add(rest, rest).add(L::splat(1.0));
    fraction.mul(power.exp2_of_integer())
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub fn sigmoid<L: Lanes>(x: L) -> L {
    let one = L::splat(1.0);
    one.div(one.add(exp(L::splat(0.0).sub(x))))
}

/// The hyperbolic tangent.
#[inline(always)]
pub fn tanh<L: Lanes>(x: L) -> L {
    let one = L::splat(1.0);
    let size = x.abs();
    let decayed = exp(size.mul(L::splat(-2.0)));
    let large = one.sub(decayed).div(one.add(decayed)).with_sign_of(x);
    // Near zero the difference above loses its digits: x + x^3 * p(x^2) instead, off by at most 5e-9 of the value.
    let square = x.mul(x);
    let p = L::splat(-0.005_704_987_3)
        .mul_add(square, L::splat(0.020_639_088))
        .mul_add(square, L::splat(-0.053_739_715))
        .mul_add(square, L::splat(0.133_314_42))
        .mul_add(square, L::splat(-0.333_332_8));
    let small = p.mul(square).mul_add(x, x);
    size.if_less(L::splat(0.625), small, large)
}

/// The error function, `2 / √π` times the integral of `e^(-t²)` from 0 to `x`.
#[inline(always)]
pub fn erf<L: Lanes>(x: L) -> L {
    // From here on the nearest number is 1.
    const END: f32 = 3.92;
    let one = L::splat(1.0);
    let size = x.abs();
    // On |x| <= END: x * p(x^2) / q(x^2), off by at most 2e-8 of the value.
    let inside = size.at_most(L::splat(END));
    let square = inside.mul(inside);
    let p = L::splat(2.050_103_4e-6)
        .mul_add(square, L::splat(0.000_284_882_96))
        .mul_add(square, L::splat(0.003_765_589_3))
        .mul_add(square, L::splat(0.052_748_635))
        .mul_add(square, L::splat(0.190_405_7))
        .mul_add(square, L::splat(FRAC_2_SQRT_PI));
    let q = L::splat(3.809_189_4e-5)
        .mul_add(square, L::splat(0.001_162_530_5))
        .mul_add(square, L::splat(0.014_969_159))
        .mul_add(square, L::splat(0.114_108_81))
        .mul_add(square, L::splat(0.502_075_4))
        .mul_add(square, one);
    let value = inside.mul(p).div(q).at_most(one);
    L::splat(END).if_less(size, one, value).with_sign_of(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::lanes::{WIDTH, WithLanes, dispatch, dispatch_portable};

    type Function = fn(f64) -> f64;

    /// The series `2 / √π e^(-x²) Σ 2^n x^(2n + 1) / (1 · 3 · .. · (2n + 1))`, whose terms have one sign.
    fn exact_erf(x: f64) -> f64 {
        if x.abs() > 6.0 {
            return x.signum();
        }
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
        }
        std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
    }

    /// The largest relative error of the four functions against `f64` over `numbers`.
    struct Errors<'a>(&'a [f32]);

    impl WithLanes for Errors<'_> {
        type Output = [f64; 4];

        #[inline(always)]
        fn run<L: Lanes>(self) -> [f64; 4] {
            let exact: [Function; 4] = [f64::exp, |x| 1.0 / (1.0 + (-x).exp()), f64::tanh, exact_erf];
            let mut worst = [0.0_f64; 4];
            for chunk in self.0.chunks_exact(WIDTH) {
                let x = L::load(chunk);
                let found = [exp(x), sigmoid(x), tanh(x), erf(x)].map(L::to_array);
                for ((exact, found), worst) in exact.iter().zip(&found).zip(&mut worst) {
                    for (&found, &number) in found.iter().zip(chunk) {
                        let exact = exact(f64::from(number));
                        let error = (f64::from(found) - exact).abs();
                        let relative = error / exact.abs().max(f64::from(f32::MIN_POSITIVE));
                        *worst = f64::max(*worst, relative);
                    }
                }
            }
            worst
        }
    }

    #[test]
    fn functions_are_accurate_on_both_kinds_of_lanes() {
        let numbers: Vec<f32> =
            (-340_000..340_000).map(|i| i as f32 * 2.5e-4).chain((1..8000).map(|i| 1e-6 * i as f32)).collect();
        for errors in [dispatch(Errors(&numbers)), dispatch_portable(Errors(&numbers))] {
            for (error, bound) in errors.into_iter().zip([2e-7, 2e-7, 2e-7, 4e-7]) {
                assert!(error < bound, "{errors:?}");
            }
        }
    }

    struct Extremes;

    impl WithLanes for Extremes {
        type Output = [[f32; WIDTH]; 4];

        #[inline(always)]
        fn run<L: Lanes>(self) -> [[f32; WIDTH]; 4] {
            let x = L::load(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, f32::MAX, f32::MIN, 1e-30]);
            [exp(x), sigmoid(x), tanh(x), erf(x)].map(L::to_array)
        }
    }

    #[test]
    fn extremes_saturate_and_nan_stays() {
        for [exp, sigmoid, tanh, erf] in [dispatch(Extremes), dispatch_portable(Extremes)] {
            assert!(exp[0].is_nan() && sigmoid[0].is_nan() && tanh[0].is_nan() && erf[0].is_nan());
            assert!(exp[1] > 2e38 && exp[1].is_finite() && exp[2] > 0.0 && exp[2] < 2e-38);
            assert_eq!(sigmoid[1], 1.0);
            assert!(sigmoid[2] < 1e-37);
            assert_eq!(tanh[1..], [1.0, -1.0, 0.0, 0.0, 1.0, -1.0, 1e-30]);
            assert_eq!(erf[1..7], [1.0, -1.0, 0.0, 0.0, 1.0, -1.0]);
            assert_eq!(exp[3], 1.0);
            assert_eq!(sigmoid[3], 0.5);
        }
    }
}
