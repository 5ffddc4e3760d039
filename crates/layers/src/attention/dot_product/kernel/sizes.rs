//! How large a call is, where its heads lie, and how it is cut into tiles.

use super::{dropout::Dropout, product::Left};
use crate::cpu::{Buffer, lanes::WIDTH, tile::HIGH, tile::WIDE};
use std::ops::Range;

/// Queries of a block: whole tiles of a product.
pub const QUERIES: usize = 4 * HIGH;

/// Keys of a tile: whole panels of a product. With a block of queries their scores are 24 KiB.
pub const KEYS: usize = 8 * WIDE;

#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub batch: usize,
    pub queries: usize,
    pub keys: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_size: usize,
    pub value_size: usize,
}

impl Sizes {
    /// The heads of queries that read a head of keys and values.
    pub fn group(&self, kv_head: usize) -> Range<usize> {
        let group = self.heads / self.kv_heads;
        kv_head * group..(kv_head + 1) * group
    }

    /// The numbers of a query, counted through batch and heads: `[batch, heads, queries]`.
    pub fn row(&self, entry: usize, head: usize, query: usize) -> usize {
        (entry * self.heads + head) * self.queries + query
    }

    pub fn blocks(&self) -> usize {
        self.queries.div_ceil(QUERIES)
    }

    pub fn tiles(&self) -> usize {
        self.keys.div_ceil(KEYS)
    }

    /// The queries of a block.
    pub fn block(&self, index: usize) -> Range<usize> {
        index * QUERIES..self.queries.min((index + 1) * QUERIES)
    }

    /// The keys of a tile.
    pub fn tile(&self, index: usize) -> Range<usize> {
        index * KEYS..self.keys.min((index + 1) * KEYS)
    }
}

/// Where the rows of a tensor lie in its numbers.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Where the first head of the first row starts.
    pub start: usize,
    /// How far rows are apart.
    pub row: usize,
}

impl Place {
    /// Where a row of a head starts.
    pub fn at(&self, length: usize, size: usize, entry: usize, head: usize, row: usize) -> usize {
        self.start + (entry * length + row) * self.row + head * size
    }
}

/// The heads of one batch entry's queries, keys or values: one row a position.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// From the first row of this head on.
    values: &'a [f32],
    row: usize,
    /// Features of the head.
    pub size: usize,
}

impl<'a> Rows<'a> {
    /// A head of `size` features of a batch entry with `length` rows.
    pub fn new(values: &'a [f32], place: Place, length: usize, size: usize, entry: usize, head: usize) -> Self {
        let start = place.at(length, size, entry, head, 0);
        let end = start + (length - 1) * place.row + size;
        Self { values: &values[start..end], row: place.row, size }
    }

    #[inline(always)]
    pub fn get(&self, index: usize) -> &'a [f32] {
        &self.values[index * self.row..][..self.size]
    }

    /// The rows from this one on as an operand.
    pub fn left(&self, index: usize) -> Left<'a> {
        Left::rows(&self.values[index * self.row..], self.row)
    }
}

/// Everything about a call but the numbers of its queries, keys and values.
#[derive(Clone, Debug)]
pub struct Problem {
    pub sizes: Sizes,
    /// Of queries, keys and values.
    pub places: [Place; 3],
    pub scale: f32,
    pub causal: bool,
    pub lengths: Option<Vec<usize>>,
    pub slopes: Option<Vec<f32>>,
    pub hidden: Option<Hidden>,
    pub dropout: Option<Dropout>,
}

/// A mask, with ones where a key is hidden.
#[derive(Clone, Debug)]
pub struct Hidden {
    pub values: Buffer,
    /// How far apart the masks of two batch entries are: 0 where they share one.
    pub entry_stride: usize,
    /// The same for heads.
    pub head_stride: usize,
}

impl Problem {
    /// How many keys a query sees, all of them from the first on, before any mask.
    pub fn seen(&self, entry: usize, query: usize) -> usize {
        let Sizes { queries, keys, .. } = self.sizes;
        let real = self.lengths.as_ref().map_or(keys, |lengths| lengths[entry]);
        if self.causal { real.min((keys + query + 1).saturating_sub(queries)) } else { real }
    }

    /// How many of a tile's keys a query sees.
    pub fn seen_of(&self, tile: &Range<usize>, entry: usize, query: usize) -> usize {
        self.seen(entry, query).clamp(tile.start, tile.end) - tile.start
    }

    /// The rows of a batch entry, of one head of the queries, one of the keys and one of the values.
    pub fn rows<'a>(&self, inputs: [&'a [f32]; 3], entry: usize, [head, kv_head]: [usize; 2]) -> [Rows<'a>; 3] {
        let Sizes { queries, keys, head_size, value_size, .. } = self.sizes;
        let [query_place, key_place, value_place] = self.places;
        [
            Rows::new(inputs[0], query_place, queries, head_size, entry, head),
            Rows::new(inputs[1], key_place, keys, head_size, entry, kv_head),
            Rows::new(inputs[2], value_place, keys, value_size, entry, kv_head),
        ]
    }

    /// The rows of a batch entry and head of the output, or of its gradient.
    pub fn output_rows<'a>(&self, output: &'a [f32], entry: usize, head: usize) -> Rows<'a> {
        let Sizes { queries, value_size, .. } = self.sizes;
        Rows::new(output, self.output_place(), queries, value_size, entry, head)
    }

    /// Where the output lies.
    pub fn output_place(&self) -> Place {
        Place { start: 0, row: self.sizes.heads * self.sizes.value_size }
    }

    /// What is done to the scores of a query before the softmax.
    pub fn bias(&self, entry: usize, head: usize, query: usize, first_key: usize) -> RowBias<'_> {
        let Sizes { queries, keys, .. } = self.sizes;
        let hidden = self.hidden.as_ref().map(|hidden| {
            let row = entry * hidden.entry_stride + head * hidden.head_stride + query * keys;
            &hidden.values[row + first_key..row + keys]
        });
        let slope = self.slopes.as_ref().map(|slopes| slopes[head]);
        // Positions fit into the 24 bits of a float as far as they fit into memory.
        RowBias { slope, distance: (keys + query) as f32 - (queries + first_key) as f32, hidden }
    }
}

/// What is done to the scores of one query with a tile's keys.
pub struct RowBias<'a> {
    pub slope: Option<f32>,
    /// The position of the query, counted from the first key of the tile.
    pub distance: f32,
    /// Of the tile's keys and those behind.
    pub hidden: Option<&'a [f32]>,
}

/// How many numbers of a row of scores are in use, if this many keys are seen: whole vectors.
pub fn padded(seen: usize) -> usize {
    seen.next_multiple_of(WIDTH)
}
