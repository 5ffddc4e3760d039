//! The gradient by the weight: the patches times the gradient of the output, summed over all pixels.

use super::few;
use super::patches::{Block, Patches};
use super::sizes::Sizes;
use super::tile::{HIGH, Tile, WIDE, padded};
use crate::cpu::{
    lanes::{Lanes, WithLanes, dispatch},
    scratch::Scratch,
    threads::{self, SharedSlice},
};
use std::ops::Range;

/// Elements of a patch whose gradients one task sums up.
const DEEP: usize = 72;

/// Tasks to be shared by the threads, at least, where there is as much to do.
pub(super) const TASKS: usize = 32;

/// Numbers of the output's gradient that are turned round at a time: 32 MiB.
const TURNED: usize = 1 << 23;

pub(super) fn weight_gradient(sizes: &Sizes, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    if gradient.is_empty() || sizes.group_inputs() == 0 {
        return vec![0.0; sizes.weight_shape().iter().product()];
    }
    let patches = sizes.forward();
    if few::takes(sizes, &patches) {
        return few::weight_gradient(sizes, &patches, input, gradient);
    }
    let blocks = patches.blocks();
    let plan = Plan::new(sizes, &patches, blocks.len());
    let mut sums = Scratch::zeros(plan.parts * plan.part());
    let whole_images = blocks.chunk_by(|one, next| one.first_image == next.first_image).map(<[_]>::len);
    let largest = blocks.iter().map(|block| block.images).max().unwrap_or(1);
    let round = (TURNED / (plan.image()).max(1)).max(largest) / largest;
    let lengths: Vec<usize> = whole_images.collect();
    let mut blocks = &blocks[..];
    for lengths in lengths.chunks(round) {
        let (now, later) = blocks.split_at(lengths.iter().sum());
        blocks = later;
        plan.add(&mut sums, now, input, gradient);
    }
    plan.finish(&sums)
}

/// How the sums are divided into tasks. It depends on nothing but the sizes, and so does their rounding.
struct Plan<'a> {
    sizes: &'a Sizes,
    patches: &'a Patches,
    /// Blocks are divided into so many parts with sums of their own.
    parts: usize,
    /// Channels of a task, and tasks that all channels of a group need.
    channels: usize,
    chunks: usize,
    /// Panels of the output's channels in a group.
    panels: usize,
}

impl<'a> Plan<'a> {
    fn new(sizes: &'a Sizes, patches: &'a Patches, blocks: usize) -> Self {
        let channels = (DEEP / patches.taps()).clamp(1, patches.group_channels);
        let chunks = patches.group_channels.div_ceil(channels);
        let parts = TASKS.div_ceil(chunks * sizes.options.groups).min(blocks);
        let panels = sizes.group_outputs().div_ceil(WIDE);
        Self { sizes, patches, parts, channels, chunks, panels }
    }

    /// Elements of a patch that a task has, rounded up.
    fn rows(&self) -> usize {
        (self.channels * self.patches.taps()).next_multiple_of(HIGH)
    }

    /// Sums of a task, `[rows, panels, WIDE]`.
    fn task(&self) -> usize {
        self.rows() * self.panels * WIDE
    }

    /// Sums of a part, `[groups, chunks, task]`.
    fn part(&self) -> usize {
        self.sizes.options.groups * self.chunks * self.task()
    }

    fn pixels(&self) -> usize {
        self.sizes.output.iter().product()
    }

    /// Numbers of an image's gradient when it is turned round.
    fn image(&self) -> usize {
        self.sizes.options.groups * self.panels * self.pixels() * WIDE
    }

    /// Adds what comes of the pixels of some images.
    fn add(&self, sums: &mut [f32], blocks: &[Block], input: &[f32], gradient: &[f32]) {
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { return };
        let images = first.first_image..last.first_image + last.images;
        let turned = self.turn(gradient, images.clone());
        let sums = SharedSlice::new(sums);
        let tasks = self.sizes.options.groups * self.chunks;
        threads::run(self.parts * tasks, |index| {
            let (part, group, chunk) = (index / tasks, index % tasks / self.chunks, index % self.chunks);
            let blocks = &blocks[blocks.len() * part / self.parts..blocks.len() * (part + 1) / self.parts];
            // SAFETY: every task has sums of its own.
            let sums = unsafe { sums.slice_mut(index * self.task()..(index + 1) * self.task()) };
            dispatch(Task { plan: self, blocks, images: &images, input, turned: &turned, group, chunk, sums });
        });
    }

    /// `[groups, panels, images, pixels, WIDE]` of the output's gradient, with zeros behind the last channel of a group.
    fn turn(&self, gradient: &[f32], images: Range<usize>) -> Scratch {
        let (outputs, pixels) = (self.sizes.group_outputs(), self.pixels());
        let mut turned = Scratch::any(images.len() * self.image());
        threads::split_rows(&mut turned, pixels * WIDE, 1, |first, values| {
            for (index, target) in (first..).zip(values.chunks_exact_mut(pixels * WIDE)) {
                let (panel, image) = (index / images.len(), images.start + index % images.len());
                let (group, panel) = (panel / self.panels, panel % self.panels);
                let count = WIDE.min(outputs - panel * WIDE);
                let channel = image * self.sizes.outputs + group * outputs + panel * WIDE;
                let source = &gradient[channel * pixels..][..count * pixels];
                turn(source, pixels, target);
            }
        });
        turned
    }

    /// The weight's gradient, of all parts.
    fn finish(&self, sums: &[f32]) -> Vec<f32> {
        let (outputs, taps) = (self.sizes.group_outputs(), self.patches.taps());
        let depth = self.patches.depth();
        let mut weight = vec![0.0; self.sizes.outputs * depth];
        threads::split_rows(&mut weight, depth, 8, |first, rows| {
            for (output, row) in (first..).zip(rows.chunks_exact_mut(depth)) {
                let (group, column) = (output / outputs, output % outputs);
                for (chunk, row) in row.chunks_mut(self.channels * taps).enumerate() {
                    let start = (group * self.chunks + chunk) * self.task() + column;
                    for part in 0..self.parts {
                        let sums = &sums[part * self.part() + start..];
                        let sums = sums.iter().step_by(self.panels * WIDE);
                        row.iter_mut().zip(sums).for_each(|(value, sum)| *value += sum);
                    }
                }
            }
        });
        weight
    }
}

/// `[pixels, WIDE]` of up to [`WIDE`] rows of pixels.
fn turn(source: &[f32], pixels: usize, target: &mut [f32]) {
    /// Pixels that are turned round before the next: the cache holds what is written.
    const SOME: usize = 64;
    if source.len() < WIDE * pixels {
        target.fill(0.0);
    }
    for (index, target) in target.chunks_mut(SOME * WIDE).enumerate() {
        for (column, source) in source.chunks_exact(pixels).enumerate() {
            for (target, value) in target.chunks_exact_mut(WIDE).zip(&source[index * SOME..]) {
                target[column] = *value;
            }
        }
    }
}

/// Sums of some channels of a group over some blocks.
struct Task<'a> {
    plan: &'a Plan<'a>,
    blocks: &'a [Block],
    /// Which images are turned round.
    images: &'a Range<usize>,
    input: &'a [f32],
    turned: &'a [f32],
    group: usize,
    chunk: usize,
    sums: &'a mut [f32],
}

impl WithLanes for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { plan, blocks, images, input, turned, group, chunk, sums } = self;
        let patches = plan.patches;
        let first_channel = chunk * plan.channels;
        let channels = plan.channels.min(patches.group_channels - first_channel);
        let start = group * patches.group_channels + first_channel;
        let rows = channels * patches.taps();
        let panel = (plan.rows() + 1) * WIDE;
        let Some(largest) = blocks.iter().max_by_key(|block| patches.pixels(block)) else { return };
        let mut staged = Scratch::any(patches.layout(largest, channels).staged(largest));
        let mut packed = Scratch::any(patches.pixels(largest).div_ceil(WIDE) * panel);
        let all_pixels = images.len() * plan.pixels();
        for block in blocks {
            let pixels = patches.pixels(block);
            let layout = patches.layout(block, channels);
            patches.stage::<L>(input, block, start..start + channels, &layout, &mut staged);
            for (index, panel) in packed.chunks_exact_mut(panel).take(pixels.div_ceil(WIDE)).enumerate() {
                patches.pack::<L>(&staged, &layout, channels, index, panel);
            }
            let first_pixel =
                (block.first_image - images.start) * plan.pixels() + block.first_row * plan.sizes.output[1];
            for column in (0..plan.panels).step_by(2) {
                let count = (plan.panels - column).min(2);
                let turned = &turned[((group * plan.panels + column) * all_pixels + first_pixel) * WIDE..];
                for row in (0..rows).step_by(HIGH) {
                    let product = Tile::<WIDE, 1> {
                        left: packed[row * WIDE..].as_ptr(),
                        depth: pixels,
                        run: WIDE,
                        run_stride: panel,
                        right: turned.as_ptr(),
                        right_panel: all_pixels * WIDE,
                        output: sums[(row * plan.panels + column) * WIDE..].as_mut_ptr(),
                        output_row: plan.panels * WIDE,
                        accumulate: true,
                    };
                    // SAFETY: the panels have rows for whole tiles, and so have the sums; all pixels of the block, which is
                    // of these images, are packed and turned round.
                    unsafe { product.multiply::<L>(padded(HIGH.min(rows - row)), count) };
                }
            }
        }
    }
}
