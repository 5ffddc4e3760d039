//! Features and resampling as torchaudio computes them: see `fixtures/make_speech_features.py`.

use data::audio::{FeatureExtractor, FeaturesConfig, Resampler};
use serde::Deserialize;
use std::f64::consts::PI;

#[derive(Deserialize)]
struct Fixture {
    signal: Numbers,
    features: Vec<FeaturesCase>,
    resampled: Vec<ResampledCase>,
}

#[derive(Deserialize)]
struct FeaturesCase {
    name: String,
    samples: usize,
    config: FeaturesConfig,
    frames: Numbers,
}

#[derive(Deserialize)]
struct ResampledCase {
    samples: usize,
    source: u32,
    target: u32,
    output: Numbers,
}

#[derive(Deserialize)]
struct Numbers {
    shape: Vec<usize>,
    values: Vec<f32>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/speech_features.json")).unwrap()
}

/// The script's signal.
fn signal(count: usize, rate: u32) -> Vec<f32> {
    let mut state = 1u64;
    let sample = |place: usize| {
        state = (1_103_515_245 * state + 12_345) % (1 << 31);
        let noise = state as f64 / f64::from(1 << 30) - 1.0;
        let time = place as f64 / f64::from(rate);
        let phase = 2.0 * PI * (180.0 * time + 60.0 * time * time);
        let tones = phase.sin() + 0.5 * (5.3 * phase).sin() + 0.25 * (14.1 * phase).sin();
        (0.3 * (0.55 - 0.45 * (12.0 * time).cos()) * tones + 0.01 * noise) as f32
    };
    (0..count).map(sample).collect()
}

/// The largest difference.
fn error(found: &[f32], expected: &Numbers) -> f32 {
    assert_eq!(found.len(), expected.values.len());
    found.iter().zip(&expected.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn the_signal_is_the_scripts() {
    assert!(error(&signal(20, 8000), &fixture().signal) < 1e-7);
}

#[test]
fn features_are_torchaudios() {
    for case in fixture().features {
        let extractor = FeatureExtractor::new(&case.config).unwrap();
        let features = extractor.extract(&signal(case.samples, case.config.sample_rate));
        assert_eq!(case.frames.shape, [features.frames, features.size], "{}", case.name);
        let scale = case.frames.values.iter().fold(0.0f32, |scale, value| scale.max(value.abs()));
        let error = error(&features.values, &case.frames);
        assert!(error < 1e-3 * scale, "{}: {error} at values up to {scale}", case.name);
    }
}

#[test]
fn resampling_is_torchaudios() {
    for case in fixture().resampled {
        let output = Resampler::new(case.source, case.target).resample(&signal(case.samples, case.source));
        let error = error(&output, &case.output);
        assert!(error < 1e-4, "{} to {}: {error}", case.source, case.target);
    }
}
