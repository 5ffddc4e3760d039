//! The gradient by the weight where few channels of the output see the same patches, as in a convolution of each channel on its
//! own: dot products over the pixels, which need nothing to be turned round.

use super::patches::{Block, Patches};
use super::sizes::Sizes;
use super::tile::WIDE;
use super::weight::TASKS;
use crate::cpu::{
    lanes::{Lanes, WIDTH, WithLanes, dispatch},
    scratch::Scratch,
    threads::{self, SharedSlice},
};
use std::ops::Range;

/// Elements of a patch whose sums the registers hold.
const ROWS: usize = 8;

/// Groups of a task.
const GROUPS: usize = 16;

pub(super) fn takes(sizes: &Sizes, patches: &Patches) -> bool {
    sizes.group_outputs() <= 4 && patches.depth() <= 64
}

pub(super) fn weight_gradient(sizes: &Sizes, patches: &Patches, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    let blocks = patches.blocks();
    let groups = sizes.options.groups;
    let tasks = groups.div_ceil(GROUPS);
    let parts = TASKS.div_ceil(tasks).min(blocks.len());
    let group = sizes.group_outputs() * patches.depth();
    let mut sums = vec![0.0; parts * groups * group];
    {
        let sums = SharedSlice::new(&mut sums);
        threads::run(parts * tasks, |index| {
            let (part, first) = (index / tasks, index % tasks * GROUPS);
            let of_task = first..groups.min(first + GROUPS);
            let places = (part * groups + of_task.start) * group..(part * groups + of_task.end) * group;
            // SAFETY: every task has sums of its own.
            let sums = unsafe { sums.slice_mut(places) };
            let blocks = &blocks[blocks.len() * part / parts..blocks.len() * (part + 1) / parts];
            dispatch(Task { sizes, patches, blocks, groups: of_task, input, gradient, sums });
        });
    }
    let (weight, others) = sums.split_at_mut(groups * group);
    for other in others.chunks_exact(groups * group) {
        weight.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
    }
    sums.truncate(groups * group);
    sums
}

/// Sums of some groups over some blocks.
struct Task<'a> {
    sizes: &'a Sizes,
    patches: &'a Patches,
    blocks: &'a [Block],
    groups: Range<usize>,
    input: &'a [f32],
    gradient: &'a [f32],
    /// `[groups, outputs, depth]`
    sums: &'a mut [f32],
}

impl WithLanes for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { sizes, patches, blocks, groups, input, gradient, sums } = self;
        let (outputs, channels, depth) = (sizes.group_outputs(), patches.group_channels, patches.depth());
        let Some(largest) = blocks.iter().max_by_key(|block| patches.pixels(block)) else { return };
        let panels = patches.pixels(largest).div_ceil(WIDE);
        let panel = (depth.next_multiple_of(ROWS) + 1) * WIDE;
        let mut staged = Scratch::any(patches.layout(largest, channels).staged(largest));
        let mut packed = Scratch::any(panels * panel);
        let mut direction = Scratch::any(panels * WIDE);
        for block in blocks {
            let pixels = patches.pixels(block);
            let layout = patches.layout(block, channels);
            let panels = pixels.div_ceil(WIDE);
            for (group, sums) in groups.clone().zip(sums.chunks_exact_mut(outputs * depth)) {
                patches.stage::<L>(input, block, group * channels..(group + 1) * channels, &layout, &mut staged);
                for (index, panel) in packed.chunks_exact_mut(panel).take(panels).enumerate() {
                    patches.pack::<L>(&staged, &layout, channels, index, panel);
                    // What is behind the last pixel could be no number, which no factor of 0 would hide.
                    for row in panel.chunks_exact_mut(WIDE) {
                        row[WIDE.min(pixels - index * WIDE)..].fill(0.0);
                    }
                }
                for (output, sums) in sums.chunks_exact_mut(depth).enumerate() {
                    collect(sizes, gradient, block, group * outputs + output, &mut direction[..panels * WIDE]);
                    for (index, sums) in sums.chunks_mut(ROWS).enumerate() {
                        let products = dots::<L>(&packed[index * ROWS * WIDE..], panel, &direction[..panels * WIDE]);
                        sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
                    }
                }
            }
        }
    }
}

/// The gradient of a channel in the pixels of a block, with zeros behind.
#[inline(always)]
fn collect(sizes: &Sizes, gradient: &[f32], block: &Block, channel: usize, target: &mut [f32]) {
    let [height, width] = sizes.output;
    let (target, rest) = target.split_at_mut(block.images * block.rows * width);
    rest.fill(0.0);
    for (image, target) in (block.first_image..).zip(target.chunks_exact_mut(block.rows * width)) {
        let start = ((image * sizes.outputs + channel) * height + block.first_row) * width;
        target.copy_from_slice(&gradient[start..start + target.len()]);
    }
}

/// The dot products of the first rows of panels that lie `panel` apart with `direction`.
#[inline(always)]
fn dots<L: Lanes>(packed: &[f32], panel: usize, direction: &[f32]) -> [f32; ROWS] {
    let mut sums = [L::splat(0.0); ROWS];
    for (index, direction) in direction.chunks_exact(WIDE).enumerate() {
        let (low, high) = (L::load(direction), L::load(&direction[WIDTH..]));
        let rows = packed[index * panel..][..ROWS * WIDE].chunks_exact(WIDE);
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = low.mul_add(L::load(row), *sum);
            *sum = high.mul_add(L::load(&row[WIDTH..]), *sum);
        }
    }
    let mut products = [0.0; ROWS];
    for (product, sum) in products.iter_mut().zip(sums) {
        *product = sum.sum();
    }
    products
}
