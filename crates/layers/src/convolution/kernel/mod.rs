//! Both convolutions on the CPU: three arrays and what each of them is by the other two.
//!
//! Of an input `x`, a weight `w` and an output `y`, take the sum of `y · conv(x, w)`. It is linear in each of them, so its gradient by
//! any one is made of the other two: by `y` that is the convolution, by `x` its transpose, and by `w` the gradient that a weight gets.
//! And the gradient of such a gradient by its factors is again one of the three. So one operation, [`Product`], is all that there is
//! to record, forward and backward, once and twice differentiated; only the numbers of the three are computed by different code
//! (`apply` and `weight`).
//!
//! Nothing is kept for the backward pass but the factors: the patches are copied together again.

mod apply;
mod few;
mod patches;
mod sizes;
mod tile;
mod weight;
mod whole;

use super::{Conv2dOptions, ConvTranspose2dOptions};
use crate::cpu::{
    Buffer, CpuBackend, from_plain,
    graph::{
        OnGraph, from_primitive, from_recorded, into_primitive, into_recorded, is_on_graph, on_graph, register_gradient,
    },
    into_plain, is_f32,
    planes::channel_sums,
};
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::tensor::{Tensor, backend::Backend, ops::FloatTensor};
use sizes::Sizes;

pub(super) fn takes<B: Backend>(input: &Tensor<B, 4>, weight: &Tensor<B, 4>, bias: &Option<Tensor<B, 1>>) -> bool {
    is_on_graph::<B>() && is_f32(input) && is_f32(weight) && bias.as_ref().is_none_or(is_f32)
}

pub(super) fn conv2d<B: Backend>(
    input: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Option<Tensor<B, 1>>,
    options: &Conv2dOptions,
) -> Tensor<B, 4> {
    let sizes = Sizes::new(input.dims(), weight.dims(), options);
    Product { sizes, wanted: Role::Output, factors: [input, weight], bias }.run()
}

pub(super) fn conv_transpose2d<B: Backend>(
    input: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Option<Tensor<B, 1>>,
    options: &ConvTranspose2dOptions,
) -> Tensor<B, 4> {
    let sizes = Sizes::of_transposed(input.dims(), weight.dims(), options);
    Product { sizes, wanted: Role::Input, factors: [weight, input], bias }.run()
}

/// Of an array in a convolution. A transposed convolution has them turned round: what it takes is an output.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Role {
    Input,
    Weight,
    Output,
}

impl Role {
    /// The other two, in their order.
    fn others(self) -> [Self; 2] {
        match self {
            Self::Input => [Self::Weight, Self::Output],
            Self::Weight => [Self::Input, Self::Output],
            Self::Output => [Self::Input, Self::Weight],
        }
    }
}

/// The gradient of the sum of `output · conv(input, weight)` by one of the three.
struct Product<B: Backend> {
    sizes: Sizes,
    wanted: Role,
    /// The other two, in the order of the roles.
    factors: [Tensor<B, 4>; 2],
    /// Added to each channel of the result, which is no weight then.
    bias: Option<Tensor<B, 1>>,
}

impl<B: Backend> Product<B> {
    fn run(self) -> Tensor<B, 4> {
        match on_graph::<B, _>(self) {
            Ok(result) => result,
            Err(_) => unreachable!("asked in `takes`"),
        }
    }
}

impl<B: Backend> OnGraph for Product<B> {
    type Output = Tensor<B, 4>;

    fn plain<C: CpuBackend>(self) -> Tensor<B, 4> {
        let Self { sizes, wanted, factors, bias } = self;
        let [one, other] = factors.map(|factor| C::buffer(into_plain::<B, C, 4>(factor)));
        let bias = bias.map(|bias| C::buffer(into_plain::<B, C, 1>(bias)));
        let result = sizes.product(wanted, [&one, &other], bias.as_ref());
        from_plain::<B, C, 4>(C::tensor(result, sizes.shape(wanted)))
    }

    fn recorded<I: Backend>(self) -> Tensor<B, 4> {
        let Self { sizes, wanted, factors, bias } = self;
        let [one, other] = factors.map(into_recorded::<B, I, 4>);
        let bias = bias.map(into_recorded::<B, I, 1>);
        let factors = [&one, &other].map(|factor| from_primitive::<I, 4>(factor.primitive.clone()));
        let inner_bias = bias.as_ref().map(|bias| from_primitive::<I, 1>(bias.primitive.clone()));
        let result = Product { sizes: sizes.clone(), wanted, factors, bias: inner_bias }.run();
        let result = into_primitive(result);
        // Each is in the gradient by the other.
        let [keep_one, keep_other] = [other.is_tracked(), one.is_tracked()];
        let factors = [keep_one.then_some(one.primitive), keep_other.then_some(other.primitive)];
        let saved = Saved::<I> { sizes, wanted, factors };
        let result = match bias {
            Some(bias) => {
                let nodes = [one.node, other.node, bias.node];
                match ProductBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(prep) => prep.finish(saved, result),
                    OpsKind::UnTracked(prep) => prep.finish(result),
                }
            }
            None => {
                let nodes = [one.node, other.node];
                match ProductBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(prep) => prep.finish(saved, result),
                    OpsKind::UnTracked(prep) => prep.finish(result),
                }
            }
        };
        from_recorded::<B, I, 4>(result)
    }
}

#[derive(Debug)]
struct ProductBackward;

#[derive(Clone, Debug)]
struct Saved<I: Backend> {
    sizes: Sizes,
    wanted: Role,
    /// Each is kept for the other's gradient, if that one wants any.
    factors: [Option<FloatTensor<I>>; 2],
}

/// With parents one factor, the other and (where there are three) bias. The gradient takes the role of what was wanted.
impl<I: Backend, const N: usize> Backward<I, N> for ProductBackward {
    type State = Saved<I>;

    fn backward(self, ops: Ops<Saved<I>, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let Saved { sizes, wanted, factors: [one, other] } = ops.state;
        let gradient: Tensor<I, 4> = from_primitive(grads.consume::<I>(&ops.node));
        let parent = |index: usize| ops.parents.get(index).cloned().flatten();
        let roles = wanted.others();
        if let Some(node) = parent(2) {
            register_gradient(grads, node.id, sum_channels(gradient.clone()));
        }
        for (index, factor) in [(1, one), (0, other)] {
            let (Some(node), Some(factor)) = (parent(index), factor) else { continue };
            let (by, of_factor) = (roles[index], roles[1 - index]);
            let factor = from_primitive::<I, 4>(factor);
            let factors = if of_factor < wanted { [factor, gradient.clone()] } else { [gradient.clone(), factor] };
            let product = Product { sizes: sizes.clone(), wanted: by, factors, bias: None };
            register_gradient(grads, node.id, product.run());
        }
    }
}

impl Sizes {
    /// The numbers of a [`Product`].
    fn product(&self, wanted: Role, [one, other]: [&Buffer; 2], bias: Option<&Buffer>) -> Vec<f32> {
        let bias = bias.map(|bias| &**bias);
        match wanted {
            _ if self.is_whole() => whole::product_of_rows(self, wanted, [one, other], bias),
            Role::Output => apply::forward(self, one, other, bias),
            Role::Input => apply::input_gradient(self, other, one, bias),
            Role::Weight => weight::weight_gradient(self, one, other),
        }
    }

    fn shape(&self, role: Role) -> [usize; 4] {
        match role {
            Role::Input => self.input_shape(),
            Role::Weight => self.weight_shape(),
            Role::Output => self.output_shape(),
        }
    }
}

/// The sum of each channel of images, `[channels]`.
fn sum_channels<B: Backend>(images: Tensor<B, 4>) -> Tensor<B, 1> {
    struct Sum<B: Backend>(Tensor<B, 4>);
    impl<B: Backend> OnGraph for Sum<B> {
        type Output = Tensor<B, 1>;

        fn plain<C: CpuBackend>(self) -> Tensor<B, 1> {
            let [_, channels, height, width] = self.0.dims();
            let sums = channel_sums(&C::buffer(into_plain::<B, C, 4>(self.0)), channels, height * width);
            from_plain::<B, C, 1>(C::tensor(sums, [channels]))
        }

        fn recorded<I: Backend>(self) -> Tensor<B, 1> {
            let [batch, channels, height, width] = self.0.dims();
            let planes = self.0.reshape([batch, channels, height * width]).sum_dim(2); // [batch, channels, 1]
            planes.sum_dim(0).reshape([channels])
        }
    }
    match on_graph::<B, _>(Sum(images)) {
        Ok(sums) => sums,
        Err(_) => unreachable!("asked in `takes`"),
    }
}
