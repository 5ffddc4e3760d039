//! Blocks of [`WIDE`] units. The kernels work on whole blocks, of known length and therefore without checks inside; the
//! last units of a layer whose size is no multiple go through a buffer.

use crate::cpu::{lanes::Lanes, tile::WIDE};

/// A block of units. Behind the last unit of a layer it holds anything.
pub type Units = [f32; WIDE];

/// Up to [`WIDE`] values as a block: themselves, or by way of the buffer.
#[inline(always)]
pub fn view<'a>(values: &'a [f32], buffer: &'a mut Units) -> &'a Units {
    match values.try_into() {
        Ok(units) => units,
        Err(_) => {
            buffer[..values.len()].copy_from_slice(values);
            buffer
        }
    }
}

/// The block that starts at `at`, of memory that is padded to whole blocks.
#[inline(always)]
pub fn block(values: &[f32], at: usize) -> &Units {
    &values[at..].as_chunks().0[0]
}

/// As [`block`], to be written.
#[inline(always)]
pub fn block_mut(values: &mut [f32], at: usize) -> &mut Units {
    &mut values[at..].as_chunks_mut().0[0]
}

/// Writes as many units as there are values.
#[inline(always)]
pub fn put(values: &mut [f32], units: &Units) {
    if let Ok(values) = <&mut Units>::try_from(&mut *values) {
        *values = *units;
    } else {
        let length = values.len();
        values.copy_from_slice(&units[..length]);
    }
}

/// The first or, with `half` = [`WIDTH`](crate::cpu::lanes::WIDTH), the second vector of a block.
#[inline(always)]
pub fn load<L: Lanes>(units: &Units, half: usize) -> L {
    L::load(&units[half..])
}
