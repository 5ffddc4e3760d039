//! Activations on the CPU, one pass over memory forward and one backward. The slope is kept and not the input: it shares its
//! exponential with the value, and takes as much memory.

use crate::cpu::{
    CpuBackend, OnCpu, from_plain, from_tracked, into_plain, into_tracked, is_cpu, is_f32,
    lanes::{Lanes, WIDTH, WithLanes, dispatch},
    math, on_cpu, threads,
};
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::tensor::{Tensor, backend::Backend};
use std::fmt::Debug;

mod swiglu;

pub(super) use swiglu::swiglu;

/// Numbers that are worth a thread.
const GRAIN: usize = 1 << 13;

pub(super) fn takes<B: Backend, const D: usize>(input: &Tensor<B, D>) -> bool {
    is_cpu::<B>() && is_f32(input)
}

pub(super) fn activate<B: Backend, F: Curve, const D: usize>(curve: F, input: Tensor<B, D>) -> Tensor<B, D> {
    match on_cpu::<B, _>(Call { curve, input }) {
        Ok(output) => output,
        Err(_) => unreachable!("asked in `takes`"),
    }
}

/// A function of one number.
pub(super) trait Curve: Copy + Debug + Send + Sync + 'static {
    /// The value and the derivative. Has to be `#[inline(always)]`.
    fn at<L: Lanes>(x: L) -> [L; 2];
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Relu;

impl Curve for Relu {
    #[inline(always)]
    fn at<L: Lanes>(x: L) -> [L; 2] {
        let zero = L::splat(0.0);
        [x.at_least(zero), zero.if_less(x, L::splat(1.0), zero)]
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Gelu;

impl Curve for Gelu {
    #[inline(always)]
    fn at<L: Lanes>(x: L) -> [L; 2] {
        let [distribution, density] = math::normal(x);
        [x.mul(distribution), x.mul_add(density, distribution)]
    }
}

/// `(1 + tanh(u)) / 2 = σ(2 u)`: with `2 u = x · (LINEAR + CUBIC · x²)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct GeluTanh;

impl GeluTanh {
    /// 2 √(2 / π)
    const LINEAR: f32 = 1.595_769;
    /// 2 √(2 / π) · 0.044715
    const CUBIC: f32 = 0.071_354_82;
}

impl Curve for GeluTanh {
    #[inline(always)]
    fn at<L: Lanes>(x: L) -> [L; 2] {
        let square = x.mul(x);
        let by = square.mul_add(L::splat(Self::CUBIC), L::splat(Self::LINEAR));
        let gate = math::sigmoid(x.mul(by));
        let slope_inside = square.mul_add(L::splat(3.0 * Self::CUBIC), L::splat(Self::LINEAR));
        let slope_of_gate = gate.sub(gate.mul(gate)).mul(slope_inside);
        [x.mul(gate), x.mul_add(slope_of_gate, gate)]
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Silu;

impl Curve for Silu {
    #[inline(always)]
    fn at<L: Lanes>(x: L) -> [L; 2] {
        let gate = math::sigmoid(x);
        let value = x.mul(gate);
        [value, value.mul_add(L::splat(1.0).sub(gate), gate)]
    }
}

fn values<F: Curve>(curve: F, input: &[f32]) -> Vec<f32> {
    let [output] = threads::new_rows(input.len(), 1, GRAIN, |first, [output]| {
        dispatch(Values { curve, input: &input[first..first + output.len()], output });
    });
    output
}

fn values_and_slopes<F: Curve>(curve: F, input: &[f32]) -> [Vec<f32>; 2] {
    threads::new_rows(input.len(), 1, GRAIN, |first, [output, slopes]| {
        dispatch(ValuesAndSlopes { curve, input: &input[first..first + output.len()], output, slopes });
    })
}

struct Values<'a, F> {
    #[allow(dead_code)] // only its type is looked at
    curve: F,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl<F: Curve> WithLanes for Values<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let (input, input_rest) = self.input.as_chunks::<WIDTH>();
        let (output, output_rest) = self.output.as_chunks_mut::<WIDTH>();
        for (input, output) in input.iter().zip(output) {
            let [value, _] = F::at(L::load(input));
            value.store(output);
        }
        let [value, _] = F::at(L::load_partly(input_rest));
        value.store_partly(output_rest);
    }
}

struct ValuesAndSlopes<'a, F> {
    #[allow(dead_code)] // only its type is looked at
    curve: F,
    input: &'a [f32],
    output: &'a mut [f32],
    slopes: &'a mut [f32],
}

impl<F: Curve> WithLanes for ValuesAndSlopes<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let (input, input_rest) = self.input.as_chunks::<WIDTH>();
        let (output, output_rest) = self.output.as_chunks_mut::<WIDTH>();
        let (slopes, slopes_rest) = self.slopes.as_chunks_mut::<WIDTH>();
        for ((input, output), slopes) in input.iter().zip(output).zip(slopes) {
            let [value, slope] = F::at(L::load(input));
            value.store(output);
            slope.store(slopes);
        }
        let [value, slope] = F::at(L::load_partly(input_rest));
        value.store_partly(output_rest);
        slope.store_partly(slopes_rest);
    }
}

struct Call<B: Backend, F, const D: usize> {
    curve: F,
    input: Tensor<B, D>,
}

impl<B: Backend, F: Curve, const D: usize> OnCpu for Call<B, F, D> {
    type Output = Tensor<B, D>;

    fn plain<C: CpuBackend>(self) -> Tensor<B, D> {
        let shape = self.input.dims();
        let input = C::buffer(into_plain::<B, C, D>(self.input));
        from_plain::<B, C, D>(C::tensor(values(self.curve, &input), shape))
    }

    fn tracked<C: CpuBackend>(self) -> Tensor<B, D> {
        let shape = self.input.dims();
        let input = into_tracked::<B, C, D>(self.input);
        let tracked = input.is_tracked();
        let numbers = C::buffer(input.primitive);
        let (output, slopes) = if tracked {
            let [output, slopes] = values_and_slopes(self.curve, &numbers);
            (output, slopes)
        } else {
            (values(self.curve, &numbers), Vec::new())
        };
        let output = C::tensor(output, shape);
        let output = match ActivationBackward.prepare::<NoCheckpointing>([input.node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(slopes, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
        from_tracked::<B, C, D>(output)
    }
}

#[derive(Debug)]
struct ActivationBackward;

impl<C: CpuBackend> Backward<C, 1> for ActivationBackward {
    /// The slopes.
    type State = Vec<f32>;

    fn backward(self, ops: Ops<Vec<f32>, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = grads.consume::<C>(&ops.node);
        let slopes = ops.state;
        let [parent] = ops.parents;
        if let Some(node) = parent {
            let by_input = C::update(gradient, |gradient| {
                threads::split_rows(gradient, 1, GRAIN, |first, gradient| {
                    gradient.iter_mut().zip(&slopes[first..]).for_each(|(gradient, slope)| *gradient *= slope);
                });
            });
            grads.register::<C>(node.id, by_input);
        }
    }
}
