//! Fewer points for the eye: what to draw of a long curve, and its running mean.

/// The indices to draw of a curve, at most `limit` (but never fewer than two), by largest-triangle-three-buckets: of each stretch it keeps the
/// point that stands out most, so that peaks survive. Points that are not finite are left out.
///
/// S. Steinarsson, Downsampling Time Series for Visual Representation, 2013, <https://skemman.is/handle/1946/15343>.
pub(crate) fn thin(x: &[f64], y: &[f64], limit: usize) -> Vec<usize> {
    let finite: Vec<usize> =
        (0..x.len().min(y.len())).filter(|index| x[*index].is_finite() && y[*index].is_finite()).collect();
    let limit = limit.max(2);
    let count = finite.len();
    if count <= limit {
        return finite;
    }
    let mut kept = Vec::with_capacity(limit);
    let mut previous = finite[0];
    kept.push(previous);
    // The first and the last point have buckets of their own; the others share what lies between.
    let edge = |bucket: usize| 1 + bucket * (count - 2) / (limit - 2).max(1);
    for bucket in 0..limit - 2 {
        let here = &finite[edge(bucket)..edge(bucket + 1)];
        let next = &finite[edge(bucket + 1)..edge(bucket + 2).min(count).max(edge(bucket + 1) + 1)];
        let (next_x, next_y) = (mean(next, x), mean(next, y));
        let area = |index: usize| {
            ((x[previous] - next_x) * (y[index] - y[previous]) - (x[previous] - x[index]) * (next_y - y[previous]))
                .abs()
        };
        if let Some(best) = here.iter().copied().max_by(|one, other| area(*one).total_cmp(&area(*other))) {
            kept.push(best);
            previous = best;
        }
    }
    kept.push(finite[count - 1]);
    kept
}

fn mean(indices: &[usize], values: &[f64]) -> f64 {
    indices.iter().map(|index| values[*index]).sum::<f64>() / indices.len().max(1) as f64
}

/// An exponential running mean over about a hundredth of the curve, forwards and then backwards: one pass alone would lag behind a
/// falling loss.
pub(crate) fn running_mean(y: &[f64]) -> Vec<f64> {
    let decay = 1.0 - 2.0 / (1.0 + (y.len() as f64 / 100.0).max(2.0));
    let mut smooth = one_way(y.iter().copied(), decay);
    smooth = one_way(smooth.into_iter().rev(), decay);
    smooth.reverse();
    smooth
}

/// Corrected for its start, the mean begins at the first value and not at zero.
fn one_way(values: impl Iterator<Item = f64>, decay: f64) -> Vec<f64> {
    let (mut sum, mut weight) = (0.0, 0.0);
    values
        .map(|value| {
            if value.is_finite() {
                sum = decay * sum + (1.0 - decay) * value;
                weight = decay * weight + (1.0 - decay);
            }
            if weight > 0.0 { sum / weight } else { f64::NAN }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_peak_survives() {
        let x: Vec<f64> = (0..10_000).map(f64::from).collect();
        let mut y = vec![0.0; 10_000];
        y[4321] = 9.0;
        let kept = thin(&x, &y, 100);
        assert_eq!(kept.len(), 100);
        assert_eq!((kept[0], kept[99]), (0, 9999));
        assert!(kept.contains(&4321));
        assert!(kept.is_sorted());
    }

    #[test]
    fn every_length_and_limit_is_bounded_and_ascending() {
        for count in 0..40u32 {
            let x: Vec<f64> = (0..count).map(f64::from).collect();
            let y: Vec<f64> = x.iter().map(|x| if *x as u32 % 7 == 3 { f64::NAN } else { x.sin() }).collect();
            for limit in 0..45 {
                let kept = thin(&x, &y, limit);
                assert!(kept.len() <= limit.max(2));
                assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
                assert!(kept.iter().all(|index| y[*index].is_finite()));
            }
        }
    }

    #[test]
    fn a_running_mean_follows_a_slope_without_lag() {
        let y: Vec<f64> = (0..1000).map(|step| f64::from(1000 - step)).collect();
        let mean = running_mean(&y);
        assert!((100..900).all(|index| (mean[index] - y[index]).abs() < 0.1));
    }

    #[test]
    fn a_running_mean_starts_at_the_first_value_and_steps_over_gaps() {
        let mean = running_mean(&[4.0, f64::NAN, 4.0, 4.0]);
        assert!(mean.iter().all(|value| (value - 4.0).abs() < 1e-12));
        assert!(running_mean(&[f64::NAN])[0].is_nan());
    }
}
