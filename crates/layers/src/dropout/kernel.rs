//! Dropout on the CPU. Whether a number is dropped is a hash of its index and of a key, so that the mask is made again in the
//! backward pass instead of being kept, and any thread can begin anywhere.

use crate::{
    checkpoint::random,
    cpu::{
        CpuBackend, OnCpu, add_gradient, from_plain, from_tracked, into_plain, into_tracked, is_cpu, is_f32,
        lanes::{Lanes, WithLanes, dispatch},
        on_cpu, threads,
    },
};
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::tensor::{Distribution, Tensor, backend::Backend};

/// Numbers that are worth a thread.
const GRAIN: usize = 1 << 14;

pub(super) fn takes<B: Backend, const D: usize>(input: &Tensor<B, D>) -> bool {
    is_cpu::<B>() && is_f32(input)
}

/// Drops numbers, each by a decision of its own.
pub(super) fn dropout<B: Backend, const D: usize>(input: Tensor<B, D>, probability: f64) -> Tensor<B, D> {
    run(input, probability, 1)
}

/// Drops entries of the batch.
pub(super) fn drop_path<B: Backend, const D: usize>(branch: Tensor<B, D>, probability: f64) -> Tensor<B, D> {
    let entry = branch.dims()[1..].iter().product();
    run(branch, probability, entry)
}

fn run<B: Backend, const D: usize>(input: Tensor<B, D>, probability: f64, together: usize) -> Tensor<B, D> {
    let key = key::<B>(&input.device());
    match on_cpu::<B, _>(Call { input, mask: Mask::new(key, probability, together) }) {
        Ok(output) => output,
        Err(_) => unreachable!("asked in `takes`"),
    }
}

/// From the backend's random numbers, so that its seed decides.
fn key<B: Backend>(device: &B::Device) -> [u32; 2] {
    let key = random::key(|| {
        let data = Tensor::<B, 1>::random([2], Distribution::Default, device).into_data();
        data.iter::<f32>().fold(0, |bits, number| (bits << 32) | u64::from(number.to_bits()))
    });
    [(key >> 32) as u32, key as u32]
}

struct Call<B: Backend, const D: usize> {
    input: Tensor<B, D>,
    mask: Mask,
}

/// What is dropped, and what the others are multiplied with.
#[derive(Clone, Copy, Debug)]
struct Mask {
    key: [u32; 2],
    /// Dropped where the hash, of 24 bits, is below it.
    below: u32,
    scale: f32,
    /// How many numbers share a decision.
    together: usize,
}

impl Mask {
    fn new(key: [u32; 2], probability: f64, together: usize) -> Self {
        let below = (probability * f64::from(1 << 24)).round() as u32;
        // Where all are dropped nothing is multiplied with it.
        let scale = (1.0 / (1.0 - probability)) as f32;
        Self { key, below, scale, together }
    }

    fn apply(&self, values: &mut [f32]) {
        if self.together == 0 {
            return; // entries without numbers
        }
        let grain = (GRAIN / self.together).max(1);
        threads::split_rows(values, self.together, grain, |first, values| {
            dispatch(Apply { mask: self, first, values });
        });
    }

    /// Whether the number (or the group of numbers) with this index is dropped. Two rounds of Wellons's
    /// [lowbias32](https://nullprogram.com/blog/2018/07/31/), each with half of the key: with one, masks of two keys would be
    /// the same up to an order.
    #[inline(always)]
    fn drops(&self, index: usize) -> bool {
        let high = (index >> 32) as u32;
        let hash = lowbias32(index as u32 ^ self.key[0]);
        lowbias32(hash ^ self.key[1].wrapping_add(high)) >> 8 < self.below
    }
}

#[inline(always)]
fn lowbias32(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

struct Apply<'a> {
    mask: &'a Mask,
    /// The index of the first decision.
    first: usize,
    values: &'a mut [f32],
}

impl WithLanes for Apply<'_> {
    type Output = ();

    /// The hashes are integers, which lanes do not have: the compiler makes vectors of the loops by itself.
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { mask, first, values } = self;
        if mask.together > 1 {
            for (index, entry) in (first..).zip(values.chunks_exact_mut(mask.together)) {
                if mask.drops(index) {
                    entry.fill(0.0);
                } else {
                    entry.iter_mut().for_each(|value| *value *= mask.scale);
                }
            }
            return;
        }
        for (index, value) in values.iter_mut().enumerate() {
            *value = if mask.drops(first + index) { 0.0 } else { *value * mask.scale };
        }
    }
}

impl<B: Backend, const D: usize> OnCpu for Call<B, D> {
    type Output = Tensor<B, D>;

    fn plain<C: CpuBackend>(self) -> Tensor<B, D> {
        let input = into_plain::<B, C, D>(self.input);
        from_plain::<B, C, D>(C::update(input, |values| self.mask.apply(values)))
    }

    fn tracked<C: CpuBackend>(self) -> Tensor<B, D> {
        let Self { input, mask } = self;
        let input = into_tracked::<B, C, D>(input);
        let output = C::update(input.primitive, |values| mask.apply(values));
        let output = match DropoutBackward.prepare::<NoCheckpointing>([input.node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(mask, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
        from_tracked::<B, C, D>(output)
    }
}

#[derive(Debug)]
struct DropoutBackward;

impl<C: CpuBackend> Backward<C, 1> for DropoutBackward {
    type State = Mask;

    fn backward(self, ops: Ops<Mask, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = grads.consume::<C>(&ops.node);
        let [parent] = ops.parents;
        if let Some(node) = parent {
            add_gradient::<C>(grads, node.id, C::update(gradient, |values| ops.state.apply(values)));
        }
    }
}
