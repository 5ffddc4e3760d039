//! Random numbers that a second pass draws as the first has: keys are noted by the first pass and read by the second, which leaves
//! the backend's own numbers where they are. What a backend draws by itself follows from a seed, which is such a key.

use burn::tensor::{Distribution, Tensor, backend::Backend};
use std::{cell::RefCell, vec};

/// The keys of a first pass, in their order.
#[derive(Debug, Default)]
pub(super) struct Drawn(Vec<u64>);

enum Pass {
    First {
        drawn: Drawn,
        /// Where a backend was seeded: what seeds are made from, and how many were.
        seeds: Option<(u64, u64)>,
    },
    Second {
        drawn: vec::IntoIter<u64>,
        /// Where a backend was seeded: lets it go on elsewhere.
        resume: Option<Box<dyn FnOnce()>>,
    },
}

thread_local! {
    /// The innermost last: the second pass of a segment is the first of those inside of it.
    static PASSES: RefCell<Vec<Pass>> = const { RefCell::new(Vec::new()) };
}

/// Ends with the pass, also where that panics.
struct Running;

impl Running {
    fn start(pass: Pass) -> Self {
        PASSES.with_borrow_mut(|passes| passes.push(pass));
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pass = PASSES.with_borrow_mut(Vec::pop);
        if let Some(Pass::Second { resume: Some(resume), .. }) = pass {
            resume();
        }
    }
}

/// Notes the keys that are drawn.
pub(super) fn first_pass<T>(pass: impl FnOnce() -> T) -> (T, Drawn) {
    let running = Running::start(Pass::First { drawn: Drawn::default(), seeds: None });
    let result = pass();
    let drawn = PASSES.with_borrow_mut(|passes| match passes.last_mut() {
        Some(Pass::First { drawn, .. }) => std::mem::take(drawn),
        _ => unreachable!("passes end in the order in which they began, turned round"),
    });
    drop(running);
    (result, drawn)
}

/// Draws the keys that were noted.
pub(super) fn second_pass<T>(drawn: Drawn, pass: impl FnOnce() -> T) -> T {
    let _running = Running::start(Pass::Second { drawn: drawn.0.into_iter(), resume: None });
    pass()
}

/// A key: `draw`, or in a second pass what that was in the first.
pub(crate) fn key(draw: impl FnOnce() -> u64) -> u64 {
    let depth = PASSES.with_borrow(Vec::len);
    // From the innermost pass outwards: who noted it, or who draws it.
    let noted = PASSES.with_borrow_mut(|passes| {
        passes.iter_mut().enumerate().rev().find_map(|(at, pass)| match pass {
            Pass::First { .. } => None,
            Pass::Second { drawn, .. } => Some((at, drawn.next().expect("a segment draws as often in both passes"))),
        })
    });
    let (above, key) = noted.map_or_else(|| (0, draw()), |(at, key)| (at + 1, key));
    PASSES.with_borrow_mut(|passes| {
        for pass in &mut passes[above..depth] {
            if let Pass::First { drawn, .. } = pass {
                drawn.0.push(key);
            }
        }
    });
    key
}

/// Comes before a backend draws numbers by itself: in a pass it is seeded then.
pub(crate) fn before_drawing<B: Backend>(device: &B::Device) {
    if PASSES.with_borrow(Vec::is_empty) {
        return;
    }
    let seed = key(|| next_seed::<B>(device));
    resume_later::<B>(device);
    B::seed(device, seed);
}

/// One after the other from a number that is drawn once a segment, since to read it is to wait for the device.
fn next_seed<B: Backend>(device: &B::Device) -> u64 {
    let there = PASSES.with_borrow(|passes| match passes.first() {
        Some(Pass::First { seeds, .. }) => *seeds,
        _ => None,
    });
    let (base, count) = there.unwrap_or_else(|| (bits_48::<B>(device), 0));
    PASSES.with_borrow_mut(|passes| {
        if let Some(Pass::First { seeds, .. }) = passes.first_mut() {
            *seeds = Some((base, count + 1));
        }
    });
    base.wrapping_add(count.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// What comes after a second pass must not be what came after the first.
fn resume_later<B: Backend>(device: &B::Device) {
    let is_missing = |pass: &Pass| matches!(pass, Pass::Second { resume: None, .. });
    if !PASSES.with_borrow(|passes| passes.first().is_some_and(is_missing)) {
        return;
    }
    let (seed, device) = (bits_48::<B>(device), device.clone());
    PASSES.with_borrow_mut(|passes| {
        if let Some(Pass::Second { resume, .. }) = passes.first_mut() {
            *resume = Some(Box::new(move || B::seed(&device, seed)));
        }
    });
}

/// 48 bits of the backend's own random numbers, which its seed decides.
pub(crate) fn bits_48<B: Backend>(device: &B::Device) -> u64 {
    let bound = f64::from(1 << 24);
    let drawn = Tensor::<B, 1>::random([2], Distribution::Uniform(0.0, bound), device).into_data();
    drawn.iter::<f64>().fold(0, |bits, half| (bits << 24) ^ half as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many keys as asked for; those that are drawn count up.
    fn keys(count: usize, next: &mut u64) -> Vec<u64> {
        let mut draw = || {
            key(|| {
                *next += 1;
                *next
            })
        };
        (0..count).map(|_| draw()).collect()
    }

    #[test]
    fn a_second_pass_draws_nothing_new() {
        let mut next = 0;
        let (first, drawn) = first_pass(|| keys(3, &mut next));
        assert_eq!(keys(1, &mut next), [4]);
        assert_eq!(second_pass(drawn, || keys(3, &mut next)), first);
        assert_eq!(keys(1, &mut next), [5]);
    }

    #[test]
    fn a_segment_in_a_segment_draws_what_both_have_noted() {
        let mut next = 0;
        let (_, drawn) = first_pass(|| keys(3, &mut next));
        let (outer, inner) = second_pass(drawn, || {
            let before = keys(1, &mut next);
            let (_, inner) = first_pass(|| keys(1, &mut next));
            (keys(1, &mut next).into_iter().chain(before).collect::<Vec<_>>(), inner)
        });
        assert_eq!(outer, [3, 1]);
        assert_eq!(second_pass(inner, || keys(1, &mut next)), [2]);
        assert_eq!(next, 3);
    }
}
