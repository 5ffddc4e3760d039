//! Elementary functions on [`Lanes`], within 2e-7 of the exact value (relative, where it is not denormal); [`normal`] within
//! 3e-7 (absolute).
//!
//! The polynomials are minimax fits, made for these intervals with reweighted least squares.

use super::lanes::Lanes;

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

/// The distribution function `Φ(x) = (1 + erf(x / √2)) / 2` of the standard normal distribution, and its density
/// `e^(-x²/2) / √(2 π)`.
#[inline(always)]
pub fn normal<L: Lanes>(x: L) -> [L; 2] {
    // 1 / √(2 π)
    const PEAK: f32 = 0.398_942_3;
    let one = L::splat(1.0);
    let bell = exp(x.mul(x).mul(L::splat(-0.5)));
    // What lies beyond |x| is bell * t * p(t), as in Abramowitz and Stegun 26.2.17, but with coefficients off by at most 3e-8.
    let t = one.div(x.abs().mul_add(L::splat(0.27), one));
    let p = L::splat(-0.119_993_374)
        .mul_add(t, L::splat(0.503_415_47))
        .mul_add(t, L::splat(-0.412_121_9))
        .mul_add(t, L::splat(0.390_139))
        .mul_add(t, L::splat(0.019_960_603))
        .mul_add(t, L::splat(0.118_600_2));
    let beyond = p.mul(t).mul(bell);
    [x.if_less(L::splat(0.0), beyond, one.sub(beyond)), bell.mul(L::splat(PEAK))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::lanes::{WIDTH, WithLanes, dispatch, dispatch_portable};

    type Function = fn(f64) -> f64;

    /// The largest relative error of the three functions against `f64` over `numbers`.
    struct Errors<'a>(&'a [f32]);

    impl WithLanes for Errors<'_> {
        type Output = [f64; 3];

        #[inline(always)]
        fn run<L: Lanes>(self) -> [f64; 3] {
            let exact: [Function; 3] = [f64::exp, |x| 1.0 / (1.0 + (-x).exp()), f64::tanh];
            let mut worst = [0.0_f64; 3];
            for chunk in self.0.chunks_exact(WIDTH) {
                let x = L::load(chunk);
                let found = [exp(x), sigmoid(x), tanh(x)].map(L::to_array);
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
            for error in errors {
                assert!(error < 2e-7, "{errors:?}");
            }
        }
    }

    struct Extremes;

    impl WithLanes for Extremes {
        type Output = [[f32; WIDTH]; 3];

        #[inline(always)]
        fn run<L: Lanes>(self) -> [[f32; WIDTH]; 3] {
            let x = L::load(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, f32::MAX, f32::MIN, 1e-30]);
            [exp(x), sigmoid(x), tanh(x)].map(L::to_array)
        }
    }

    #[test]
    fn extremes_saturate_and_nan_stays() {
        for [exp, sigmoid, tanh] in [dispatch(Extremes), dispatch_portable(Extremes)] {
            assert!(exp[0].is_nan() && sigmoid[0].is_nan() && tanh[0].is_nan());
            assert!(exp[1] > 2e38 && exp[1].is_finite() && exp[2] > 0.0 && exp[2] < 2e-38);
            assert_eq!(sigmoid[1], 1.0);
            assert!(sigmoid[2] < 1e-37);
            assert_eq!(tanh[1..], [1.0, -1.0, 0.0, 0.0, 1.0, -1.0, 1e-30]);
            assert_eq!(exp[3], 1.0);
            assert_eq!(sigmoid[3], 0.5);
        }
    }

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

    /// Distribution function and density of the normal distribution.
    struct Normal([f32; WIDTH]);

    impl WithLanes for Normal {
        type Output = [[f32; WIDTH]; 2];

        #[inline(always)]
        fn run<L: Lanes>(self) -> [[f32; WIDTH]; 2] {
            normal(L::load(&self.0)).map(L::to_array)
        }
    }

    #[test]
    fn the_normal_distribution_is_accurate_on_both_kinds_of_lanes() {
        for start in -1500..1500 {
            let points: [f32; WIDTH] = std::array::from_fn(|i| start as f32 * 0.008 + i as f32 * 0.001);
            for [distribution, density] in [dispatch(Normal(points)), dispatch_portable(Normal(points))] {
                for ((x, distribution), density) in points.into_iter().zip(distribution).zip(density) {
                    let x = f64::from(x);
                    let exact = 0.5 * (1.0 + exact_erf(x / std::f64::consts::SQRT_2));
                    assert!((f64::from(distribution) - exact).abs() < 3e-7, "{x}: {distribution} is not {exact}");
                    let exact = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
                    assert!((f64::from(density) - exact).abs() < 3e-7, "{x}: {density} is not {exact}");
                }
            }
        }
        let extremes = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 0.0, 0.0, 0.0];
        for [distribution, _] in [dispatch(Normal(extremes)), dispatch_portable(Normal(extremes))] {
            assert!(distribution[0].is_nan());
            assert_eq!(distribution[1..5], [1.0, 0.0, 1.0, 0.0]);
            assert!((distribution[5] - 0.5).abs() < 3e-7);
        }
    }
}
