//! Activations on the CPU, one pass over memory forward and one backward. Only the input is kept: the slope is made of it again.

use crate::cpu::{
    Buffer, CpuBackend, OnCpu, from_plain, from_tracked, into_plain, into_tracked, is_cpu, is_f32,
    lanes::{Lanes, WIDTH, WithLanes, dispatch},
    math, on_cpu, threads,
};
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::tensor::{Tensor, backend::Backend};
use std::{f32::consts::FRAC_1_SQRT_2, fmt::Debug};

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

/// A function of one number and its derivative. Both have to be `#[inline(always)]`.
pub(super) trait Curve: Copy + Debug + Send + Sync + 'static {
    fn value<L: Lanes>(x: L) -> L;
    fn slope<L: Lanes>(x: L) -> L;
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Relu;

impl Curve for Relu {
    #[inline(always)]
    fn value<L: Lanes>(x: L) -> L {
        x.at_least(L::splat(0.0))
    }

    #[inline(always)]
    fn slope<L: Lanes>(x: L) -> L {
        L::splat(0.0).if_less(x, L::splat(1.0), L::splat(0.0))
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Gelu;

impl Curve for Gelu {
    #[inline(always)]
    fn value<L: Lanes>(x: L) -> L {
        let half = x.mul(L::splat(0.5));
        half.mul_add(math::erf(x.mul(L::splat(FRAC_1_SQRT_2))), half)
    }

    #[inline(always)]
    fn slope<L: Lanes>(x: L) -> L {
        // 1 / √(2 π)
        const PEAK: f32 = 0.398_942_3;
        let half = L::splat(0.5);
        let distribution = math::erf(x.mul(L::splat(FRAC_1_SQRT_2))).mul_add(half, half);
        let density = math::exp(x.mul(x).mul(L::splat(-0.5))).mul(L::splat(PEAK));
        x.mul_add(density, distribution)
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
    fn value<L: Lanes>(x: L) -> L {
        let by = x.mul(x).mul_add(L::splat(Self::CUBIC), L::splat(Self::LINEAR));
        x.mul(math::sigmoid(x.mul(by)))
    }

    #[inline(always)]
    fn slope<L: Lanes>(x: L) -> L {
        let square = x.mul(x);
        let by = square.mul_add(L::splat(Self::CUBIC), L::splat(Self::LINEAR));
        let slope_inside = square.mul_add(L::splat(3.0 * Self::CUBIC), L::splat(Self::LINEAR));
        let gate = math::sigmoid(x.mul(by));
        let slope_of_gate = gate.sub(gate.mul(gate)).mul(slope_inside);
        x.mul_add(slope_of_gate, gate)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Silu;

impl Curve for Silu {
    #[inline(always)]
    fn value<L: Lanes>(x: L) -> L {
        x.mul(math::sigmoid(x))
    }

    #[inline(always)]
    fn slope<L: Lanes>(x: L) -> L {
        let gate = math::sigmoid(x);
        x.mul_add(gate.sub(gate.mul(gate)), gate)
    }
}

fn values<F: Curve>(curve: F, input: &[f32]) -> Vec<f32> {
    let mut output = vec![0.0; input.len()];
    threads::split_rows(&mut output, 1, GRAIN, |first, output| {
        dispatch(Values { curve, input: &input[first..first + output.len()], output });
    });
    output
}

struct Values<'a, F> {
    curve: F,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl<F: Curve> WithLanes for Values<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let _ = self.curve;
        for (input, output) in self.input.chunks(WIDTH).zip(self.output.chunks_mut(WIDTH)) {
            F::value(L::load_partly(input)).store_partly(output);
        }
    }
}

/// Turns the output's gradient into the input's.
struct Slopes<'a, F> {
    curve: F,
    input: &'a [f32],
    gradient: &'a mut [f32],
}

impl<F: Curve> WithLanes for Slopes<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let _ = self.curve;
        for (input, gradient) in self.input.chunks(WIDTH).zip(self.gradient.chunks_mut(WIDTH)) {
            F::slope(L::load_partly(input)).mul(L::load_partly(gradient)).store_partly(gradient);
        }
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
        let saved = C::buffer(input.primitive);
        let output = C::tensor(values(self.curve, &saved), shape);
        let step = ActivationBackward(self.curve);
        let output = match step.prepare::<NoCheckpointing>([input.node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(saved, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
        from_tracked::<B, C, D>(output)
    }
}

#[derive(Debug)]
struct ActivationBackward<F>(F);

impl<C: CpuBackend, F: Curve> Backward<C, 1> for ActivationBackward<F> {
    /// The input.
    type State = Buffer;

    fn backward(self, ops: Ops<Buffer, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = grads.consume::<C>(&ops.node);
        let (curve, input) = (self.0, ops.state);
        let [parent] = ops.parents;
        if let Some(node) = parent {
            let by_input = C::update(gradient, |gradient| {
                threads::split_rows(gradient, 1, GRAIN, |first, gradient| {
                    dispatch(Slopes { curve, input: &input[first..first + gradient.len()], gradient });
                });
            });
            grads.register::<C>(node.id, by_input);
        }
    }
}
