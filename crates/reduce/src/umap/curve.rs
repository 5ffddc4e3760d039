//! How surely two points of the embedding are connected, by their distance.

/// `1 / (1 + a d^(2b))`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve {
    pub a: f32,
    pub b: f32,
}

/// Distances at which the curve is fitted.
const PLACES: usize = 300;

/// Steps of the fit at most.
const STEPS: usize = 200;

impl Curve {
    /// Nearest (least squares) to 1 up to `min_dist` and `exp(-(d - min_dist) / spread)` beyond, by Levenberg and
    /// Marquardt's method.
    pub fn fit(min_dist: f64, spread: f64) -> Self {
        let place = |index: usize| 3.0 * spread * index as f64 / (PLACES - 1) as f64;
        let wanted = |d: f64| if d < min_dist { 1.0 } else { (-(d - min_dist) / spread).exp() };
        let samples: Vec<(f64, f64)> = (1..PLACES).map(place).map(|d| (d, wanted(d))).collect();
        let (mut best, mut damping) = ((1.0, 1.0), 1e-3);
        let mut error = squared_error(&samples, best);
        for _ in 0..STEPS {
            let next = step(&samples, best, damping);
            let found = if next.0 > 0.0 && next.1 > 0.0 { squared_error(&samples, next) } else { f64::INFINITY };
            if found < error {
                (best, error, damping) = (next, found, damping / 4.0);
            } else {
                damping *= 4.0;
            }
        }
        Self { a: best.0 as f32, b: best.1 as f32 }
    }
}

fn squared_error(samples: &[(f64, f64)], (a, b): (f64, f64)) -> f64 {
    samples.iter().map(|&(d, wanted)| (1.0 / (1.0 + a * d.powf(2.0 * b)) - wanted).powi(2)).sum()
}

/// The next parameters, from the normal equations with a damped diagonal.
fn step(samples: &[(f64, f64)], (a, b): (f64, f64), damping: f64) -> (f64, f64) {
    let (mut aa, mut ab, mut bb, mut ra, mut rb) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for &(d, wanted) in samples {
        let power = d.powf(2.0 * b);
        let value = 1.0 / (1.0 + a * power);
        let by_a = -power * value * value;
        let by_b = 2.0 * a * d.ln() * by_a;
        aa += by_a * by_a;
        ab += by_a * by_b;
        bb += by_b * by_b;
        ra += by_a * (wanted - value);
        rb += by_b * (wanted - value);
    }
    let (aa, bb) = (aa * (1.0 + damping), bb * (1.0 + damping));
    let determinant = aa * bb - ab * ab;
    (a + (ra * bb - rb * ab) / determinant, b + (rb * aa - ra * ab) / determinant)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `umap.umap_.find_ab_params(spread, min_dist)` of umap-learn 0.5.12.
    #[test]
    fn parameters_are_those_of_umap_learn() {
        for (min_dist, spread, a, b) in FROM_UMAP_LEARN {
            let found = Curve::fit(min_dist, spread);
            assert!((found.a - a).abs() < 1e-3 * a && (found.b - b).abs() < 1e-3, "{found:?} for {min_dist}, {spread}");
        }
    }

    const FROM_UMAP_LEARN: [(f64, f64, f32, f32); 4] = [
        (0.1, 1.0, 1.576_943_5, 0.895_060_9),
        (0.5, 1.0, 0.583_030, 1.334_167),
        (0.0, 2.0, 0.646_046_7, 0.790_494_5),
        (0.25, 1.5, 0.621_894_5, 0.966_823_3),
    ];
}
