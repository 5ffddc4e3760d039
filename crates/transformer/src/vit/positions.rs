//! Learned positions of one grid of patches for another, as pictures are resized: with an antialiasing filter that widens where the new
//! grid is coarser, in each direction on its own. The same as timm's, and `antialias=True` of PyTorch's `interpolate`.

use burn::tensor::TensorData;

/// The filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// Cubic convolution ([Keys 1981](https://doi.org/10.1109/TASSP.1981.1163711)) with a = -1/2.
    #[default]
    Bicubic,
    /// Linear between the two nearest.
    Bilinear,
}

impl Interpolation {
    /// How far the filter reaches, in the finer of the two spacings.
    fn support(self) -> f64 {
        match self {
            Self::Bicubic => 2.0,
            Self::Bilinear => 1.0,
        }
    }

    fn filter(self, distance: f64) -> f64 {
        const A: f64 = -0.5;
        let x = distance.abs();
        match self {
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => ((x - 5.0) * x + 8.0) * x * A - 4.0 * A,
            Self::Bilinear if x < 1.0 => 1.0 - x,
            _ => 0.0,
        }
    }

    /// What each of `to` places takes of each of `from`: `[to][from]`, rows of sum 1.
    fn weights(self, [from, to]: [usize; 2]) -> Vec<Vec<f64>> {
        let scale = from as f64 / to as f64;
        let stretch = scale.max(1.0);
        let row = |place: usize| {
            let centre = (place as f64 + 0.5) * scale;
            let reach = self.support() * stretch;
            let first = ((centre - reach + 0.5).max(0.0)) as usize;
            let end = ((centre + reach + 0.5) as usize).min(from);
            let weight = |source: usize| {
                let inside = (first..end).contains(&source);
                if inside { self.filter((source as f64 - centre + 0.5) / stretch) } else { 0.0 }
            };
            let weights: Vec<f64> = (0..from).map(weight).collect();
            let sum: f64 = weights.iter().sum();
            weights.into_iter().map(|weight| weight / sum).collect()
        };
        (0..to).map(row).collect()
    }
}

/// Positions of a square grid for another one, `[from, to]` patches across; those of the `prefix` tokens before the patches stay.
///
/// # Shapes
/// - positions: `[1, prefix + from², width]`, floats
/// - output: `[1, prefix + to², width]`, 32-bit floats
///
/// # Panics
/// When the shape is another.
pub fn interpolate_positions(
    positions: TensorData,
    prefix: usize,
    [from, to]: [usize; 2],
    interpolation: Interpolation,
) -> TensorData {
    let shape = positions.shape.to_vec();
    let tokens = prefix + from * from;
    assert!(shape.len() == 3 && shape[..2] == [1, tokens], "positions of {shape:?} for {tokens} tokens");
    let width = shape[2];
    let values: Vec<f64> = positions.iter::<f64>().collect();
    let (before, grid) = values.split_at(prefix * width);
    let weights = interpolation.weights([from, to]);
    // [from, from, width] to [to, from, width] to [to, to, width]
    let rows = resampled(grid, &weights, from * width);
    let columns = rows.chunks(from * width).flat_map(|row| resampled(row, &weights, width));
    let output: Vec<f32> = before.iter().copied().chain(columns).map(|value| value as f32).collect();
    TensorData::new(output, [1, prefix + to * to, width])
}

/// `[from, size]` to `[to, size]`
fn resampled(values: &[f64], weights: &[Vec<f64>], size: usize) -> Vec<f64> {
    let mut output = vec![0.0; weights.len() * size];
    for (sums, weights) in output.chunks_mut(size).zip(weights) {
        for (weight, values) in weights.iter().zip(values.chunks(size)) {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += weight * value;
            }
        }
    }
    output
}
