//! From values to places on the page, and the round values in between.

use crate::format;

/// The room that a label takes along its axis, in the drawing's own units.
const ROOM_ACROSS: f64 = 86.0;
const ROOM_UP: f64 = 42.0;

/// Maps values to coordinates, linearly or by their logarithm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    pub low: f64,
    pub high: f64,
    pub from: f64,
    pub to: f64,
    pub log: bool,
}

impl Scale {
    /// A scale whose domain is never empty: one value gets room around it, and so do values that only rounding tells apart.
    pub fn new((low, high): (f64, f64), (from, to): (f64, f64), log: bool) -> Self {
        let (low, high) = match (low.is_finite() && high.is_finite(), high - low > high.abs().max(low.abs()) * 1e-9) {
            (false, _) => (0.0, 1.0),
            (true, true) => (low, high),
            (true, false) if log => (low / 2.0, low * 2.0),
            (true, false) => {
                let room = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
                (low - room, low + room)
            }
        };
        // The logarithm has no zero, to which the smallest of all numbers may have been rounded.
        let low = if log { low.max(f64::MIN_POSITIVE) } else { low };
        Self { low, high, from, to, log }
    }

    /// The coordinate of a value.
    pub fn at(&self, value: f64) -> f64 {
        let part = if self.log {
            (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln())
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + part * (self.to - self.from)
    }

    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Round values within the domain, with their labels.
    pub fn ticks(&self, whole: bool) -> Vec<(f64, String)> {
        if self.log
            && let Some(ticks) = self.decade_ticks()
        {
            return ticks.into_iter().map(|tick| (tick, format::number(tick))).collect();
        }
        let mut step = nice_step((self.high - self.low) / self.most_ticks());
        if whole {
            step = step.max(1.0).round();
        }
        // A tick that rounding puts just outside still belongs to the end of the axis.
        let first = (self.low / step - 1e-6).ceil();
        let last = (self.high / step + 1e-6).floor();
        // Steps smaller than the numbers' own precision would never reach the end.
        let count = (last - first + 1.0).clamp(0.0, 20.0) as u32;
        (0..count).map(|index| (first + f64::from(index)) * step).map(|tick| (tick, label(tick, step))).collect()
    }

    fn most_ticks(&self) -> f64 {
        // Heights grow downwards, which tells the axes apart.
        let room = if self.to < self.from { ROOM_UP } else { ROOM_ACROSS };
        ((self.to - self.from).abs() / room).clamp(2.0, 9.0)
    }

    /// Powers of ten, with 2 and 5 between them where there are few; none where even those are too few to read a value from.
    fn decade_ticks(&self) -> Option<Vec<f64>> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let decades = last - first;
        let between: &[f64] = match decades {
            0..=2 => &[1.0, 2.0, 5.0],
            3 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let stride = (decades / 7 + 1) as usize;
        let ticks: Vec<f64> = (first..=last)
            .step_by(stride)
            .flat_map(|power| between.iter().map(move |digit| digit * 10f64.powi(power)))
            .filter(|tick| self.holds(*tick))
            .collect();
        (ticks.len() >= 3).then_some(ticks)
    }
}

/// The next of 1, 2, 5, 10, 20, … that is no smaller.
fn nice_step(rough: f64) -> f64 {
    if !(rough.is_finite() && rough > 0.0) {
        return 1.0;
    }
    let power = 10f64.powf(rough.log10().floor());
    let digit = [1.0, 2.0, 5.0, 10.0].into_iter().find(|digit| digit * power >= rough * 0.999).unwrap_or(10.0);
    digit * power
}

/// A tick's label, with as many decimals as tell neighbours apart.
fn label(tick: f64, step: f64) -> String {
    let size = tick.abs();
    // Zero is often some rounding error of a subtraction away.
    if size < step * 1e-6 {
        return "0".into();
    }
    if size >= 1e9 || step < 1e-4 {
        return format!("{tick:.1e}").replace(".0e", "e");
    }
    let (divisor, unit) = match step {
        step if step >= 500_000.0 || size >= 1e7 => (1e6, "M"),
        step if step >= 500.0 && size >= 1000.0 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let decimals = (-(step / divisor).log10() - 1e-9).ceil().max(0.0) as usize;
    format!("{:.decimals$}{unit}", tick / divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, log: bool) -> Vec<String> {
        Scale::new((low, high), (210.0, 0.0), log).ticks(false).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(0.0, 5000.0, false), ["0", "1k", "2k", "3k", "4k", "5k"]);
        assert_eq!(labels(1.13, 4.27, false), ["2", "3", "4"]);
        assert_eq!(labels(-0.02, 0.05, false), ["-0.02", "0", "0.02", "0.04"]);
        assert_eq!(labels(0.0, 6e-4, false), ["0", "0.0002", "0.0004", "0.0006"]);
        assert_eq!(labels(0.0, 100_000.0, false), ["0", "20k", "40k", "60k", "80k", "100k"]);
        assert_eq!(labels(0.0, 100.0, false), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(labels(0.0, 2e-8, false), ["0", "5e-9", "1e-8", "1.5e-8", "2e-8"]);
    }

    #[test]
    fn logarithmic_ticks_fit_their_range() {
        assert_eq!(labels(1.4, 11.0, true), ["2", "5", "10"]);
        assert_eq!(labels(1e-6, 1.0, true).len(), 7);
        assert_eq!(
            labels(3.0, 4.0, true),
            ["3", "3.2", "3.4", "3.6", "3.8", "4"].map(|l| if l == "3" {
                "3.0"
            } else if l == "4" {
                "4.0"
            } else {
                l
            })
        );
    }

    #[test]
    fn degenerate_domains_still_scale() {
        for (low, high) in [(0.0, 0.0), (5.0, 5.0), (f64::NAN, 1.0), (f64::INFINITY, f64::NEG_INFINITY), (1e300, 1e300)]
        {
            for log in [false, true] {
                let scale = Scale::new((low, high), (0.0, 100.0), log);
                assert!(scale.ticks(true).len() <= 21);
            }
        }
        assert_eq!(Scale::new((3.0, 3.0), (0.0, 100.0), false).at(3.0), 50.0);
    }
}
