//! Working memory that is used again instead of being asked from the system each time.
//!
//! A training step needs the same buffers over and over. Fresh pages cost a fault each, which for the megabytes of a
//! recurrent layer's gates is a noticeable share of the step.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Buffers that wait to be used again, together never more than [`LIMIT`] numbers.
static WAITING: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// 256 MiB.
const LIMIT: usize = 1 << 26;

/// Working memory with any content, handed on to the next who asks when dropped.
pub struct Scratch {
    /// At least `length` numbers: cutting it would lose the rest for those who come after.
    values: Vec<f32>,
    length: usize,
}

impl Scratch {
    /// Memory for `length` numbers, which are whatever was there before.
    pub fn any(length: usize) -> Self {
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        // The smallest that is large enough, but not one that somebody with four times as much to do will need.
        let fitting = (0..waiting.len())
            .filter(|&index| (length..=4 * length).contains(&waiting[index].len()))
            .min_by_key(|&index| waiting[index].len());
        let found = fitting.map(|index| waiting.swap_remove(index));
        drop(waiting);
        let values = found.unwrap_or_else(|| vec![0.0; length]);
        Self { values, length }
    }

    /// Memory for `length` zeros.
    pub fn zeros(length: usize) -> Self {
        let mut scratch = Self::any(length);
        scratch.fill(0.0);
        scratch
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.values);
        if values.is_empty() || values.len() > LIMIT {
            return;
        }
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(values);
        let mut total: usize = waiting.iter().map(Vec::capacity).sum();
        while total > LIMIT {
            // The first has waited longest or nearly so.
            total -= waiting.swap_remove(0).capacity();
        }
    }
}

impl Clone for Scratch {
    fn clone(&self) -> Self {
        let mut copy = Self::any(self.len());
        copy.copy_from_slice(self);
        copy
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[..self.length]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[..self.length]
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scratch({} numbers)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_length_asked_for_whatever_was_there_before() {
        for length in [1000, 400, 1001, 0, 1, 250] {
            let mut scratch = Scratch::any(length);
            assert_eq!(scratch.len(), length);
            scratch.fill(1.0);
            assert_eq!(&*scratch.clone(), &*scratch);
            assert!(Scratch::zeros(length).iter().all(|&value| value == 0.0));
        }
    }
}
