use super::delta::with_deltas;
use super::mel::MelFilters;
use super::{FeatureKind, FeaturesConfig, Normalization, Normalize};
use crate::DataError;
use crate::audio::{Resampler, SpeechArtefact, Waveform};
use realfft::{RealFftPlanner, RealToComplex};
use std::f64::consts::PI;
use std::sync::Arc;

/// What is added to a power before its logarithm, as torchaudio's `MFCC(log_mels=True)` does: silence is -13.8.
const LOG_OFFSET: f32 = 1e-6;

/// The frames of one recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// Frames: one, and one more for each whole hop in the recording.
    pub frames: usize,
    /// Features in a frame.
    pub size: usize,
    /// Row-major `[frames, size]`; with deltas, `[features, deltas, deltas of deltas]` in each frame.
    pub values: Vec<f32>,
}

/// Computes features: `ln(MelSpectrogram + 1e-6)` or `MFCC(log_mels=True)` of torchaudio, with `mel_scale="htk"`, `norm=None`,
/// `power=2`, a periodic Hann window, `center=True` and reflected ends; the Fourier transform reads the next power of
/// two above the window, which lies in its middle. Cloning is cheap.
///
/// A recording that is too short to be reflected gets silence at its end first, where torchaudio refuses it.
#[derive(Clone)]
pub struct FeatureExtractor {
    config: FeaturesConfig,
    normalization: Normalization,
    tools: Arc<Tools>,
}

/// What all recordings share.
struct Tools {
    fft: Arc<dyn RealToComplex<f32>>,
    /// `[fft_size]`, zeros around the window.
    window: Vec<f32>,
    mel: MelFilters,
    /// Row-major `[num_coefficients, num_mels]`; empty where there are no coefficients.
    cosines: Vec<f32>,
}

impl FeatureExtractor {
    /// An extractor that scales each recording by itself where the configuration says so, and otherwise not at all:
    /// statistics of a training part come with [`trained`](Self::trained).
    ///
    /// # Errors
    /// [`DataError::Config`] for impossible settings.
    pub fn new(config: &FeaturesConfig) -> Result<Self, DataError> {
        config.checked()?;
        let normalization = match config.normalize {
            Normalize::Utterance => Normalization::Utterance,
            Normalize::Training | Normalize::None => Normalization::None,
        };
        let fft = RealFftPlanner::new().plan_fft_forward(config.fft_size());
        let tools = Tools { fft, window: window(config), mel: MelFilters::new(config), cosines: cosines(config) };
        Ok(Self { config: config.clone(), normalization, tools: Arc::new(tools) })
    }

    /// The extractor that a trained model expects.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`DataError::BadSpeechArtefact`] where the artefact is of other features.
    pub fn trained(config: &FeaturesConfig, artefact: &SpeechArtefact) -> Result<Self, DataError> {
        if let Normalization::Training { mean, .. } = &artefact.normalization
            && mean.len() != config.num_features()
        {
            let reason = format!("statistics of {} features, and there are {}", mean.len(), config.num_features());
            return Err(DataError::BadSpeechArtefact { reason });
        }
        Ok(Self::new(config)?.with_normalization(artefact.normalization.clone()))
    }

    pub(in crate::audio) fn with_normalization(self, normalization: Normalization) -> Self {
        Self { normalization, ..self }
    }

    /// How features are scaled.
    pub fn normalization(&self) -> &Normalization {
        &self.normalization
    }

    /// Features in a frame.
    pub fn num_features(&self) -> usize {
        self.config.num_features()
    }

    /// The features of a recording at any rate.
    pub fn extract_wave(&self, wave: &Waveform) -> Features {
        if wave.rate == self.config.sample_rate {
            return self.extract(&wave.samples);
        }
        self.extract(&Resampler::new(wave.rate, self.config.sample_rate).resample(&wave.samples))
    }

    /// The features of samples at the configured rate.
    pub fn extract(&self, samples: &[f32]) -> Features {
        let mut features = self.raw(samples);
        self.normalization.apply(&mut features);
        features
    }

    /// Scales features that [`raw`](Self::raw) gave.
    pub(in crate::audio) fn normalize(&self, features: &mut Features) {
        self.normalization.apply(features);
    }

    /// Features before they are scaled.
    pub(in crate::audio) fn raw(&self, samples: &[f32]) -> Features {
        let (hop, fft_size) = (self.config.hop(), self.config.fft_size());
        let padded = reflected(samples, fft_size / 2);
        let frames = 1 + (padded.len() - fft_size) / hop;
        let size = self.config.num_static();
        let mut values = Vec::with_capacity(frames * size);

        let mut framed = self.tools.fft.make_input_vec();
        let mut spectrum = self.tools.fft.make_output_vec();
        let mut scratch = self.tools.fft.make_scratch_vec();
        let mut power = vec![0.0; spectrum.len()];
        let mut mels = Vec::with_capacity(self.config.num_mels);
        for frame in 0..frames {
            let under = padded[frame * hop..].iter().zip(&self.tools.window);
            framed.iter_mut().zip(under).for_each(|(place, (sample, window))| *place = sample * window);
            let done = self.tools.fft.process_with_scratch(&mut framed, &mut spectrum, &mut scratch);
            done.expect("the buffers are the plan's own");
            power.iter_mut().zip(&spectrum).for_each(|(power, value)| *power = value.norm_sqr());
            mels.clear();
            mels.extend(self.tools.mel.apply(&power).map(|power| (power + LOG_OFFSET).ln()));
            match self.config.kind {
                FeatureKind::LogMel => values.extend_from_slice(&mels),
                FeatureKind::Mfcc => values.extend(
                    self.tools
                        .cosines
                        .chunks_exact(mels.len())
                        .map(|cosine| cosine.iter().zip(&mels).map(|(a, b)| a * b).sum::<f32>()),
                ),
            }
        }
        let values = with_deltas(values, size, self.config.deltas);
        Features { frames, size: self.config.num_features(), values }
    }
}

impl std::fmt::Debug for FeatureExtractor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeatureExtractor")
            .field("config", &self.config)
            .field("normalization", &self.normalization)
            .finish_non_exhaustive()
    }
}

/// A periodic Hann window in the middle of `[fft_size]` zeros.
fn window(config: &FeaturesConfig) -> Vec<f32> {
    let (length, fft_size) = (config.window(), config.fft_size());
    let before = (fft_size - length) / 2;
    let hann = (0..length).map(|place| (0.5 - 0.5 * (2.0 * PI * place as f64 / length as f64).cos()) as f32);
    let mut window = vec![0.0; fft_size];
    window[before..].iter_mut().zip(hann).for_each(|(place, value)| *place = value);
    window
}

/// The orthonormal cosine transform (DCT-II), `[num_coefficients, num_mels]`.
fn cosines(config: &FeaturesConfig) -> Vec<f32> {
    let FeatureKind::Mfcc = config.kind else { return Vec::new() };
    let mels = config.num_mels as f64;
    let row = |coefficient: usize| {
        let scale = (if coefficient == 0 { 1.0 / mels } else { 2.0 / mels }).sqrt();
        let cosine = move |mel: usize| (scale * (PI / mels * (mel as f64 + 0.5) * coefficient as f64).cos()) as f32;
        (0..config.num_mels).map(cosine)
    };
    (0..config.num_coefficients).flat_map(row).collect()
}

/// `samples` with `pad` more at either end, mirrored at the first and the last sample.
fn reflected(samples: &[f32], pad: usize) -> Vec<f32> {
    let mut samples = samples.to_vec();
    if samples.len() <= pad {
        samples.resize(pad + 1, 0.0);
    }
    let last = samples.len() - 1;
    let before = (1..=pad).rev().map(|place| samples[place]);
    let after = (1..=pad).map(|place| samples[last - place]);
    before.chain(samples.iter().copied()).chain(after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_mirrored_without_their_sample() {
        assert_eq!(reflected(&[1.0, 2.0, 3.0], 2), [3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0]);
        assert_eq!(reflected(&[5.0], 2), [0.0, 0.0, 5.0, 0.0, 0.0, 0.0, 5.0]);
        assert_eq!(reflected(&[], 1), [0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn any_length_gives_frames_of_finite_numbers() {
        let config = FeaturesConfig { kind: FeatureKind::Mfcc, deltas: 2, ..FeaturesConfig::default() };
        let extractor = FeatureExtractor::new(&config).unwrap();
        for count in [0, 1, 79, 80, 128, 129, 1000] {
            let features = extractor.extract(&vec![0.25; count]);
            assert_eq!((features.frames, features.size), (1 + count.max(129) / 80, 39));
            assert_eq!(features.values.len(), features.frames * features.size);
            assert!(features.values.iter().all(|value| value.is_finite()));
        }
    }

    #[test]
    fn a_tone_is_loudest_in_its_filter() {
        let config = FeaturesConfig { normalize: Normalize::None, ..FeaturesConfig::default() };
        let extractor = FeatureExtractor::new(&config).unwrap();
        let tone = |rate: u32| Waveform {
            samples: (0..rate)
                .map(|place| (2.0 * PI * 1000.0 * f64::from(place) / f64::from(rate)).sin() as f32)
                .collect(),
            rate,
        };
        for rate in [8000, 44_100] {
            let features = extractor.extract_wave(&tone(rate));
            let frame = &features.values[50 * 40..51 * 40];
            let loudest = (0..40).max_by(|a, b| frame[*a].total_cmp(&frame[*b])).unwrap();
            // 1000 Hz are 1000 mel, and the filters' centers lie 2146 / 41 mel apart.
            assert_eq!(loudest, 18, "{frame:?}");
        }
    }
}
