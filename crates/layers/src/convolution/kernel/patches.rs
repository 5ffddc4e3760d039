//! Copying the patches of images into panels.
//!
//! A patch is all that goes into one pixel of the result. The rows of a panel are the elements of a patch, ordered by channel
//! and tap, and its columns sixteen patches. Neither padding nor strides slow the copying down: first a few channels of a
//! few rows of the image are staged, with zeros around them and, where there is a stride along the rows, in one part for
//! each remainder. Then every row of a panel is a copy of pixels that lie side by side.

use super::tile::WIDE;
use crate::cpu::lanes::{Lanes, Wide};
use std::ops::Range;

/// Patches of a block at most, unless a single row of the result has more.
const PIXELS: usize = 512;

/// Where patches lie in images.
#[derive(Clone, Debug)]
pub(super) struct Patches {
    batch: usize,
    /// Channels of an image.
    channels: usize,
    /// Channels of an image that a patch sees.
    pub group_channels: usize,
    /// Height and width of an image.
    source: [usize; 2],
    /// Height and width of the result.
    pub grid: [usize; 2],
    stride: [usize; 2],
    /// Row and column of the first element of the first patch.
    first: [isize; 2],
    /// From there to the last element of the first patch.
    span: [usize; 2],
    /// Where each tap of the first patch is staged.
    taps: Vec<usize>,
    /// Whether they reach beyond the image.
    padded: bool,
    /// By the remainder of a staged row or column, whether any tap reads it.
    read: [Vec<bool>; 2],
    /// Numbers from one staged row to the next and in each of its parts.
    staged_row: usize,
    staged_part: usize,
}

/// Some pixels of the result: of several whole images, or rows of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub first_image: usize,
    pub images: usize,
    pub first_row: usize,
    pub rows: usize,
}

impl Patches {
    /// `rows` and `columns` hold the row and column, in the first patch, of every tap in second place.
    #[allow(clippy::too_many_arguments)] // all of them are sizes, and there are two callers
    pub fn new(
        batch: usize,
        channels: usize,
        group_channels: usize,
        source: [usize; 2],
        grid: [usize; 2],
        stride: [usize; 2],
        rows: &[(usize, isize)],
        columns: &[(usize, isize)],
    ) -> Self {
        let range = |taps: &[(usize, isize)]| {
            let places = taps.iter().map(|(_, place)| *place);
            let first = places.clone().min().unwrap_or(0);
            (first, (places.max().unwrap_or(0) - first) as usize)
        };
        let (first, span): ([isize; 2], [usize; 2]) = {
            let (row, height) = range(rows);
            let (column, width) = range(columns);
            ([row, column], [height, width])
        };
        let staged_part = ((grid[1] - 1) * stride[1] + span[1] + 1).div_ceil(stride[1]);
        let staged_row = staged_part * stride[1];
        let tap = |row: isize, column: isize| {
            let (row, column) = ((row - first[0]) as usize, (column - first[1]) as usize);
            row * staged_row + column % stride[1] * staged_part + column / stride[1]
        };
        let taps = rows.iter().flat_map(|(_, row)| columns.iter().map(|(_, column)| tap(*row, *column))).collect();
        let read = [(0, rows), (1, columns)].map(|(axis, taps)| {
            let reads = |remainder: usize| {
                taps.iter().any(|(_, place)| (place - first[axis]) as usize % stride[axis] == remainder)
            };
            (0..stride[axis]).map(reads).collect()
        });
        let padded = (0..2).any(|axis| {
            first[axis] < 0
                || first[axis] + ((grid[axis] - 1) * stride[axis] + span[axis]) as isize >= source[axis] as isize
        });
        Self {
            batch,
            channels,
            group_channels,
            source,
            grid,
            stride,
            first,
            span,
            taps,
            padded,
            read,
            staged_row,
            staged_part,
        }
    }

    /// Elements of the patches of one channel.
    pub fn taps(&self) -> usize {
        self.taps.len()
    }

    /// Elements of a patch.
    pub fn depth(&self) -> usize {
        self.group_channels * self.taps()
    }

    /// All pixels of the result in their order.
    pub fn blocks(&self) -> Vec<Block> {
        let [rows, columns] = self.grid;
        let pixels = rows * columns;
        if 2 * pixels <= PIXELS {
            let images = PIXELS / pixels;
            let block =
                |first_image| Block { first_image, images: images.min(self.batch - first_image), first_row: 0, rows };
            return (0..self.batch).step_by(images).map(block).collect();
        }
        let parts = rows.div_ceil((PIXELS / columns).max(1));
        let part = |first_image, part| {
            let (first_row, end) = (rows * part / parts, rows * (part + 1) / parts);
            Block { first_image, images: 1, first_row, rows: end - first_row }
        };
        (0..self.batch).flat_map(|image| (0..parts).map(move |index| part(image, index))).collect()
    }

    pub fn pixels(&self, block: &Block) -> usize {
        block.images * block.rows * self.grid[1]
    }

    /// Numbers of one channel of one image.
    fn staged_plane(&self, block: &Block) -> usize {
        ((block.rows - 1) * self.stride[0] + self.span[0] + 1) * self.staged_row
    }

    /// Stages the given channels (of all groups) of all that a block reads, in `[images, channels, rows, parts, part]`, where
    /// there is room for the channels of the layout.
    #[inline(always)]
    pub fn stage<L: Lanes>(
        &self,
        source: &[f32],
        block: &Block,
        channels: Range<usize>,
        layout: &Layout,
        staged: &mut [f32],
    ) {
        let [height, width] = self.source;
        let plane = layout.plane;
        if self.padded {
            staged[..block.images * layout.image].fill(0.0);
        }
        let first_row = (block.first_row * self.stride[0]) as isize + self.first[0];
        // The staged rows that lie inside of the image.
        let inside = |row: isize| (row - first_row).clamp(0, (plane / self.staged_row) as isize) as usize;
        let rows = inside(0)..inside(height as isize);
        let images = block.first_image..block.first_image + block.images;
        for (image, staged) in images.zip(staged.chunks_exact_mut(layout.image)) {
            for (channel, target) in channels.clone().zip(staged.chunks_exact_mut(plane)) {
                let first = (first_row + rows.start as isize) as usize;
                let source = &source[(image * self.channels + channel) * height * width..][..height * width];
                let source = &source[first * width..];
                // The rows of the next channel: the CPU does not guess them by itself, so many small jumps as there are.
                for place in (0..rows.len() * width).step_by(WIDE) {
                    L::prefetch(source.as_ptr().wrapping_add(height * width + place));
                }
                let sources = source.chunks_exact(width);
                let targets = target.chunks_exact_mut(self.staged_row).skip(rows.start);
                for ((row, target), source) in rows.clone().zip(targets).zip(sources) {
                    if self.read[0][row % self.stride[0]] {
                        self.stage_row(source, target);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn stage_row(&self, source: &[f32], target: &mut [f32]) {
        let stride = self.stride[1] as isize;
        for (part, target) in target.chunks_exact_mut(self.staged_part).enumerate() {
            if !self.read[1][part] {
                continue;
            }
            let first = self.first[1] + part as isize; // column of the first number
            // Of the numbers of this part, those before `start` lie left of the image and those from `end` on right of it.
            let (start, end) = if stride == 1 {
                ((-first).max(0), source.len() as isize - first)
            } else {
                let before = |column: isize| (column - first + stride - 1).div_euclid(stride);
                (before(0).max(0), before(source.len() as isize))
            };
            let end = end.min(target.len() as isize);
            if start >= end {
                continue;
            }
            let source = &source[(first + start * stride) as usize..];
            let target = &mut target[start as usize..end as usize];
            if stride == 1 {
                copy(&source[..target.len()], target);
            } else if stride == 2 {
                // In pairs, which the compiler knows how to take apart several at a time.
                let (pairs, last) = source.as_chunks::<2>();
                let values = pairs.iter().map(|[value, _]| value).chain(last);
                target.iter_mut().zip(values).for_each(|(target, value)| *target = *value);
            } else {
                for (target, value) in target.iter_mut().zip(source.iter().step_by(self.stride[1])) {
                    *target = *value;
                }
            }
        }
    }

    /// Numbers of a panel with so many channels: one row more than it has, because copies write past their end.
    pub fn panel(&self, channels: usize) -> usize {
        (channels * self.taps() + 1) * WIDE
    }

    /// How the patches of so many channels of a block are staged.
    pub fn layout(&self, block: &Block, channels: usize) -> Layout {
        let plane = self.staged_plane(block);
        let mut layout = Layout { plane, image: channels * plane, channels, pieces: Vec::new(), panels: Vec::new() };
        let mut pixel = 0;
        for image in 0..block.images {
            for row in 0..block.rows {
                let start = image * layout.image + row * self.stride[0] * self.staged_row;
                let mut column = 0;
                while column < self.grid[1] {
                    let lane = pixel % WIDE;
                    if lane == 0 {
                        layout.panels.push(layout.pieces.len());
                    }
                    layout.pieces.push((start + column, lane));
                    let length = (self.grid[1] - column).min(WIDE - lane);
                    column += length;
                    pixel += length;
                }
            }
        }
        layout.panels.push(layout.pieces.len());
        layout
    }

    /// Copies sixteen patches of a block, those of the panel of this number, of so many staged channels. Behind the last patch
    /// of the block the columns hold anything.
    ///
    /// # Panics
    /// When there are not so many channels in the layout, or the slices are shorter than [`Layout::staged`] and
    /// [`panel`](Self::panel) ask for.
    #[inline(always)]
    pub fn pack<L: Lanes>(&self, staged: &[f32], layout: &Layout, channels: usize, number: usize, panel: &mut [f32]) {
        assert!(channels <= layout.channels && panel.len() >= self.panel(channels));
        let pieces = &layout.pieces[layout.panels[number]..layout.panels[number + 1]];
        let last = pieces.last().map_or(0, |(from, _)| *from);
        let last_tap = self.taps.iter().copied().max().unwrap_or(0);
        assert!(channels == 0 || last + (channels - 1) * layout.plane + last_tap + WIDE <= staged.len());
        let mut target = panel.as_mut_ptr();
        for channel in 0..channels {
            for tap in &self.taps {
                // SAFETY: the furthest of the places that are read is inside of what is staged, as has just been asserted, for
                // pieces are in order. A piece that writes on into the next row does so before that row is written; the panel
                // has room for the last.
                unsafe {
                    let source = staged.as_ptr().add(channel * layout.plane + tap);
                    if let [(from, 0)] = pieces {
                        L::Wide::read(source.add(*from)).write(target);
                    } else {
                        for &(from, to) in pieces {
                            L::Wide::read(source.add(from)).write(target.add(to));
                        }
                    }
                    target = target.add(WIDE);
                }
            }
        }
    }
}

/// Where the patches of a block are staged.
pub(super) struct Layout {
    /// Numbers of a channel.
    plane: usize,
    /// Numbers of an image.
    image: usize,
    channels: usize,
    /// The runs of pixels that lie side by side in a panel: where they begin in the first channel, and in which column.
    pieces: Vec<(usize, usize)>,
    /// The first piece of each panel, and the end.
    panels: Vec<usize>,
}

impl Layout {
    /// Numbers that are staged for so many images. Copies read up to a panel behind the last pixel.
    pub fn staged(&self, block: &Block) -> usize {
        block.images * self.image + WIDE
    }
}

/// Copies a row. Most are too short for a call of the system's function.
#[inline(always)]
fn copy(source: &[f32], target: &mut [f32]) {
    let (sources, source) = source.as_chunks::<WIDE>();
    let (targets, target) = target.as_chunks_mut::<WIDE>();
    for (target, source) in targets.iter_mut().zip(sources) {
        *target = *source; // a copy of known size
    }
    for (target, value) in target.iter_mut().zip(source) {
        *target = *value;
    }
}
