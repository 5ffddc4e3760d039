//! Splitting work over the threads of rayon's pool, without a sum whose order depends on how many there are.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

/// How many threads share the work.
pub fn count() -> usize {
    rayon::current_num_threads()
}

/// Calls `work` with ranges that cover `0..items` once, on several threads when there are at least `2 * grain` items.
///
/// Each range but the last has a length that is a multiple of `grain`. Where ranges end depends on the number of
/// threads, so `work` must not add up over the items of a range (or only over `grain` of them at a time).
pub fn split(items: usize, grain: usize, work: impl Fn(Range<usize>) + Sync) {
    let grain = grain.max(1);
    let grains = items.div_ceil(grain);
    let parts = count().min(grains).max(1);
    run(parts, |part| {
        let start = (grains * part / parts) * grain;
        let end = (grains * (part + 1) / parts) * grain;
        work(start..end.min(items));
    });
}

/// Like [`split`], over the rows of a matrix that is to be written: `work` gets the index of its first row and the rows.
///
/// # Panics
/// When `values` is not a whole number of rows.
pub fn split_rows(values: &mut [f32], row_length: usize, grain: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    if values.is_empty() {
        return;
    }
    assert!(
        row_length > 0 && values.len().is_multiple_of(row_length),
        "{} values are no whole number of rows of {row_length}",
        values.len()
    );
    let rows = values.len() / row_length;
    let shared = SharedSlice::new(values);
    split(rows, grain, |range| {
        let bounds = range.start * row_length..range.end * row_length;
        // SAFETY: `split` hands out ranges that do not overlap.
        work(range.start, unsafe { shared.slice_mut(bounds) });
    });
}

/// New vectors of rows, which `work` writes: it gets the index of its first row and these rows of each vector, filled with zeros.
///
/// Each `grain` rows are made zeros by the thread that writes them, just before it does, while clearing the whole at once would
/// take a pass over memory of its own. Results must not depend on where a call of `work` begins.
pub fn new_rows<const N: usize>(
    rows: usize,
    row_length: usize,
    grain: usize,
    work: impl Fn(usize, [&mut [f32]; N]) + Sync,
) -> [Vec<f32>; N] {
    let (grain, length) = (grain.max(1), rows * row_length);
    let mut vectors = [(); N].map(|()| Vec::with_capacity(length));
    let starts = vectors.each_mut().map(|vector: &mut Vec<f32>| SharedSlice {
        start: vector.as_mut_ptr(),
        length,
        borrow: PhantomData,
    });
    if length > 0 {
        split(rows, grain, |range| {
            for first in range.clone().step_by(grain) {
                let part = first * row_length..range.end.min(first + grain) * row_length;
                // SAFETY: `split` hands out ranges that do not overlap, inside of the capacity, and nothing is read before it is
                // written.
                work(first, starts.each_ref().map(|shared| unsafe { shared.cleared(part.clone()) }));
            }
        });
    }
    for vector in &mut vectors {
        // SAFETY: the ranges cover all rows, and each has been filled with zeros at least.
        unsafe { vector.set_len(length) };
    }
    vectors
}

/// Calls `work(0)`, .., `work(parts - 1)`, each once, spread over the threads.
pub fn run(parts: usize, work: impl Fn(usize) + Sync) {
    fn halve(parts: Range<usize>, work: &(impl Fn(usize) + Sync)) {
        match parts.len() {
            0 => {}
            1 => work(parts.start),
            length => {
                let middle = parts.start + length / 2;
                rayon::join(|| halve(parts.start..middle, work), || halve(middle..parts.end, work));
            }
        }
    }
    halve(0..parts, &work);
}

/// A slice that several threads write to, each its own part of it.
pub struct SharedSlice<'a> {
    start: *mut f32,
    length: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: a part is only reached through `slice_mut`, whose caller promises that no two parts overlap.
unsafe impl Sync for SharedSlice<'_> {}
// SAFETY: as for `Sync`; `f32` itself is `Send`.
unsafe impl Send for SharedSlice<'_> {}

impl<'a> SharedSlice<'a> {
    /// Shares a slice for as long as it is borrowed.
    pub fn new(values: &'a mut [f32]) -> Self {
        Self { start: values.as_mut_ptr(), length: values.len(), borrow: PhantomData }
    }

    /// Where the slice starts, for those who write rows of it that are not contiguous. No two threads may write the same
    /// element.
    pub fn start(&self) -> *mut f32 {
        self.start
    }

    /// A part of the slice.
    ///
    /// # Panics
    /// When the part is not inside of the slice.
    ///
    /// # Safety
    /// While the part is in use, no other part that overlaps it may be.
    #[allow(clippy::mut_from_ref)] // that is what the type is for
    pub unsafe fn slice_mut(&self, part: Range<usize>) -> &mut [f32] {
        assert!(part.start <= part.end && part.end <= self.length, "{part:?} is not inside of {} values", self.length);
        // SAFETY: in bounds as asserted, and the caller promises that no other reference overlaps.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(part.start), part.len()) }
    }

    /// A part of memory that may not have been written yet, as zeros.
    ///
    /// # Safety
    /// As for [`slice_mut`](Self::slice_mut), and the part has to be inside of what can be written.
    #[allow(clippy::mut_from_ref)]
    unsafe fn cleared(&self, part: Range<usize>) -> &mut [f32] {
        // SAFETY: the caller's promise; the type allows for what has not been written.
        let unwritten = unsafe {
            std::slice::from_raw_parts_mut(self.start.add(part.start).cast::<MaybeUninit<f32>>(), part.len())
        };
        unwritten.fill(MaybeUninit::new(0.0));
        // SAFETY: the caller's promise, and now all of it has been written.
        unsafe { self.slice_mut(part) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_rows_are_zeros_until_written_and_each_is_visited_once() {
        for rows in [0, 1, 5, 64, 1001] {
            for (row_length, grain) in [(1, 1), (3, 7), (2, 0), (0, 4)] {
                let [indices, zeros] = new_rows(rows, row_length, grain, |first, [indices, zeros]| {
                    assert!(indices.iter().chain(zeros.iter()).all(|&value| value == 0.0));
                    for (row, index) in (first..).zip(indices.chunks_mut(row_length)) {
                        index.iter_mut().for_each(|index| *index += row as f32);
                    }
                });
                let expected: Vec<f32> = (0..rows * row_length).map(|at| (at / row_length) as f32).collect();
                assert_eq!(indices, expected, "{rows} rows of {row_length}");
                assert_eq!(zeros, vec![0.0; rows * row_length]);
            }
        }
    }
}
