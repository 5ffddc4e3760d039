//! Activations on the CPU, one pass over memory forward and one backward. The slope is kept and not the input: it shares its
//! exponential with the value, and takes as much memory.
//!
//! Of a curve that is made of straight lines the slope is a constant factor for the second derivative too, and the same code serves
//! under an `Autodiff` of an `Autodiff`.

use crate::cpu::{
    CpuBackend, from_plain,
    graph::{
        OnGraph, from_primitive, from_recorded, into_primitive, into_recorded, is_on_graph, on_graph, register_gradient,
    },
    into_plain, is_cpu, is_f32,
    lanes::{Lanes, WIDTH, WithLanes, dispatch},
    math, threads,
};
use burn::backend::{
    Autodiff,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
};
use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
    ops::FloatTensor,
};
use std::fmt::Debug;

mod swiglu;

pub(super) use swiglu::swiglu;

/// Numbers that are worth a thread.
const GRAIN: usize = 1 << 13;

pub(super) fn takes<B: Backend, const D: usize>(input: &Tensor<B, D>) -> bool {
    is_cpu::<B>() && is_f32(input)
}

/// For curves of straight lines, whose second derivative is 0.
pub(super) fn takes_lines<B: Backend, const D: usize>(input: &Tensor<B, D>) -> bool {
    is_on_graph::<B>() && is_f32(input)
}

/// Asked in [`takes`], or in [`takes_lines`] for curves of straight lines.
pub(super) fn activate<B: Backend, F: Curve, const D: usize>(curve: F, input: Tensor<B, D>) -> Tensor<B, D> {
    let [output, _] = Call { curve, input, slopes: false }.run();
    output.expect("there always are values")
}

/// A function of one number.
pub(super) trait Curve: Copy + Debug + Send + Sync + 'static {
    /// The value and the derivative. Has to be `#[inline(always)]`.
    fn at<L: Lanes>(self, x: L) -> [L; 2];
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Relu;

impl Curve for Relu {
    #[inline(always)]
    fn at<L: Lanes>(self, x: L) -> [L; 2] {
        let zero = L::splat(0.0);
        [x.at_least(zero), zero.if_less(x, L::splat(1.0), zero)]
    }
}

/// With the slope of the numbers that are not positive.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeakyRelu(pub f32);

impl Curve for LeakyRelu {
    #[inline(always)]
    fn at<L: Lanes>(self, x: L) -> [L; 2] {
        let (zero, slope) = (L::splat(0.0), L::splat(self.0));
        [zero.if_less(x, x, x.mul(slope)), zero.if_less(x, L::splat(1.0), slope)]
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Sigmoid;

impl Curve for Sigmoid {
    #[inline(always)]
    fn at<L: Lanes>(self, x: L) -> [L; 2] {
        let value = math::sigmoid(x);
        [value, value.sub(value.mul(value))]
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Tanh;

impl Curve for Tanh {
    #[inline(always)]
    fn at<L: Lanes>(self, x: L) -> [L; 2] {
        let value = math::tanh(x);
        [value, L::splat(1.0).sub(value.mul(value))]
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Gelu;

impl Curve for Gelu {
    #[inline(always)]
    fn at<L: Lanes>(self, x: L) -> [L; 2] {
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
    fn at<L: Lanes>(self, x: L) -> [L; 2] {
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
    fn at<L: Lanes>(self, x: L) -> [L; 2] {
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
    curve: F,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl<F: Curve> WithLanes for Values<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let curve = self.curve;
        let (input, input_rest) = self.input.as_chunks::<WIDTH>();
        let (output, output_rest) = self.output.as_chunks_mut::<WIDTH>();
        for (input, output) in input.iter().zip(output) {
            let [value, _] = curve.at(L::load(input));
            value.store(output);
        }
        let [value, _] = curve.at(L::load_partly(input_rest));
        value.store_partly(output_rest);
    }
}

struct ValuesAndSlopes<'a, F> {
    curve: F,
    input: &'a [f32],
    output: &'a mut [f32],
    slopes: &'a mut [f32],
}

impl<F: Curve> WithLanes for ValuesAndSlopes<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let curve = self.curve;
        let (input, input_rest) = self.input.as_chunks::<WIDTH>();
        let (output, output_rest) = self.output.as_chunks_mut::<WIDTH>();
        let (slopes, slopes_rest) = self.slopes.as_chunks_mut::<WIDTH>();
        for ((input, output), slopes) in input.iter().zip(output).zip(slopes) {
            let [value, slope] = curve.at(L::load(input));
            value.store(output);
            slope.store(slopes);
        }
        let [value, slope] = curve.at(L::load_partly(input_rest));
        value.store_partly(output_rest);
        slope.store_partly(slopes_rest);
    }
}

struct Call<B: Backend, F, const D: usize> {
    curve: F,
    input: Tensor<B, D>,
    /// Whether the slopes are asked for.
    slopes: bool,
}

impl<B: Backend, F: Curve, const D: usize> Call<B, F, D> {
    fn run(self) -> [Option<Tensor<B, D>>; 2] {
        match on_graph::<B, _>(self) {
            Ok(output) => output,
            Err(_) => unreachable!("asked in `takes`"),
        }
    }
}

impl<B: Backend, F: Curve, const D: usize> OnGraph for Call<B, F, D> {
    /// The values, and the slopes without a graph, where they are asked for.
    type Output = [Option<Tensor<B, D>>; 2];

    fn plain<C: CpuBackend>(self) -> Self::Output {
        let shape = self.input.dims();
        let input = C::buffer(into_plain::<B, C, D>(self.input));
        let tensor = |values| Some(from_plain::<B, C, D>(C::tensor(values, shape)));
        if self.slopes {
            values_and_slopes(self.curve, &input).map(tensor)
        } else {
            [tensor(values(self.curve, &input)), None]
        }
    }

    fn recorded<I: Backend>(self) -> Self::Output {
        let input = into_recorded::<B, I, D>(self.input);
        let slopes = self.slopes || input.is_tracked();
        let inner = Call { curve: self.curve, input: from_primitive::<I, D>(input.primitive), slopes };
        let [output, slopes] = inner.run().map(|tensor| tensor.map(into_primitive));
        let output = output.expect("there always are values");
        let prepared = ActivationBackward::<D>.prepare::<NoCheckpointing>([input.node]).compute_bound().stateful();
        let output = match prepared {
            OpsKind::Tracked(prep) => prep.finish(slopes.clone(), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
        let slopes = slopes.map(|slopes| from_recorded::<B, I, D>(Autodiff::<I>::from_inner(slopes)));
        [Some(from_recorded::<B, I, D>(output)), slopes.filter(|_| self.slopes)]
    }
}

#[derive(Debug)]
struct ActivationBackward<const D: usize>;

impl<I: Backend, const D: usize> Backward<I, 1> for ActivationBackward<D> {
    /// The slopes.
    type State = Option<FloatTensor<I>>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = from_primitive::<I, D>(grads.consume::<I>(&ops.node));
        let [parent] = ops.parents;
        if let (Some(node), Some(slopes)) = (parent, ops.state) {
            register_gradient(grads, node.id, product(gradient, from_primitive::<I, D>(slopes)));
        }
    }
}

/// Number times number: in the place of the gradient on a CPU backend.
fn product<B: Backend, const D: usize>(gradient: Tensor<B, D>, slopes: Tensor<B, D>) -> Tensor<B, D> {
    struct Product<B: Backend, const D: usize>(Tensor<B, D>, Tensor<B, D>);
    impl<B: Backend, const D: usize> OnGraph for Product<B, D> {
        type Output = Tensor<B, D>;

        fn plain<C: CpuBackend>(self) -> Tensor<B, D> {
            let slopes = C::buffer(into_plain::<B, C, D>(self.1));
            from_plain::<B, C, D>(C::update(into_plain::<B, C, D>(self.0), |gradient| {
                threads::split_rows(gradient, 1, GRAIN, |first, gradient| {
                    gradient.iter_mut().zip(&slopes[first..]).for_each(|(gradient, slope)| *gradient *= slope);
                });
            }))
        }

        fn recorded<I: Backend>(self) -> Tensor<B, D> {
            self.0 * self.1
        }
    }
    match on_graph::<B, _>(Product(gradient, slopes)) {
        Ok(product) => product,
        Err(_) => unreachable!("asked in `takes`"),
    }
}
