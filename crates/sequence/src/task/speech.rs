//! What the two jobs on recordings share: the artefact, batches on the device, files to predict, pages and facts.

use std::path::{Path, PathBuf};

use burn::tensor::{Tensor, TensorData, backend::Backend};
use data::audio::{FeatureExtractor, Features, PartCounts, SpeechArtefact, SpeechFacts, read_wav};
use report::{Body, Heatmap, Section};
use training_loop::{error::TaskError, job::read_artefact};

/// The artefact beside the weights without which they mean nothing.
pub(super) const ARTEFACT_FILE: &str = "speech.json";

/// Recordings that are predicted at a time.
pub(super) const PREDICTED_TOGETHER: usize = 32;

pub(super) fn load_artefact(folder: &Path) -> Result<SpeechArtefact, TaskError> {
    let named = |error| format!("{}: {error}", folder.join(ARTEFACT_FILE).display());
    Ok(SpeechArtefact::from_json(&read_artefact(folder, ARTEFACT_FILE)?).map_err(named)?)
}

/// A batch of recordings on the device.
pub(super) struct Recordings<B: Backend> {
    /// `[batch, frames, features]`
    pub features: Tensor<B, 3>,
    /// Frames of each recording.
    pub lengths: Vec<usize>,
}

impl<B: Backend> Recordings<B> {
    /// `features`: `[batch, frames, features]`, row by row.
    pub fn new(features: Vec<f32>, shape: [usize; 3], lengths: &[i32], device: &B::Device) -> Self {
        let features = Tensor::from_data(TensorData::new(features, shape), device);
        Self { features, lengths: lengths.iter().map(|length| *length as usize).collect() }
    }

    /// Pads with zeros.
    pub fn of(recordings: &[Features], device: &B::Device) -> Self {
        let frames = recordings.iter().map(|recording| recording.frames).max().unwrap_or(1);
        let size = recordings.first().map_or(1, |recording| recording.size);
        let padded = recordings.iter().flat_map(|recording| {
            let padding = std::iter::repeat_n(0.0, (frames - recording.frames) * size);
            recording.values.iter().copied().chain(padding)
        });
        let data = TensorData::new(padded.collect::<Vec<f32>>(), [recordings.len(), frames, size]);
        let lengths = recordings.iter().map(|recording| recording.frames).collect();
        Self { features: Tensor::from_data(data, device), lengths }
    }
}

/// Features of `.wav` files.
pub(super) fn heard(files: &[PathBuf], extractor: &FeatureExtractor) -> Result<Vec<Features>, TaskError> {
    files.iter().map(|file| Ok(extractor.extract_wave(&read_wav(file)?))).collect()
}

/// A recording's features as a picture, high frequencies (or the last coefficient) on top.
///
/// `values`: `[frames, size]`, row by row.
pub(super) fn spectrogram(title: impl Into<String>, values: &[f32], size: usize) -> Section {
    let row = |feature: usize| values.chunks_exact(size).map(|frame| f64::from(frame[feature])).collect();
    let heatmap = Heatmap {
        values: (0..size).rev().map(row).collect(),
        x_label: "frame".into(),
        y_label: "feature".into(),
        ..Heatmap::default()
    };
    Section::new(title, Body::Heatmap(heatmap))
}

/// Lines about the recordings for the start of a run.
pub(super) fn describe(facts: &SpeechFacts) -> Vec<(String, String)> {
    let [train, validation, test] = facts.part_sizes();
    let names = |counts: &[PartCounts]| {
        let name = |count: &PartCounts| format!("{} ({})", count.name, count.all());
        counts.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    let seconds = format!(
        "{:.2} (median), {:.2} (longest), {:.0} (all)",
        facts.median_seconds, facts.longest_seconds, facts.total_seconds
    );
    let mut lines = vec![
        ("source".to_string(), facts.source.clone()),
        ("classes".to_string(), names(&facts.classes)),
        ("recordings".to_string(), format!("{train} to learn from, {validation} for validation, {test} for the test")),
        ("seconds".to_string(), seconds),
        ("features in a frame".to_string(), facts.num_features.to_string()),
    ];
    if !facts.speakers.is_empty() {
        lines.insert(2, ("speakers".to_string(), names(&facts.speakers)));
    }
    for (name, count) in [("recordings resampled", facts.num_resampled), ("recordings skipped", facts.num_skipped)] {
        if count > 0 {
            lines.push((name.to_string(), count.to_string()));
        }
    }
    lines
}
