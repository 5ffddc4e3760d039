//! The embedded series: seven months of made-up hourly readings, the same on every machine.
//!
//! - `demand`: a daily and a weekly season on a slight trend, with noise. A seasonal forecast does well on it.
//! - `carrier`: a wave of 24 hours whose amplitude swells and shrinks over 168, with noise.
//! - `mackey_glass`: the delay equation of Mackey and Glass, "Oscillation and chaos in physiological control systems",
//!   Science 197 (1977), dx/dt = beta x(t - tau) / (1 + x(t - tau)^n) - gamma x(t), with beta 0.2, gamma 0.1, n 10 and
//!   tau 17: chaotic, with no season, and without noise.

use crate::{SplitMix64, stream_seed};
use std::f64::consts::TAU;

/// The columns.
pub const NAMES: [&str; 3] = ["demand", "carrier", "mackey_glass"];

/// Hours: 30 weeks.
pub const ROWS: usize = 30 * WEEK;

const DAY: usize = 24;
const WEEK: usize = 7 * DAY;

/// The seed of the noise.
const SEED: u64 = 1977;

/// The rows, with one value a column of [`NAMES`].
pub fn values() -> Vec<[f64; 3]> {
    let mut rng = SplitMix64::new(stream_seed(SEED, 0, 0));
    let chaos = mackey_glass(ROWS);
    let row = |hour: usize| {
        let wave = |period: usize, phase: f64| (TAU * (hour as f64 / period as f64 + phase)).sin();
        let demand =
            60.0 + 0.001 * hour as f64 + 12.0 * wave(DAY, -0.25) + 4.0 * wave(DAY / 2, 0.1) + 7.0 * wave(WEEK, 0.3);
        let carrier = (1.0 + 0.6 * wave(WEEK, 0.0)) * wave(DAY, 0.0);
        // Rounded, so that a last digit that differs between platforms' `sin` is lost.
        [demand + 1.5 * normal(&mut rng), carrier + 0.05 * normal(&mut rng), chaos[hour]]
            .map(|x| (x * 1e4).round() / 1e4)
    };
    (0..ROWS).map(row).collect()
}

/// The rows' dates: hours from 2023-01-01 00:00 on.
pub fn dates() -> Vec<String> {
    const DAYS: [usize; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months = (1..).zip(DAYS);
    let days = months.flat_map(|(month, days)| (1..=days).map(move |day| (month, day)));
    let hours =
        days.flat_map(|(month, day)| (0..DAY).map(move |hour| format!("2023-{month:02}-{day:02} {hour:02}:00")));
    hours.take(ROWS).collect()
}

/// Near to the standard normal distribution: the sum of twelve uniform numbers, by addition alone.
fn normal(rng: &mut SplitMix64) -> f64 {
    (0..12).map(|_| rng.unit()).sum::<f64>() - 6.0
}

/// `count` values of the Mackey–Glass equation, one time unit apart, after the transient. Fourth-order Runge–Kutta; it
/// uses nothing but the four operations, since in a chaotic series the least difference between platforms would grow.
fn mackey_glass(count: usize) -> Vec<f64> {
    const STEPS: usize = 10;
    const STEP: f64 = 1.0 / STEPS as f64;
    const DELAY: usize = 17 * STEPS;
    const TRANSIENT: usize = 1000 * STEPS;
    let slope = |now: f64, delayed: f64| {
        let square = delayed * delayed;
        let fourth = square * square;
        0.2 * delayed / (1.0 + fourth * fourth * square) - 0.1 * now
    };
    let mut path = vec![1.2; DELAY + 1];
    for _ in 0..TRANSIENT + count * STEPS {
        let latest = path.len() - 1;
        let now = path[latest];
        let (start, end) = (path[latest - DELAY], path[latest - DELAY + 1]);
        let middle = 0.5 * (start + end);
        let k1 = slope(now, start);
        let k2 = slope(now + 0.5 * STEP * k1, middle);
        let k3 = slope(now + 0.5 * STEP * k2, middle);
        let k4 = slope(now + STEP * k3, end);
        path.push(now + STEP / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4));
    }
    path.into_iter().skip(DELAY + TRANSIENT).step_by(STEPS).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_values_go_together() {
        let (dates, values) = (dates(), values());
        assert_eq!((dates.len(), values.len()), (ROWS, ROWS));
        assert_eq!((dates[0].as_str(), dates[ROWS - 1].as_str()), ("2023-01-01 00:00", "2023-07-29 23:00"));
        assert!(values.iter().flatten().all(|value| value.is_finite()));
    }

    #[test]
    fn the_seasons_are_there() {
        let values = values();
        // Correlation of a column with itself `lag` rows later.
        let correlation = |column: usize, lag: usize| {
            let series: Vec<f64> = values.iter().map(|row| row[column]).collect();
            let mean = series.iter().sum::<f64>() / series.len() as f64;
            let product =
                |lag: usize| series.iter().zip(&series[lag..]).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
            product(lag) / product(0)
        };
        assert!(correlation(0, WEEK) > 0.9 && correlation(0, DAY / 2) < 0.0);
        assert!(correlation(1, WEEK) > 0.9 && correlation(1, DAY / 2) < -0.8);
        assert!(correlation(2, WEEK) < 0.7);
    }

    #[test]
    fn mackey_glass_is_the_published_attractor() {
        let series = mackey_glass(5000);
        let (low, high) = series.iter().fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(*x), high.max(*x)));
        assert!((0.2..0.5).contains(&low) && (1.2..1.4).contains(&high), "{low} to {high}");
        let mean = series.iter().sum::<f64>() / 5000.0;
        assert!((0.85..0.97).contains(&mean), "{mean}");
    }

    #[test]
    fn the_signals_are_pinned() {
        // Changing these numbers changes what every run on the embedded signals is compared with.
        let values = values();
        assert_eq!(values[0], [56.478, 0.059, 0.9464]);
        assert_eq!(values[ROWS - 1], [60.1743, -0.2168, 0.886]);
    }
}
