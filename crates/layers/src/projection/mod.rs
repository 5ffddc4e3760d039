//! Linear projections of the last dimension.
//!
//! burn's own multiplies a rank-3 input as a batch of matrices, whose weight gradient is one `[in, out]` matrix a batch
//! entry, summed afterwards; here the leading dimensions count as rows of one product. burn's NdArray also copies both
//! operands of every product, element by element where one is transposed, which the kernel does not.

pub mod module;

pub use module::{Linear, LinearConfig};

use burn::tensor::{Tensor, backend::Backend};

/// `input · weight + bias` over the last dimension.
///
/// # Shapes
/// - input: `[.., in]`
/// - weight: `[in, out]`
/// - bias: `[out]`
/// - output: `[.., out]`
///
/// # Panics
/// When the shapes disagree.
pub fn linear<B: Backend, const D: usize>(
    input: Tensor<B, D>,
    weight: Tensor<B, 2>,
    bias: Option<Tensor<B, 1>>,
) -> Tensor<B, D> {
    check_shapes(&input, weight.dims(), &bias);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input, &weight, &bias) {
        return kernel::linear(input, weight, bias, false);
    }
    portable::linear(input, weight, bias)
}

/// `input · weightᵀ + bias` over the last dimension: the layout of PyTorch's weights, and of an embedding that is tied
/// to the output.
///
/// # Shapes
/// - input: `[.., in]`
/// - weight: `[out, in]`
/// - bias: `[out]`
/// - output: `[.., out]`
///
/// # Panics
/// When the shapes disagree.
pub fn linear_transposed<B: Backend, const D: usize>(
    input: Tensor<B, D>,
    weight: Tensor<B, 2>,
    bias: Option<Tensor<B, 1>>,
) -> Tensor<B, D> {
    let [outputs, inputs] = weight.dims();
    check_shapes(&input, [inputs, outputs], &bias);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input, &weight, &bias) {
        return kernel::linear(input, weight, bias, true);
    }
    portable::linear_transposed(input, weight, bias)
}

fn check_shapes<B: Backend, const D: usize>(
    input: &Tensor<B, D>,
    [inputs, outputs]: [usize; 2],
    bias: &Option<Tensor<B, 1>>,
) {
    let width = input.dims()[D - 1];
    assert_eq!(width, inputs, "linear: the input has {width} features, the weight takes {inputs}");
    if let Some(bias) = bias {
        let [biases] = bias.dims();
        assert_eq!(biases, outputs, "linear: the bias has {biases} features, the weight gives {outputs}");
    }
}

/// The projections in plain tensor operations: the path of every backend and float type without a kernel, and the one
/// that can be differentiated more than once. Public so that tests can hold the kernels to it.
pub mod portable {
    use super::*;

    /// [`linear`](super::linear) in plain tensor operations.
    ///
    /// # Shapes
    /// As [`linear`](super::linear).
    pub fn linear<B: Backend, const D: usize>(
        input: Tensor<B, D>,
        weight: Tensor<B, 2>,
        bias: Option<Tensor<B, 1>>,
    ) -> Tensor<B, D> {
        let [inputs, outputs] = weight.dims();
        let mut shape = input.dims();
        let rows = shape[..D - 1].iter().product::<usize>();
        shape[D - 1] = outputs;
        let product = input.reshape([rows, inputs]).matmul(weight); // [rows, out]
        let output = match bias {
            Some(bias) => product + bias.reshape([1, outputs]),
            None => product,
        };
        output.reshape(shape)
    }

    /// [`linear_transposed`](super::linear_transposed) in plain tensor operations.
    ///
    /// # Shapes
    /// As [`linear_transposed`](super::linear_transposed).
    pub fn linear_transposed<B: Backend, const D: usize>(
        input: Tensor<B, D>,
        weight: Tensor<B, 2>,
        bias: Option<Tensor<B, 1>>,
    ) -> Tensor<B, D> {
        linear(input, weight.transpose(), bias)
    }
}

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod kernel {
    use crate::cpu::{
        Buffer, CpuBackend, OnCpu, Tracked, add_gradient, from_plain, from_tracked, into_plain, into_tracked, is_cpu,
        is_f32, on_cpu,
        product::{Matrix, product},
        threads,
    };
    use burn::backend::autodiff::{
        checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    };
    use burn::tensor::{Tensor, backend::Backend};

    pub(super) fn takes<B: Backend, const D: usize>(
        input: &Tensor<B, D>,
        weight: &Tensor<B, 2>,
        bias: &Option<Tensor<B, 1>>,
    ) -> bool {
        is_cpu::<B>() && is_f32(input) && is_f32(weight) && bias.as_ref().is_none_or(is_f32)
    }

    pub(super) fn linear<B: Backend, const D: usize>(
        input: Tensor<B, D>,
        weight: Tensor<B, 2>,
        bias: Option<Tensor<B, 1>>,
        transposed: bool,
    ) -> Tensor<B, D> {
        let sizes = Sizes::new(input.dims(), weight.dims(), transposed);
        let call = Linear { input, weight, bias, sizes };
        match on_cpu::<B, _>(call) {
            Ok(output) => output,
            Err(_) => unreachable!("asked in `takes`"),
        }
    }

    struct Linear<B: Backend, const D: usize> {
        input: Tensor<B, D>,
        weight: Tensor<B, 2>,
        bias: Option<Tensor<B, 1>>,
        sizes: Sizes,
    }

    /// The product seen as `[rows, inputs] · [inputs, outputs]`.
    #[derive(Clone, Copy, Debug)]
    struct Sizes {
        rows: usize,
        inputs: usize,
        outputs: usize,
        /// The weight is stored as `[outputs, inputs]`.
        transposed: bool,
    }

    impl Sizes {
        fn new<const D: usize>(input: [usize; D], weight: [usize; 2], transposed: bool) -> Self {
            let [inputs, outputs] = if transposed { [weight[1], weight[0]] } else { weight };
            Self { rows: input[..D - 1].iter().product(), inputs, outputs, transposed }
        }

        /// `[inputs, outputs]`, however it is stored.
        fn weight<'a>(&self, values: &'a [f32]) -> Matrix<'a> {
            if self.transposed {
                Matrix::new(values, self.outputs, self.inputs).transposed()
            } else {
                Matrix::new(values, self.inputs, self.outputs)
            }
        }

        fn forward(&self, input: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
            let mut output = Vec::with_capacity(self.rows * self.outputs);
            match bias {
                Some(bias) => (0..self.rows).for_each(|_| output.extend_from_slice(bias)),
                None => output.resize(self.rows * self.outputs, 0.0),
            }
            product(&mut output, Matrix::new(input, self.rows, self.inputs), self.weight(weight), bias.is_some());
            output
        }

        fn input_gradient(&self, gradient: &[f32], weight: &[f32]) -> Vec<f32> {
            let mut output = vec![0.0; self.rows * self.inputs];
            product(
                &mut output,
                Matrix::new(gradient, self.rows, self.outputs),
                self.weight(weight).transposed(),
                false,
            );
            output
        }

        fn weight_gradient(&self, gradient: &[f32], input: &[f32]) -> Vec<f32> {
            let gradient = Matrix::new(gradient, self.rows, self.outputs);
            let input = Matrix::new(input, self.rows, self.inputs);
            let mut output = vec![0.0; self.inputs * self.outputs];
            if self.transposed {
                product(&mut output, gradient.transposed(), input, false);
            } else {
                product(&mut output, input.transposed(), gradient, false);
            }
            output
        }

        fn bias_gradient(&self, gradient: &[f32]) -> Vec<f32> {
            column_sums(gradient, self.outputs)
        }
    }

    /// The sum over the rows of a matrix.
    ///
    /// Blocks of rows of a fixed size are added up on their own and then to each other, so that the order does not
    /// depend on the number of threads; it also rounds less than one long sum.
    fn column_sums(values: &[f32], columns: usize) -> Vec<f32> {
        const BLOCK: usize = 128;
        let mut sums = vec![0.0; columns];
        if values.is_empty() {
            return sums;
        }
        let blocks = (values.len() / columns).div_ceil(BLOCK);
        let mut partial = vec![0.0; blocks * columns];
        // One task a megabyte or so.
        let grain = ((1 << 18) / (BLOCK * columns)).max(1);
        threads::split_rows(&mut partial, columns, grain, |first, partial| {
            let rows = values[first * BLOCK * columns..].chunks(BLOCK * columns);
            for (sums, rows) in partial.chunks_mut(columns).zip(rows) {
                add_rows(sums, rows);
            }
        });
        add_rows(&mut sums, &partial);
        sums
    }

    fn add_rows(sums: &mut [f32], rows: &[f32]) {
        for row in rows.chunks_exact(sums.len()) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }

    impl<B: Backend, const D: usize> OnCpu for Linear<B, D> {
        type Output = Tensor<B, D>;

        fn plain<C: CpuBackend>(self) -> Tensor<B, D> {
            let mut shape = self.input.dims();
            shape[D - 1] = self.sizes.outputs;
            let input = C::buffer(into_plain::<B, C, D>(self.input));
            let weight = C::buffer(into_plain::<B, C, 2>(self.weight));
            let bias = self.bias.map(|bias| C::buffer(into_plain::<B, C, 1>(bias)));
            let output = self.sizes.forward(&input, &weight, bias.as_deref());
            from_plain::<B, C, D>(C::tensor(output, shape))
        }

        fn tracked<C: CpuBackend>(self) -> Tensor<B, D> {
            let mut shape = self.input.dims();
            shape[D - 1] = self.sizes.outputs;
            let input_shape = self.input.dims().to_vec();
            let input = into_tracked::<B, C, D>(self.input);
            let weight = into_tracked::<B, C, 2>(self.weight);
            let bias = self.bias.map(|bias| into_tracked::<B, C, 1>(bias));

            let input_values = C::buffer(input.primitive.clone());
            let weight_values = C::buffer(weight.primitive.clone());
            let bias_values = bias.as_ref().map(|bias| C::buffer(bias.primitive.clone()));
            let output = self.sizes.forward(&input_values, &weight_values, bias_values.as_deref());
            let output = C::tensor(output, shape);
            let saved = Saved {
                sizes: self.sizes,
                input_shape,
                input: weight.is_tracked().then_some(input_values),
                weight: input.is_tracked().then_some(weight_values),
            };

            let output: Tracked<C> = match bias {
                Some(bias) => {
                    let nodes = [input.node, weight.node, bias.node];
                    match LinearBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
                        OpsKind::Tracked(prep) => prep.finish(saved, output),
                        OpsKind::UnTracked(prep) => prep.finish(output),
                    }
                }
                None => {
                    let nodes = [input.node, weight.node];
                    match LinearBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
                        OpsKind::Tracked(prep) => prep.finish(saved, output),
                        OpsKind::UnTracked(prep) => prep.finish(output),
                    }
                }
            };
            from_tracked::<B, C, D>(output)
        }
    }

    #[derive(Debug)]
    struct LinearBackward;

    #[derive(Clone, Debug)]
    struct Saved {
        sizes: Sizes,
        input_shape: Vec<usize>,
        /// Kept for the weight's gradient, if it wants one.
        input: Option<Buffer>,
        /// Kept for the input's gradient, if it wants one.
        weight: Option<Buffer>,
    }

    /// With parents input, weight and (where there are three) bias.
    impl<C: CpuBackend, const N: usize> Backward<C, N> for LinearBackward {
        type State = Saved;

        fn backward(self, ops: Ops<Saved, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
            let Saved { sizes, input_shape, input, weight } = ops.state;
            let gradient = C::buffer(grads.consume::<C>(&ops.node));
            let parent = |index: usize| ops.parents.get(index).cloned().flatten();
            if let (Some(node), Some(weight)) = (parent(0), weight) {
                let values = sizes.input_gradient(&gradient, &weight);
                add_gradient::<C>(grads, node.id, C::tensor(values, input_shape));
            }
            if let (Some(node), Some(input)) = (parent(1), input) {
                let values = sizes.weight_gradient(&gradient, &input);
                let shape =
                    if sizes.transposed { [sizes.outputs, sizes.inputs] } else { [sizes.inputs, sizes.outputs] };
                add_gradient::<C>(grads, node.id, C::tensor(values, shape));
            }
            if let Some(node) = parent(2) {
                let values = sizes.bias_gradient(&gradient);
                add_gradient::<C>(grads, node.id, C::tensor(values, [sizes.outputs]));
            }
        }
    }
}
