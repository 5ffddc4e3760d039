//! The backward pass: the scores of each square are made again, so that nothing of them was kept.
//!
//! With weights `P`, dropout `D`, outputs `O` and their gradients `dO`, `dV = (P∘D)ᵀ dO`, and the scores' gradients are
//! `dS = P ∘ (D ∘ dO Vᵀ - rows of Σ dO∘O)`, of which `dQ = scale · dS K` and `dK = scale · dSᵀ Q`.

use super::{
    pack,
    product::{Left, Panels, Target},
    scores::{self, Running, Slopes},
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

/// What the forward pass read and left behind.
pub struct Done<'a> {
    pub inputs: [&'a [f32]; 3],
    pub output: &'a [f32],
    /// See [`forward`](super::forward::forward).
    pub softmax: &'a [f32],
}

/// Which gradients are asked for.
#[derive(Clone, Copy)]
pub struct Wanted {
    pub queries: bool,
    pub keys: bool,
}

/// Adds the gradients of queries, keys and values, given that of the output, to `gradients`, which have the places of the
/// inputs.
pub fn backward(
    problem: &Problem,
    done: &Done<'_>,
    incoming: &[f32],
    gradients: [&SharedSlice<'_>; 3],
    wanted: Wanted,
) {
    let sizes = problem.sizes;
    let dots = dots(problem, done.output, incoming);
    let pairs = sizes.batch * sizes.kv_heads;
    let part = |pair: usize, blocks, tiles, wanted| {
        let (entry, kv_head) = (pair / sizes.kv_heads, pair % sizes.kv_heads);
        dispatch(Part { problem, done, incoming, dots: &dots, gradients, entry, kv_head, blocks, tiles, wanted });
    };
    let (blocks, tiles) = (sizes.blocks(), sizes.tiles());
    if shares_evenly(pairs) || !(wanted.queries && wanted.keys) && pairs >= threads::count() {
        threads::run(pairs, |pair| part(pair, 0..blocks, 0..tiles, wanted));
        return;
    }
    // Gradients of keys want a tile for themselves, those of queries a block: the squares are made twice. Each sum still
    // has its order.
    let (of_tiles, of_blocks) = (if wanted.keys { tiles } else { 0 }, if wanted.queries { blocks } else { 0 });
    let each = of_tiles + of_blocks;
    threads::run(pairs * each, |index| match (index / each, index % each) {
        (pair, tile) if tile < of_tiles => {
            part(pair, 0..blocks, tile..tile + 1, Wanted { queries: false, keys: true });
        }
        (pair, block) => {
            let block = block - of_tiles;
            part(pair, block..block + 1, 0..tiles, Wanted { queries: true, keys: false });
        }
    });
}

/// Whether so many parts keep the threads busy well enough to save two of seven products.
fn shares_evenly(parts: usize) -> bool {
    let threads = threads::count();
    5 * parts.next_multiple_of(threads) <= 7 * parts
}

/// The products of outputs and their gradients, summed over each head: `[batch, queries, heads]`.
fn dots(problem: &Problem, output: &[f32], incoming: &[f32]) -> Scratch {
    /// Numbers of a task of its own.
    const GRAIN: usize = 1 << 14;
    let size = problem.sizes.value_size;
    let mut dots = Scratch::any(output.len() / size);
    threads::split_rows(&mut dots, 1, GRAIN.div_ceil(size), |first, dots| {
        let part = first * size..(first + dots.len()) * size;
        dispatch(Dots { output: &output[part.clone()], incoming: &incoming[part], size, dots });
    });
    dots
}

struct Dots<'a> {
    output: &'a [f32],
    incoming: &'a [f32],
    size: usize,
    dots: &'a mut [f32],
}

impl WithLanes for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let rows = self.output.chunks_exact(self.size).zip(self.incoming.chunks_exact(self.size));
        for ((output, incoming), dot) in rows.zip(self.dots) {
            *dot = scores::dot::<L>(output, incoming);
        }
    }
}

/// Some squares of one batch entry, of all heads that share their keys.
struct Part<'a> {
    problem: &'a Problem,
    done: &'a Done<'a>,
    incoming: &'a [f32],
    dots: &'a [f32],
    gradients: [&'a SharedSlice<'a>; 3],
    entry: usize,
    kv_head: usize,
    blocks: Range<usize>,
    tiles: Range<usize>,
    wanted: Wanted,
}

/// Working memory of a part.
struct Memory {
    /// The keys of a tile, scaled, and transposed.
    keys: Scratch,
    keys_turned: Scratch,
    /// The values of a tile, transposed.
    values_turned: Scratch,
    /// The queries of a block, scaled: as rows, and packed.
    query_rows: Scratch,
    queries: Scratch,
    /// The gradients of the outputs of a block.
    incoming: Scratch,
    /// Of a square: scores, then weights.
    scores: Scratch,
    /// Of a square: the gradients of weights, then of scores.
    slopes: Scratch,
    /// The dropout of a row.
    kept: Scratch,
}

impl WithLanes for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Sizes { keys, head_size, value_size, .. } = self.problem.sizes;
        let widest = KEYS.min(keys);
        let square = QUERIES * widest.next_multiple_of(WIDE);
        let mut memory = Memory {
            keys: Scratch::any(pack::panels_length(widest, head_size)),
            keys_turned: Scratch::any(pack::turned_length(widest, head_size)),
            values_turned: Scratch::any(pack::turned_length(widest, value_size)),
            query_rows: Scratch::any(QUERIES * head_size),
            queries: Scratch::any(pack::panels_length(QUERIES, head_size)),
            incoming: Scratch::any(pack::panels_length(QUERIES, value_size)),
            scores: Scratch::any(square),
            slopes: Scratch::any(square),
            kept: Scratch::any(KEYS),
        };
        let last = self.problem.sizes.block(self.blocks.end - 1).end - 1;
        for tile in self.tiles.clone() {
            let keys = self.problem.sizes.tile(tile);
            if self.problem.seen_of(&keys, self.entry, last) > 0 {
                self.take_tile::<L>(keys, &mut memory);
            }
        }
    }
}

impl Part<'_> {
    #[inline(always)]
    fn take_tile<L: Lanes>(&self, keys: Range<usize>, memory: &mut Memory) {
        let sizes = self.problem.sizes;
        let [_, key_rows, value_rows] = self.problem.rows(self.done.inputs, self.entry, [0, self.kv_head]);
        pack::turned::<L>(key_rows, keys.clone(), &mut memory.keys_turned);
        pack::turned::<L>(value_rows, keys.clone(), &mut memory.values_turned);
        if self.wanted.queries {
            pack::panels::<L>(key_rows, keys.clone(), self.problem.scale, &mut memory.keys);
        }
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
        let [query_rows, ..] = self.problem.rows(self.done.inputs, self.entry, [square.head, self.kv_head]);
        let incoming_rows = self.problem.output_rows(self.incoming, self.entry, square.head);
        pack::copied::<L>(query_rows, square.queries.clone(), self.problem.scale, &mut memory.query_rows);

        let keys = Panels::new(&memory.keys_turned, square.row_stride(), head_size);
        square.products::<L>(Left::rows(&memory.query_rows, head_size), keys, &mut memory.scores);
        let values = Panels::new(&memory.values_turned, square.row_stride(), value_size);
        square.products::<L>(incoming_rows.left(square.queries.start), values, &mut memory.slopes);
        self.take_rows::<L>(square, memory);

        let Memory { keys, queries, incoming, scores, slopes, .. } = memory;
        if self.wanted.keys {
            let rows = square.queries.len();
            pack::panels::<L>(query_rows, square.queries.clone(), self.problem.scale, queries);
            pack::panels::<L>(incoming_rows, square.queries.clone(), 1.0, incoming);
            let [_, of_keys, of_values] = self.targets(square);
            // SAFETY: these rows of this head are this part's own.
            unsafe {
                square.scatter::<L>(slopes, Panels::new(queries, head_size, rows), of_keys);
                square.scatter::<L>(scores, Panels::new(incoming, value_size, rows), of_values);
            }
        }
        if self.wanted.queries {
            let [of_queries, ..] = self.targets(square);
            // SAFETY: as above.
            unsafe { square.gather::<L>(slopes, Panels::new(keys, head_size, square.keys.len()), of_queries) };
        }
    }

    /// Turns scores into weights and the gradients of weights into those of scores.
    #[inline(always)]
    fn take_rows<L: Lanes>(&self, square: &Square<'_>, memory: &mut Memory) {
        let sizes = self.problem.sizes;
        let stride = square.row_stride();
        let rows = memory.scores.chunks_exact_mut(stride).zip(memory.slopes.chunks_exact_mut(stride));
        for ((row, query), (scores, slopes)) in square.queries.clone().enumerate().zip(rows) {
            let seen = square.seen(row);
            let number = sizes.row(self.entry, square.head, query);
            let [largest, inverse]: Running = [self.done.softmax[2 * number], self.done.softmax[2 * number + 1]];
            let dot = self.dots[(self.entry * sizes.queries + query) * sizes.heads + square.head];
            let kept = square.kept(row, seen, &mut memory.kept);
            let weights = square.scores::<L>(row, scores, seen);
            Slopes { largest, inverse, dot, kept }.take::<L>(weights, &mut slopes[..weights.len()]);
            scores::clear(scores, seen);
            scores::clear(slopes, seen);
        }
    }

    /// Where the gradients of the square's queries, keys and values go.
    fn targets(&self, square: &Square<'_>) -> [Target; 3] {
        let Sizes { queries, keys, head_size, value_size, .. } = self.problem.sizes;
        let target = |which: usize, length, size, head, row| {
            let place = self.problem.places[which];
            // SAFETY: the row is inside of the gradient, which has the size of the input.
            let start = unsafe { self.gradients[which].start().add(place.at(length, size, self.entry, head, row)) };
            Target { start, row_stride: place.row, columns: size }
        };
        [
            target(0, queries, head_size, square.head, square.queries.start),
            target(1, keys, head_size, self.kv_head, square.keys.start),
            target(2, keys, value_size, self.kv_head, square.keys.start),
        ]
    }
}
