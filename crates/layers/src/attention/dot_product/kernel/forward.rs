//! The forward pass: for each tile of keys, the scores of a block of queries with them, whose softmax goes on from that
//! of the tiles before ([Milakov and Gimelshein, 2018](https://arxiv.org/abs/1805.02867)), as in flash attention
//! ([Dao et al., 2022](https://arxiv.org/abs/2205.14135)).

use super::{
    pack,
    product::{Left, Panels, Target},
    scores::{self, Running},
    sizes::{KEYS, Problem, QUERIES, Sizes},
    square::Square,
};
use crate::cpu::{
    lanes::{Lanes, WithLanes, dispatch},
    scratch::Scratch,
    threads::{self, SharedSlice},
    tile::WIDE,
};
use std::ops::Range;

/// The output, `[batch, queries, heads * value_size]`, and of each query ([`Sizes::row`]) its largest score and the
/// inverse of the sum of its exponentials: enough to make any weight again.
pub fn forward(problem: &Problem, inputs: [&[f32]; 3]) -> (Vec<f32>, Scratch) {
    let Sizes { batch, queries, heads, kv_heads, value_size, .. } = problem.sizes;
    let mut output = vec![0.0; batch * queries * heads * value_size];
    let mut softmax = Scratch::any(2 * batch * heads * queries);
    {
        let [output, softmax] = [&mut output[..], &mut softmax].map(SharedSlice::new);
        let blocks = problem.sizes.blocks();
        let splits = (4 * threads::count()).div_ceil(batch * kv_heads).min(blocks);
        threads::run(batch * kv_heads * splits, |part| {
            let (pair, split) = (part / splits, part % splits);
            dispatch(Part {
                problem,
                inputs,
                entry: pair / kv_heads,
                kv_head: pair % kv_heads,
                blocks: blocks * split / splits..blocks * (split + 1) / splits,
                output: &output,
                softmax: &softmax,
            });
        });
    }
    (output, softmax)
}

/// Some blocks of queries of one batch entry, of all heads that share their keys.
struct Part<'a> {
    problem: &'a Problem,
    inputs: [&'a [f32]; 3],
    entry: usize,
    kv_head: usize,
    blocks: Range<usize>,
    output: &'a SharedSlice<'a>,
    softmax: &'a SharedSlice<'a>,
}

/// Working memory of a part.
struct Memory {
    /// The keys of a tile, transposed.
    keys: Scratch,
    /// The values of a tile.
    values: Scratch,
    /// The queries of a block, scaled.
    queries: Scratch,
    /// Of a block of queries with a tile of keys.
    scores: Scratch,
    /// The dropout of a row of scores.
    kept: Scratch,
}

impl WithLanes for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let sizes = self.problem.sizes;
        let widest = KEYS.min(sizes.keys);
        let mut memory = Memory {
            keys: Scratch::any(pack::turned_length(widest, sizes.head_size)),
            values: Scratch::any(pack::panels_length(widest, sizes.value_size)),
            queries: Scratch::any(QUERIES * sizes.head_size),
            scores: Scratch::any(QUERIES * widest.next_multiple_of(WIDE)),
            kept: Scratch::any(KEYS),
        };
        let queries = sizes.block(self.blocks.start).start..sizes.block(self.blocks.end - 1).end;
        for head in sizes.group(self.kv_head) {
            self.softmax(head, queries.clone()).fill(scores::NOTHING);
        }
        for tile in 0..sizes.tiles() {
            let keys = sizes.tile(tile);
            if self.problem.seen_of(&keys, self.entry, queries.end - 1) == 0 {
                break;
            }
            self.take_tile::<L>(keys, &mut memory);
        }
        for head in sizes.group(self.kv_head) {
            self.finish::<L>(head, queries.clone());
        }
    }
}

impl Part<'_> {
    /// Goes on with all queries by a tile of keys.
    #[inline(always)]
    fn take_tile<L: Lanes>(&self, keys: Range<usize>, memory: &mut Memory) {
        let sizes = self.problem.sizes;
        let [_, key_rows, value_rows] = self.problem.rows(self.inputs, self.entry, [0, self.kv_head]);
        pack::turned::<L>(key_rows, keys.clone(), &mut memory.keys);
        pack::panels::<L>(value_rows, keys.clone(), 1.0, &mut memory.values);
        for head in sizes.group(self.kv_head) {
            for block in self.blocks.clone() {
                let queries = sizes.block(block);
                let square = Square { problem: self.problem, entry: self.entry, head, queries, keys: keys.clone() };
                if !square.is_hidden() {
                    self.take_square::<L>(&square, memory);
                }
            }
        }
    }

    #[inline(always)]
    fn take_square<L: Lanes>(&self, square: &Square<'_>, memory: &mut Memory) {
        let Sizes { head_size, value_size, .. } = self.problem.sizes;
        let [query_rows, ..] = self.problem.rows(self.inputs, self.entry, [square.head, self.kv_head]);
        pack::copied::<L>(query_rows, square.queries.clone(), self.problem.scale, &mut memory.queries);
        let keys = Panels::new(&memory.keys, square.row_stride(), head_size);
        square.products::<L>(Left::rows(&memory.queries, head_size), keys, &mut memory.scores);

        let softmax = self.softmax(square.head, square.queries.clone());
        let rows = memory.scores.chunks_exact_mut(square.row_stride()).zip(softmax);
        for (row, (scores, running)) in rows.enumerate() {
            let seen = square.seen(row);
            let weights = square.scores::<L>(row, scores, seen);
            let factor = scores::exponentials::<L>(weights, running);
            if let Some(kept) = square.kept(row, seen, &mut memory.kept) {
                scores::drop::<L>(weights, kept);
            }
            scores::clear(scores, seen);
            if factor != 1.0 {
                scores::scale::<L>(self.output_row(square.head, square.queries.start + row), factor);
            }
        }

        let values = Panels::new(&memory.values, value_size, square.keys.len());
        // SAFETY: these rows of this head are this part's own.
        unsafe { square.gather::<L>(&memory.scores, values, self.target(square)) };
    }

    /// Divides the sums of weighted values by the sums of weights.
    #[inline(always)]
    fn finish<L: Lanes>(&self, head: usize, queries: Range<usize>) {
        let softmax = self.softmax(head, queries.clone());
        for (query, running) in queries.zip(softmax) {
            running[1] = scores::inverse(*running);
            scores::scale::<L>(self.output_row(head, query), running[1]);
        }
    }

    /// Of the queries of a head, which are this part's own.
    #[allow(clippy::mut_from_ref)] // as `SharedSlice`, whose promise is kept below
    fn softmax(&self, head: usize, queries: Range<usize>) -> &mut [Running] {
        let row = self.problem.sizes.row(self.entry, head, queries.start);
        // SAFETY: parts have different queries, and no caller holds two slices of the same ones.
        let numbers = unsafe { self.softmax.slice_mut(2 * row..2 * (row + queries.len())) };
        numbers.as_chunks_mut().0
    }

    /// Where the output of a query starts.
    fn output_at(&self, head: usize, query: usize) -> usize {
        let Sizes { queries, value_size, .. } = self.problem.sizes;
        self.problem.output_place().at(queries, value_size, self.entry, head, query)
    }

    /// The output of a query, which is this part's own.
    #[allow(clippy::mut_from_ref)] // as above
    fn output_row(&self, head: usize, query: usize) -> &mut [f32] {
        let at = self.output_at(head, query);
        // SAFETY: as above.
        unsafe { self.output.slice_mut(at..at + self.problem.sizes.value_size) }
    }

    /// The output of a block of queries.
    fn target(&self, square: &Square<'_>) -> Target {
        let at = self.output_at(square.head, square.queries.start);
        let row_stride = self.problem.output_place().row;
        // SAFETY: the row is inside of the output.
        let start = unsafe { self.output.start().add(at) };
        Target { start, row_stride, columns: self.problem.sizes.value_size }
    }
}
