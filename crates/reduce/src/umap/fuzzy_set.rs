//! The graph: how surely every two neighbours are connected.

use crate::Neighbours;
use crate::sparse::Sparse;
use rayon::prelude::*;

/// The sum of a row's weights is this near to what it should be.
const TOLERANCE: f64 = 1e-5;

/// Halvings of the interval at most.
const STEPS: usize = 64;

/// The scale of a row is at least this share of its mean distance.
const LEAST_SCALE: f64 = 1e-3;

/// Weights `exp(-(d - nearest) / scale)`, such that those of a row sum to the logarithm (base 2) of the number of
/// neighbours, the row itself included; and of both directions the probability that one is there, `a + b - ab`.
pub fn graph(neighbours: &Neighbours) -> Sparse {
    let k = neighbours.k();
    let mut weights = vec![0.0; neighbours.rows() * k];
    weights.par_chunks_mut(k).enumerate().for_each(|(row, weights)| weigh(neighbours.distances(row), weights));
    Sparse::symmetric(neighbours, &weights, |there, back| there + back - there * back)
}

/// The weights of a row.
fn weigh(distances: &[f32], weights: &mut [f32]) {
    let nearest = distances.iter().copied().find(|&distance| distance > 0.0).unwrap_or(0.0);
    let further: Vec<f64> = distances.iter().map(|&distance| f64::from((distance - nearest).max(0.0))).collect();
    let mean = distances.iter().map(|&distance| f64::from(distance)).sum::<f64>() / distances.len() as f64;
    let scale = scale_of(&further).max(LEAST_SCALE * mean);
    for (weight, further) in weights.iter_mut().zip(further) {
        *weight = if further > 0.0 { (-further / scale).exp() as f32 } else { 1.0 };
    }
}

/// The scale at which the weights have the sum they should have.
fn scale_of(further: &[f64]) -> f64 {
    let wanted = ((further.len() + 1) as f64).log2();
    let (mut scale, mut low, mut high) = (1.0, 0.0, f64::INFINITY);
    for _ in 0..STEPS {
        let sum: f64 = further.iter().map(|further| (-further / scale).exp()).sum();
        if (sum - wanted).abs() < TOLERANCE {
            break;
        }
        if sum > wanted {
            high = scale;
            scale = (low + high) / 2.0;
        } else {
            low = scale;
            scale = if high.is_finite() { (low + high) / 2.0 } else { scale * 2.0 };
        }
    }
    scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_the_logarithm_of_the_neighbours() {
        let mut weights = [0.0; 7];
        weigh(&[0.5, 0.75, 1.0, 1.25, 2.0, 3.0, 3.5], &mut weights);
        assert_eq!(weights[0], 1.0);
        assert!((weights.iter().sum::<f32>() - 3.0).abs() < 1e-4, "{weights:?}");
    }
}
