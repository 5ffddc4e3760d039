//! Sums over the planes of images, `[batch, channels, pixels]`, that are the same on any number of threads.

use super::{
    lanes::{Lanes, WIDTH, WithLanes, dispatch},
    threads,
};

/// Numbers that are worth a thread.
pub const GRAIN: usize = 1 << 14;

/// The sum of each channel.
pub fn channel_sums(values: &[f32], channels: usize, pixels: usize) -> Vec<f32> {
    if channels == 0 || pixels == 0 {
        return vec![0.0; channels];
    }
    let planes = values.len() / pixels;
    let mut sums = vec![0.0; planes];
    threads::split_rows(&mut sums, 1, (GRAIN / pixels).max(1), |first, sums| {
        dispatch(PlaneSums { values: &values[first * pixels..][..sums.len() * pixels], pixels, sums });
    });
    (0..channels)
        .map(|channel| sums.iter().skip(channel).step_by(channels).map(|sum| f64::from(*sum)).sum::<f64>() as f32)
        .collect()
}

struct PlaneSums<'a> {
    values: &'a [f32],
    pixels: usize,
    sums: &'a mut [f32],
}

impl WithLanes for PlaneSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        for (sum, plane) in self.sums.iter_mut().zip(self.values.chunks_exact(self.pixels)) {
            *sum = plane_sum::<L>(plane);
        }
    }
}

/// The sum of a slice, of four vectors side by side.
#[inline(always)]
pub fn plane_sum<L: Lanes>(plane: &[f32]) -> f32 {
    let (blocks, rest) = plane.as_chunks::<{ 4 * WIDTH }>();
    let mut sums = [L::splat(0.0); 4];
    for block in blocks {
        for (sum, part) in sums.iter_mut().zip(block.chunks_exact(WIDTH)) {
            *sum = sum.add(L::load(part));
        }
    }
    let mut total = sums[0].add(sums[1]).add(sums[2].add(sums[3]));
    for part in rest.chunks(WIDTH) {
        total = total.add(L::load_partly(part));
    }
    total.sum()
}
