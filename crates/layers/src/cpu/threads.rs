//! Splitting work over the threads of rayon's pool, without a sum whose order depends on how many there are.

use std::marker::PhantomData;
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
}
