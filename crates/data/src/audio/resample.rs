//! Resampling by a windowed sinc, as `torchaudio.functional.resample` defines it by default (`sinc_interp_hann`, a
//! low-pass filter of width 6, a roll-off of 0.99), after Smith's "Digital audio resampling" (ccrma.stanford.edu/~jos/resample).

use std::f64::consts::PI;

/// Zero crossings of the sinc on either side of a sample.
const FILTER_WIDTH: f64 = 6.0;

/// The cut-off, as a part of the lower of the two Nyquist frequencies.
const ROLLOFF: f64 = 0.99;

/// Brings waveforms from one rate to another. The filter is computed once.
#[derive(Debug, Clone)]
pub struct Resampler {
    /// The two rates, divided by what they share: input samples and output samples in one period of the filter.
    step: usize,
    num_phases: usize,
    /// For each output sample of a period, the filter over the input: row-major `[num_phases, taps]`.
    filters: Vec<f32>,
    /// Input samples that a filter covers on either side of an output sample.
    reach: usize,
}

impl Resampler {
    /// From `from` to `to` samples a second, both at least 1.
    pub fn new(from: u32, to: u32) -> Self {
        let shared = gcd(from, to);
        let (step, num_phases) = ((from / shared) as usize, (to / shared) as usize);
        // In units of which the input has `step` samples and the output `num_phases`.
        let cutoff = step.min(num_phases) as f64 * ROLLOFF;
        let reach = (FILTER_WIDTH * step as f64 / cutoff).ceil() as usize;
        let mut filters = Vec::with_capacity(num_phases * taps(reach));
        for phase in 0..num_phases {
            let first = (phase * step / num_phases) as f64 - reach as f64;
            filters.extend((0..taps(reach)).map(|tap| {
                let time = (first + tap as f64) / step as f64 - phase as f64 / num_phases as f64;
                (weight(time * cutoff) * cutoff / step as f64) as f32
            }));
        }
        Self { step, num_phases, filters, reach }
    }

    /// `samples` at the new rate: as many as the rates' ratio times their number, rounded up. Silence is thought before
    /// and after them.
    pub fn resample(&self, samples: &[f32]) -> Vec<f32> {
        if self.step == self.num_phases {
            return samples.to_vec();
        }
        let count = (samples.len() * self.num_phases).div_ceil(self.step);
        (0..count).map(|place| self.sample(samples, place)).collect()
    }

    fn sample(&self, samples: &[f32], place: usize) -> f32 {
        let phase = place % self.num_phases;
        let filter = &self.filters[phase * taps(self.reach)..][..taps(self.reach)];
        let center = place * self.step / self.num_phases;
        // The filter may begin before the first sample and end after the last.
        let skipped = self.reach.saturating_sub(center);
        let first = (center + skipped).saturating_sub(self.reach).min(samples.len());
        filter[skipped..].iter().zip(&samples[first..]).map(|(weight, sample)| weight * sample).sum()
    }
}

/// Input samples under one filter: `reach` before the one at or before the output sample, it, and `reach + 1` after it.
fn taps(reach: usize) -> usize {
    2 * reach + 2
}

/// The sinc under its Hann window, `time` zero crossings from its middle.
fn weight(time: f64) -> f64 {
    if time.abs() >= FILTER_WIDTH {
        return 0.0;
    }
    let sinc = if time == 0.0 { 1.0 } else { (time * PI).sin() / (time * PI) };
    sinc * (time * PI / FILTER_WIDTH / 2.0).cos().powi(2)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, rate: u32, count: usize) -> Vec<f32> {
        (0..count).map(|place| (2.0 * PI * hertz * place as f64 / f64::from(rate)).sin() as f32).collect()
    }

    #[test]
    fn a_tone_stays_the_same_tone() {
        for (from, to) in [(44_100, 8000), (8000, 16_000), (11_025, 8000), (8000, 8000)] {
            let count = from as usize / 4;
            let resampled = Resampler::new(from, to).resample(&tone(440.0, from, count));
            let expected = tone(440.0, to, resampled.len());
            assert_eq!(resampled.len(), (count * to as usize).div_ceil(from as usize));
            // Away from the ends, where silence begins.
            let inside = 100..resampled.len() - 100;
            let error = inside.map(|place| (resampled[place] - expected[place]).abs()).fold(0.0, f32::max);
            assert!(error < 5e-3, "{from} to {to}: {error}");
        }
    }

    #[test]
    fn what_the_new_rate_cannot_carry_is_taken_out() {
        let resampled = Resampler::new(16_000, 8000).resample(&tone(6000.0, 16_000, 4000));
        assert!(resampled[100..1900].iter().all(|sample| sample.abs() < 0.02));
    }

    #[test]
    fn very_short_waveforms_are_no_trouble() {
        for count in 0..20 {
            let resampled = Resampler::new(44_100, 8000).resample(&vec![0.5; count]);
            assert_eq!(resampled.len(), (count * 80).div_ceil(441));
        }
    }
}
