//! From phones to samples.

use super::phones::Phone;
use super::{RATE, Voice};
use crate::SplitMix64;
use std::f64::consts::PI;

/// Samples over which the resonators stand still.
const BLOCK: usize = 40;

/// How fast resonators and loudness follow a new phone: seconds to come to a third of the way that was left.
const GLIDE: f64 = 0.018;
const SWELL: f64 = 0.007;

/// Bandwidths of the resonators, in hertz.
const BANDWIDTHS: [f64; 3] = [70.0, 100.0, 150.0];

/// What is particular to one take.
#[derive(Debug)]
pub(super) struct Take {
    /// Pulses a second at the start and, as a factor, at the end.
    pitch: f64,
    fall: f64,
    /// What each formant is multiplied with.
    formants: [f64; 3],
    tempo: f64,
    breath: f64,
    /// The loudest sample.
    loudness: f64,
    /// The loudness of the room's noise.
    noise: f64,
    /// Seconds of silence before and after the word.
    silence: [f64; 2],
}

impl Take {
    /// One take of a voice.
    pub fn draw(voice: Voice, rng: &mut SplitMix64) -> Self {
        let mut about = |middle: f64, spread: f64| middle * (1.0 + spread * (2.0 * rng.unit() - 1.0));
        let all = about(voice.formants, 0.04);
        let formants = [about(all, 0.07), about(all, 0.06), about(all, 0.04)];
        let loudness = about(0.5, 0.7);
        Self {
            pitch: about(voice.pitch, 0.12),
            fall: about(0.85, 0.2),
            formants,
            tempo: about(voice.tempo, 0.18),
            breath: about(voice.breath, 0.5),
            loudness,
            noise: loudness * 10f64.powf(-about(voice.quiet, 0.25) / 20.0),
            silence: [about(0.05, 0.9), about(0.05, 0.9)],
        }
    }
}

/// The samples of a word.
pub(super) fn speak(word: &[Phone], take: &Take, rng: &mut SplitMix64) -> Vec<f32> {
    let rate = f64::from(RATE);
    let track = track(word, take, rng);
    let mut resonators = [Resonator::default(); 3];
    let mut hiss = Resonator::default();
    let mut source = Source::default();
    let mut samples = Vec::with_capacity(track.len() * BLOCK);
    for (number, phone) in track.iter().enumerate() {
        for ((resonator, formant), (scale, bandwidth)) in
            resonators.iter_mut().zip(phone.formants).zip(take.formants.iter().zip(BANDWIDTHS))
        {
            resonator.tune((formant * scale).min(0.48 * rate), bandwidth);
        }
        hiss.tune((phone.band[0] * take.formants[2]).min(0.47 * rate), phone.band[1]);
        let progress = number as f64 / track.len() as f64;
        let pitch = take.pitch * (1.0 + (take.fall - 1.0) * progress);
        for _ in 0..BLOCK {
            let noise = white(rng);
            let voice = phone.voice * (source.next(pitch / rate, rng) + take.breath * noise);
            let voiced = resonators.iter_mut().fold(voice, |signal, resonator| resonator.filter(signal));
            // A resonator's gain grows as its band narrows; friction is to be as loud in any band.
            let friction = phone.friction * hiss.filter(white(rng)) * (phone.band[1] / rate).sqrt();
            samples.push(voiced + 6.0 * friction);
        }
    }
    finish(&samples, take, rng)
}

/// The phones' aims over time, one a [`BLOCK`], each approached from the one before.
fn track(word: &[Phone], take: &Take, rng: &mut SplitMix64) -> Vec<Phone> {
    let block = BLOCK as f64 / f64::from(RATE);
    let follow = |time: f64| 1.0 - (-block / time).exp();
    let mut now = Phone { voice: 0.0, friction: 0.0, ..word[0] };
    let mut track = Vec::new();
    let silent = Phone { voice: 0.0, friction: 0.0, length: 25.0, ..word[word.len() - 1] };
    for phone in word.iter().chain([&silent]) {
        let length = phone.length / 1000.0 * take.tempo * (0.75 + 0.5 * rng.unit());
        // No two takes of a phone are articulated alike.
        let aim = phone.formants.map(|formant| formant * (0.95 + 0.1 * rng.unit()));
        for _ in 0..(length / block).round() as usize {
            for (formant, aim) in now.formants.iter_mut().zip(aim) {
                *formant += follow(GLIDE) * (aim - *formant);
            }
            for (value, aim) in [(&mut now.voice, phone.voice), (&mut now.friction, phone.friction)] {
                *value += follow(SWELL) * (aim - *value);
            }
            now.band = if phone.friction > 0.0 { phone.band } else { now.band };
            track.push(now);
        }
    }
    track
}

/// Silence around the word, its loudness, the room's noise, and 16 bits.
fn finish(word: &[f64], take: &Take, rng: &mut SplitMix64) -> Vec<f32> {
    let loudest = word.iter().fold(1e-9f64, |loudest, sample| loudest.max(sample.abs()));
    let silence = take.silence.map(|seconds| (seconds * f64::from(RATE)) as usize);
    let before = std::iter::repeat_n(&0.0, silence[0]);
    let after = std::iter::repeat_n(&0.0, silence[1]);
    let sample = |sample: &f64| {
        let loud = (sample / loudest * take.loudness + take.noise * white(rng)).clamp(-1.0, 1.0);
        ((loud * 32767.0).round() / 32768.0) as f32
    };
    before.chain(word).chain(after).map(sample).collect()
}

/// White noise of variance 1.
fn white(rng: &mut SplitMix64) -> f64 {
    (2.0 * rng.unit() - 1.0) * 3f64.sqrt()
}

/// The vocal folds: a pulse a period, of which the throat takes the edge.
#[derive(Debug, Default)]
struct Source {
    phase: f64,
    smooth: f64,
}

impl Source {
    /// The next sample; `step` is the part of a period that one sample takes.
    fn next(&mut self, step: f64, rng: &mut SplitMix64) -> f64 {
        self.phase += step;
        let mut pulse = 0.0;
        if self.phase >= 1.0 {
            // Periods are never quite alike.
            self.phase -= 1.0 + 0.02 * (rng.unit() - 0.5);
            pulse = (1.0 + 0.1 * (rng.unit() - 0.5)) / step.sqrt();
        }
        // Falls by 6 decibels an octave above some 200 Hz.
        self.smooth += 0.15 * (pulse - self.smooth);
        self.smooth
    }
}

/// Klatt's digital resonator: `y[n] = a x[n] + b y[n-1] + c y[n-2]`, with a gain of 1 at 0 Hz.
#[derive(Debug, Clone, Copy, Default)]
struct Resonator {
    a: f64,
    b: f64,
    c: f64,
    last: f64,
    before: f64,
}

impl Resonator {
    fn tune(&mut self, frequency: f64, bandwidth: f64) {
        let rate = f64::from(RATE);
        self.c = -(-2.0 * PI * bandwidth / rate).exp();
        self.b = 2.0 * (-PI * bandwidth / rate).exp() * (2.0 * PI * frequency / rate).cos();
        self.a = 1.0 - self.b - self.c;
    }

    fn filter(&mut self, sample: f64) -> f64 {
        let next = self.a * sample + self.b * self.last + self.c * self.before;
        (self.before, self.last) = (self.last, next);
        next
    }
}
