//! The embedded recordings: the words zero to nine as a small formant synthesiser says them, with six made-up voices, so
//! that a speech model trains with no file and no download.
//!
//! The synthesiser is a source (pulses for a voice, noise for friction) through three resonators that move from phone to
//! phone, after Klatt, "Software for a cascade/parallel formant synthesizer" (1980), reduced to what tells ten words
//! apart; formants of vowels are the averages of Peterson and Barney (1952). Takes differ in pitch, tempo, formants,
//! loudness and noise, and voices in all of these, so that a voice that was never heard is harder than one that was.

mod phones;
mod synthesis;

use crate::{SplitMix64, stream_seed};
use phones::WORDS;
use rayon::prelude::*;
use synthesis::{Take, speak};

/// Samples a second.
pub const RATE: u32 = 8000;

/// Takes of each word by each voice.
const TAKES: usize = 20;

/// The seed of the recordings. Changing it, or anything below, changes every score that is quoted for them.
const SEED: u64 = 1952;

/// One recording.
#[derive(Debug, Clone, PartialEq)]
pub struct SpokenDigit {
    /// What is said: 0 to 9.
    pub digit: usize,
    /// Who says it.
    pub speaker: &'static str,
    /// The number of the recording among this voice's of this digit, from 0.
    pub take: usize,
    /// Samples from -1 to 1 in steps of 16 bits, [`RATE`] a second.
    pub samples: Vec<f32>,
}

impl SpokenDigit {
    /// As the free spoken digit dataset names its files: `7_otto_3.wav`.
    pub fn name(&self) -> String {
        format!("{}_{}_{}.wav", self.digit, self.speaker, self.take)
    }
}

/// A voice.
#[derive(Debug, Clone, Copy)]
struct Voice {
    name: &'static str,
    /// Pulses a second.
    pitch: f64,
    /// What formants are multiplied with: the shorter the throat, the higher.
    formants: f64,
    /// What durations are multiplied with.
    tempo: f64,
    /// Noise in the voice, as a part of its pulses.
    breath: f64,
    /// Noise of the room, in decibels below the loudest sample.
    quiet: f64,
}

const VOICES: [Voice; 6] = [
    Voice { name: "anna", pitch: 205.0, formants: 1.15, tempo: 0.95, breath: 0.10, quiet: 42.0 },
    Voice { name: "bruno", pitch: 105.0, formants: 0.96, tempo: 1.10, breath: 0.03, quiet: 36.0 },
    Voice { name: "clara", pitch: 235.0, formants: 1.21, tempo: 0.88, breath: 0.16, quiet: 38.0 },
    Voice { name: "dario", pitch: 128.0, formants: 1.03, tempo: 0.82, breath: 0.05, quiet: 30.0 },
    Voice { name: "edith", pitch: 178.0, formants: 1.09, tempo: 1.18, breath: 0.22, quiet: 34.0 },
    Voice { name: "otto", pitch: 88.0, formants: 0.91, tempo: 1.02, breath: 0.07, quiet: 40.0 },
];

/// The recordings: ten digits by six voices, 20 takes each; digit by digit, and in a digit voice by voice. Made anew at
/// each call, on all cores.
pub fn spoken_digits() -> Vec<SpokenDigit> {
    let count = WORDS.len() * VOICES.len() * TAKES;
    (0..count).into_par_iter().map(record).collect()
}

fn record(number: usize) -> SpokenDigit {
    let (digit, rest) = (number / (VOICES.len() * TAKES), number % (VOICES.len() * TAKES));
    let (voice, take) = (VOICES[rest / TAKES], rest % TAKES);
    let mut rng = SplitMix64::new(stream_seed(SEED, 0, number as u64));
    let drawn = Take::draw(voice, &mut rng);
    SpokenDigit { digit, speaker: voice.name, take, samples: speak(WORDS[digit], &drawn, &mut rng) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{FeatureExtractor, FeatureKind, FeaturesConfig};

    #[test]
    fn the_recordings_are_the_same_every_time() {
        let digits = spoken_digits();
        assert_eq!(digits, spoken_digits());
        assert_eq!(digits.len(), 1200);
        for (digit, voice) in (0..10).flat_map(|digit| VOICES.map(|voice| (digit, voice.name))) {
            let takes = digits.iter().filter(|other| (other.digit, other.speaker) == (digit, voice));
            assert_eq!(takes.map(|other| other.take).collect::<Vec<_>>(), (0..TAKES).collect::<Vec<_>>());
        }
        // What sounds differ in may depend on a machine's sine in the last bit; how long they are does not.
        assert_eq!(digits.iter().map(|digit| digit.samples.len()).sum::<usize>(), LENGTH);
    }

    /// All samples of all recordings.
    const LENGTH: usize = 4_193_553;

    #[test]
    fn they_sound_and_fit() {
        for digit in spoken_digits() {
            let seconds = digit.samples.len() as f64 / f64::from(RATE);
            assert!((0.14..1.4).contains(&seconds), "{} of {seconds} s", digit.name());
            let loudest = digit.samples.iter().fold(0.0f32, |loudest, sample| loudest.max(sample.abs()));
            assert!((0.1..=1.0).contains(&loudest), "{} as loud as {loudest}", digit.name());
        }
    }

    /// The nearest class by mean features knows some digits of a voice it never heard, and not all: that is what the
    /// recordings are for.
    #[test]
    fn it_takes_more_than_the_mean_spectrum() {
        let config = FeaturesConfig { kind: FeatureKind::LogMel, ..FeaturesConfig::default() };
        let config = FeaturesConfig { normalize: crate::audio::Normalize::None, ..config };
        let extractor = FeatureExtractor::new(&config).unwrap();
        let mean_of = |digit: &SpokenDigit| -> Vec<f32> {
            let features = extractor.extract(&digit.samples);
            let mean =
                |place: usize| features.values.iter().skip(place).step_by(40).sum::<f32>() / features.frames as f32;
            (0..40).map(mean).collect()
        };
        let digits = spoken_digits();
        let means: Vec<Vec<f32>> = digits.iter().map(mean_of).collect();
        let center = |class: usize, left_out: &str| -> Vec<f32> {
            let of_class = |digit: &SpokenDigit| digit.digit == class && digit.speaker != left_out;
            let rows: Vec<&Vec<f32>> =
                digits.iter().zip(&means).filter(|(d, _)| of_class(d)).map(|(_, mean)| mean).collect();
            (0..40).map(|place| rows.iter().map(|row| row[place]).sum::<f32>() / rows.len() as f32).collect()
        };
        let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        let mut right = 0;
        for voice in VOICES {
            let centers: Vec<Vec<f32>> = (0..10).map(|class| center(class, voice.name)).collect();
            for (digit, mean) in digits.iter().zip(&means).filter(|(digit, _)| digit.speaker == voice.name) {
                let to = |class: &usize| distance(&centers[*class], mean);
                let nearest = (0..10).min_by(|a, b| to(a).total_cmp(&to(b))).unwrap();
                right += usize::from(nearest == digit.digit);
            }
        }
        let accuracy = right as f64 / digits.len() as f64;
        assert!((0.25..0.8).contains(&accuracy), "{accuracy}");
    }
}
