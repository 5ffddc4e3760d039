/// Frames on either side that a change is measured over.
const REACH: usize = 2;

/// Appends to each frame the change of its first `size` values over time, `order` times over: torchaudio's
/// `compute_deltas` with a window of 5, in which the first and last frame are repeated beyond the ends.
///
/// # Shapes
/// From `[frames, size]` to `[frames, size * (1 + order)]`.
pub(super) fn with_deltas(values: Vec<f32>, size: usize, order: usize) -> Vec<f32> {
    if order == 0 {
        return values;
    }
    let mut blocks = vec![values];
    for _ in 0..order {
        blocks.push(deltas(&blocks[blocks.len() - 1], size));
    }
    let frames = blocks[0].len() / size;
    let rows = (0..frames).flat_map(|frame| blocks.iter().map(move |block| &block[frame * size..][..size]));
    rows.flatten().copied().collect()
}

fn deltas(values: &[f32], size: usize) -> Vec<f32> {
    let frames = values.len() / size;
    let scale = 1.0 / (1..=REACH).map(|step| 2 * step * step).sum::<usize>() as f32;
    let mut deltas = vec![0.0; values.len()];
    for (frame, row) in deltas.chunks_exact_mut(size).enumerate() {
        for step in 1..=REACH {
            let later = (frame + step).min(frames - 1) * size;
            let earlier = frame.saturating_sub(step) * size;
            for (place, delta) in row.iter_mut().enumerate() {
                *delta += step as f32 * scale * (values[later + place] - values[earlier + place]);
            }
        }
    }
    deltas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_of_a_ramp_by_hand() {
        // One value a frame: 0, 1, 2, 3, 4, 5.
        let ramp: Vec<f32> = (0..6).map(|frame| frame as f32).collect();
        let frames = with_deltas(ramp, 1, 1);
        let change: Vec<f32> = frames.iter().skip(1).step_by(2).copied().collect();
        // First: (1 * (1 - 0) + 2 * (2 - 0)) / 10.
        for (delta, expected) in change.iter().zip([0.5, 0.8, 1.0, 1.0, 0.8, 0.5]) {
            assert!((delta - expected).abs() < 1e-6, "{change:?}");
        }
        assert_eq!(with_deltas(vec![1.0, 2.0], 2, 2), [1.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
