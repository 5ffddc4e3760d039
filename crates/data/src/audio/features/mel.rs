use super::FeaturesConfig;

/// Triangular filters, evenly spaced on the mel scale `2595 log10(1 + f / 700)` (HTK's), with peaks of 1: torchaudio's
/// `melscale_fbanks` with `norm=None`.
#[derive(Debug, Clone)]
pub(super) struct MelFilters {
    /// Of each filter, the first frequency that it hears and the weights from there on.
    filters: Vec<(usize, Box<[f32]>)>,
}

impl MelFilters {
    pub fn new(config: &FeaturesConfig) -> Self {
        let num_frequencies = config.fft_size() / 2 + 1;
        let (low, high) = (to_mel(config.f_min), to_mel(config.highest_frequency()));
        let edge = |place: usize| to_hertz(low + (high - low) * place as f64 / (config.num_mels + 1) as f64);
        let hertz = f64::from(config.sample_rate) / config.fft_size() as f64;
        let filter = |place: usize| {
            let [left, center, right] = [edge(place), edge(place + 1), edge(place + 2)];
            let weight = |bin: usize| {
                let frequency = bin as f64 * hertz;
                ((frequency - left) / (center - left)).min((right - frequency) / (right - center)).max(0.0) as f32
            };
            let first = (0..num_frequencies).find(|bin| weight(*bin) > 0.0).unwrap_or(0);
            let weights = (first..num_frequencies).map(weight).take_while(|weight| *weight > 0.0).collect();
            (first, weights)
        };
        Self { filters: (0..config.num_mels).map(filter).collect() }
    }

    /// The first filter that hears nothing.
    pub fn first_empty(&self) -> Option<usize> {
        self.filters.iter().position(|(_, weights)| weights.is_empty())
    }

    /// The power under each filter.
    pub fn apply<'a>(&'a self, power: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        self.filters.iter().map(|(first, weights)| weights.iter().zip(&power[*first..]).map(|(a, b)| a * b).sum())
    }
}

fn to_mel(hertz: f64) -> f64 {
    2595.0 * (1.0 + hertz / 700.0).log10()
}

fn to_hertz(mel: f64) -> f64 {
    700.0 * (10f64.powf(mel / 2595.0) - 1.0)
}
