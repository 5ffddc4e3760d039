//! The weight times the patches: the output, and with the weight turned round the gradient by the input.

use super::patches::{Block, Patches};
use super::sizes::{Phase, Sizes};
use super::tile::{HIGH, Tile, WIDE, padded};
use crate::cpu::{
    lanes::{Lanes, WithLanes, dispatch},
    scratch::Scratch,
    threads::{self, SharedSlice},
};
use std::ops::Range;

/// Elements of a patch that are multiplied at a time: two panels of them fill most of a usual L1 cache.
const DEEP: usize = 224;

/// Channels of the result that a task has at least, if there are as many.
const CHANNELS: usize = 32;

pub(super) fn forward(sizes: &Sizes, input: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let mut output = vec![0.0; sizes.output_shape().iter().product()];
    if output.is_empty() {
        return output;
    }
    let patches = sizes.forward();
    let (inputs, outputs, taps) = (sizes.group_inputs(), sizes.group_outputs(), sizes.taps());
    let weight = Weight::pack(sizes.options.groups, outputs, [inputs, taps], |group, row, channel, tap| {
        weight[((group * outputs + row) * inputs + channel) * taps + tap]
    });
    let place = Place { channels: sizes.outputs, plane: sizes.output, first: [0, 0], step: [1, 1] };
    Apply { patches: &patches, source: input, weight: &weight, bias, place }.run(&mut output);
    output
}

/// The gradient by the input: what the transposed convolution makes of `gradient`. The bias is added to each of its channels.
pub(super) fn input_gradient(sizes: &Sizes, gradient: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let mut output = vec![0.0; sizes.input_shape().iter().product()];
    if output.is_empty() || gradient.is_empty() {
        return output;
    }
    let (inputs, outputs, taps) = (sizes.group_inputs(), sizes.group_outputs(), sizes.taps());
    let phases = sizes.phases();
    if let (Some(bias), true) = (bias, phases.len() < sizes.options.stride.iter().product()) {
        // There may be pixels between the positions of the kernel, which no phase reaches.
        let plane = sizes.input.iter().product();
        output.chunks_exact_mut(plane).zip(bias.iter().cycle()).for_each(|(plane, bias)| plane.fill(*bias));
    }
    for Phase { patches, taps: phase_taps, first } in phases {
        let shape = [outputs, phase_taps.len()];
        let weight = Weight::pack(sizes.options.groups, inputs, shape, |group, row, channel, tap| {
            weight[((group * outputs + channel) * inputs + row) * taps + phase_taps[tap]]
        });
        let place = Place { channels: sizes.inputs, plane: sizes.input, first, step: sizes.options.stride };
        Apply { patches: &patches, source: gradient, weight: &weight, bias, place }.run(&mut output);
    }
    output
}

/// The left operand, in the order in which it is read.
struct Weight {
    groups: usize,
    /// Channels of the result in a group.
    rows: usize,
    depth: usize,
    /// `[groups, tiles, depth, HIGH]`, zeros behind the last row.
    values: Scratch,
}

impl Weight {
    /// `element` finds the weight of a group, row, channel and tap.
    fn pack(
        groups: usize,
        rows: usize,
        [channels, taps]: [usize; 2],
        element: impl Fn(usize, usize, usize, usize) -> f32 + Sync,
    ) -> Self {
        let (tiles, depth) = (rows.div_ceil(HIGH), channels * taps);
        let mut values = Scratch::any(groups * tiles * depth * HIGH);
        threads::split_rows(&mut values, depth * HIGH, 1, |first, values| {
            for (index, tile) in (first..).zip(values.chunks_exact_mut(depth * HIGH)) {
                let (group, first_row) = (index / tiles, index % tiles * HIGH);
                let mut columns = tile.chunks_exact_mut(HIGH);
                for channel in 0..channels {
                    for (tap, column) in (0..taps).zip(&mut columns) {
                        for (row, value) in (first_row..).zip(column) {
                            *value = if row < rows { element(group, row, channel, tap) } else { 0.0 };
                        }
                    }
                }
            }
        });
        Self { groups, rows, depth, values }
    }
}

/// Where the pixels of a grid go in the planes of the result.
struct Place {
    channels: usize,
    plane: [usize; 2],
    first: [usize; 2],
    step: [usize; 2],
}

struct Apply<'a> {
    patches: &'a Patches,
    source: &'a [f32],
    weight: &'a Weight,
    /// One number a channel of the result.
    bias: Option<&'a [f32]>,
    place: Place,
}

impl Apply<'_> {
    fn run(&self, output: &mut [f32]) {
        let output = &SharedSlice::new(output);
        let blocks = self.patches.blocks();
        let groups = self.weight.groups;
        // Groups of few channels share a task, which would not be worth its working memory otherwise.
        let some = (CHANNELS / self.weight.rows.max(1)).clamp(1, groups);
        let chunks = groups.div_ceil(some);
        // Few pixels under many channels: each thread takes a part of the channels, and copies all patches for itself. How they
        // are divided does not show in the result.
        let tiles = self.weight.rows.div_ceil(HIGH);
        let parts = threads::count().div_ceil(chunks * blocks.len()).min(tiles.div_ceil(CHANNELS / HIGH));
        threads::run(blocks.len() * chunks * parts, |index| {
            let (first, part) = (index / parts % chunks * some, index % parts);
            dispatch(Task {
                apply: self,
                block: blocks[index / parts / chunks],
                groups: first..groups.min(first + some),
                tiles: tiles * part / parts..tiles * (part + 1) / parts,
                output,
            });
        });
    }

    /// Numbers from one channel of a block's result to the next.
    fn result_row(&self, block: &Block) -> usize {
        // Not a power of two, or the rows would fight for the same lines of the cache.
        self.patches.pixels(block).next_multiple_of(WIDE) + WIDE
    }

    /// Puts some rows of a block's result, `[rows, pixels]`, in their place.
    #[inline(always)]
    fn place(&self, output: &SharedSlice<'_>, result: &[f32], block: &Block, group: usize, rows: Range<usize>) {
        let Place { channels, plane: [height, width], first, step } = self.place;
        let [_, columns] = self.patches.grid;
        for (index, row) in rows.enumerate() {
            let channel = group * self.weight.rows + row;
            let bias = self.bias.map_or(0.0, |bias| bias[channel]);
            let result = &result[index * self.result_row(block)..][..self.patches.pixels(block)];
            for (image, result) in (block.first_image..).zip(result.chunks_exact(block.rows * columns)) {
                let plane = (image * channels + channel) * height * width;
                if step == [1, 1] {
                    let start = plane + block.first_row * width;
                    // SAFETY: no other block has these rows of this image, and no other group this channel.
                    let target = unsafe { output.slice_mut(start..start + result.len()) };
                    for (target, value) in target.iter_mut().zip(result) {
                        *target = value + bias;
                    }
                    continue;
                }
                for (row, result) in (block.first_row..).zip(result.chunks_exact(columns)) {
                    let start = plane + (first[0] + row * step[0]) * width;
                    // SAFETY: as above.
                    let target = unsafe { output.slice_mut(start + first[1]..start + width) };
                    for (target, value) in target.iter_mut().step_by(step[1]).zip(result) {
                        *target = value + bias;
                    }
                }
            }
        }
    }
}

/// The products of one block with some tiles of some groups.
struct Task<'a> {
    apply: &'a Apply<'a>,
    block: Block,
    groups: Range<usize>,
    /// Of every group.
    tiles: Range<usize>,
    output: &'a SharedSlice<'a>,
}

impl WithLanes for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { apply, block, groups, tiles, output } = self;
        let Apply { patches, source, weight, .. } = apply;
        let (rows, taps) = (weight.rows, patches.taps());
        let all_tiles = rows.div_ceil(HIGH);
        let pixels = patches.pixels(&block);
        let result_row = apply.result_row(&block);
        let mut result = Scratch::any(tiles.len() * HIGH * result_row);
        let some = (DEEP / taps).clamp(1, patches.group_channels);
        let layout = patches.layout(&block, some);
        let mut staged = Scratch::any(layout.staged(&block));
        let panel = patches.panel(some);
        let mut panels = Scratch::any(2 * panel);
        for group in groups {
            let weight_tiles = &weight.values[group * all_tiles * weight.depth * HIGH..];
            for first_channel in (0..patches.group_channels).step_by(some) {
                let channels = some.min(patches.group_channels - first_channel);
                let start = group * patches.group_channels + first_channel;
                patches.stage::<L>(source, &block, start..start + channels, &layout, &mut staged);
                for first in (0..pixels).step_by(2 * WIDE) {
                    let count = (pixels - first).div_ceil(WIDE).min(2);
                    for (index, panel) in panels.chunks_exact_mut(panel).take(count).enumerate() {
                        patches.pack::<L>(&staged, &layout, channels, first / WIDE + index, panel);
                    }
                    for (index, tile) in tiles.clone().enumerate() {
                        let product = Tile::<1, HIGH> {
                            left: weight_tiles[(tile * weight.depth + first_channel * taps) * HIGH..].as_ptr(),
                            depth: channels * taps,
                            run: channels * taps,
                            run_stride: 0,
                            right: panels.as_ptr(),
                            right_panel: panel,
                            output: result[index * HIGH * result_row + first..].as_mut_ptr(),
                            output_row: result_row,
                            accumulate: first_channel > 0,
                        };
                        // SAFETY: the packed weight has this depth in each tile and the panels as many rows; the result has
                        // room for whole tiles and panels.
                        unsafe { product.multiply::<L>(padded(HIGH.min(rows - tile * HIGH)), count) };
                    }
                }
            }
            apply.place(output, &result, &block, group, tiles.start * HIGH..rows.min(tiles.end * HIGH));
        }
    }
}
