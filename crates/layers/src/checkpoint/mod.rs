//! Activation checkpointing ([Chen et al. 2016](https://arxiv.org/abs/1604.06174)): what a segment of a network computes on the way to
//! its output is not kept for the backward pass, which computes the segment again from its inputs. PyTorch has it as
//! `torch.utils.checkpoint`. (burn's own strategies recompute single operations, and never a product.)
//!
//! **Where it is used.** Under `Autodiff` of NdArray and Flex (with the features of these names), and of every backend that was
//! [enabled](enable); elsewhere the segment runs as it is. Only the graph's first derivatives are right.
//!
//! **Dropout.** The second pass drops the numbers that the first has dropped. On the kernels of the CPU backends a run is the same
//! with and without checkpoints, to the bit. Elsewhere numbers are drawn from seeds in a segment, so that other ones are dropped than
//! without it, and each segment that drops anything reads a number from the device.

mod autograd;
mod inputs;
pub(crate) mod random;

pub use autograd::enable;
pub use inputs::Inputs;

use autograd::{Autograd, PARENTS};
use burn::{
    backend::autodiff::NodeId,
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Tensor, TensorPrimitive, backend::Backend, ops::FloatTensor},
};
use random::Drawn;
use std::vec;

/// What `segment` makes of `inputs` with the parameters of `module`; the backward pass calls it again instead of keeping what it
/// computes on the way.
///
/// Gradients reach the inputs, and the parameters of `module` that are trained. A segment reads no other tensor that needs a
/// gradient, and does nothing but to compute its output: what it changes elsewhere (as the running statistics of a batch
/// normalisation) it would change twice.
///
/// ```
/// use burn::{backend::{Autodiff, NdArray}, tensor::Tensor};
/// use layers::{activation::gelu, checkpoint::checkpoint, projection::LinearConfig};
///
/// type B = Autodiff<NdArray>;
/// let linear = LinearConfig::new(3, 8).init::<B>(&Default::default());
/// let input = Tensor::<B, 2>::ones([2, 3], &Default::default()).require_grad();
/// let output = checkpoint(&linear, input.clone(), |linear, input| gelu(linear.forward(input)));
/// let gradients = output.backward();
/// assert!(input.grad(&gradients).is_some() && linear.weight.val().grad(&gradients).is_some());
/// ```
///
/// # Panics
/// When the segment reads a tensor that needs a gradient and is neither an input nor a parameter of the module.
pub fn checkpoint<B: Backend, M: Module<B> + 'static, I: Inputs<B>, const D: usize>(
    module: &M,
    inputs: I,
    segment: impl Fn(&M, I) -> Tensor<B, D> + Send + 'static,
) -> Tensor<B, D> {
    const { assert!(I::MOST < PARENTS, "a checkpoint has fewer inputs") };
    let Some(autograd) = Autograd::<FloatTensor<B>>::of() else { return segment(module, inputs) };
    let mut parents = Vec::new();
    let mut nodes = Vec::new();
    let detached = inputs.clone().map_tensors(&mut |input| {
        let node = (autograd.node)(&input);
        nodes.push(node);
        parents.extend(node.map(|_| input.clone()));
        B::float_set_require_grad(input, false)
    });
    let parameters = Parameters::of(module, autograd);
    // Parameters are leaves, behind which the backward pass goes no further: one of them stands for all.
    parents.extend(parameters.trained.into_iter().next());
    if parents.is_empty() || parameters.some_are_computed {
        return segment(module, inputs);
    }
    drop(inputs);

    let frozen = module.clone().no_grad();
    let (output, drawn) = random::first_pass(|| primitive(segment(&frozen, detached.clone())));
    let is_whole = (autograd.node)(&output).is_none();
    assert!(is_whole, "checkpoint: a tensor that needs a gradient has to be one of the inputs");
    let segment = Segment { module: module.clone(), inputs: detached, nodes, function: segment, drawn };
    let backward = move |gradient| segment.gradients::<B, D>(autograd, gradient);
    let output = (autograd.record)(parents, output, Box::new(backward));
    Tensor::from_primitive(TensorPrimitive::Float(output))
}

/// What is kept of a segment.
struct Segment<M, I, F> {
    module: M,
    /// Without their nodes in the graph.
    inputs: I,
    /// Of the inputs' tensors; none where no gradient is needed.
    nodes: Vec<Option<NodeId>>,
    function: F,
    drawn: Drawn,
}

impl<M, I, F> Segment<M, I, F> {
    /// The gradients of the nodes before the segment, where `gradient` is that of its output.
    fn gradients<B: Backend, const D: usize>(
        self,
        autograd: Autograd<FloatTensor<B>>,
        gradient: FloatTensor<B>,
    ) -> Vec<(NodeId, FloatTensor<B>)>
    where
        M: Module<B>,
        I: Inputs<B>,
        F: Fn(&M, I) -> Tensor<B, D>,
    {
        let Self { module, inputs, nodes, function, drawn } = self;
        let mut of_inputs = nodes.iter();
        let mut tensors = Vec::new();
        let inputs = inputs.map_tensors(&mut |input| {
            tensors.extend(of_inputs.next().copied().flatten().map(|_| input.clone()));
            input
        });
        let parameters = Parameters::of(&module, autograd).trained;
        let ids: Vec<NodeId> = nodes.iter().copied().chain(parameters.iter().map(autograd.node)).flatten().collect();
        tensors.extend(parameters);

        let run = |leaves: Vec<FloatTensor<B>>| {
            let mut leaves = leaves.into_iter();
            let mut of_inputs = nodes.iter().copied();
            let inputs = inputs.map_tensors(&mut |input| match of_inputs.next().flatten() {
                Some(_) => leaves.next().unwrap_or(input),
                None => input,
            });
            let module = module.map(&mut Replace { leaves });
            random::second_pass(drawn, || primitive(function(&module, inputs)))
        };
        let gradients = (autograd.gradients)(tensors, Box::new(run), gradient);
        ids.into_iter().zip(gradients).filter_map(|(id, gradient)| Some((id, gradient?))).collect()
    }
}

fn primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    tensor.into_primitive().tensor()
}

/// The parameters that need gradients, in the order of a visit.
struct Parameters<P> {
    autograd: Autograd<P>,
    trained: Vec<P>,
    /// Whether there are such that come out of a computation, which no module has that burn's optimisers train.
    some_are_computed: bool,
}

impl<P: Clone> Parameters<P> {
    fn of<B: Backend<FloatTensorPrimitive = P>>(module: &impl Module<B>, autograd: Autograd<P>) -> Self {
        let mut parameters = Self { autograd, trained: Vec::new(), some_are_computed: false };
        module.visit(&mut parameters);
        parameters
    }
}

impl<P, B: Backend<FloatTensorPrimitive = P>> ModuleVisitor<B> for Parameters<P> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let is_trained = param.val().is_require_grad();
        let value = primitive(param.val());
        if is_trained {
            self.trained.push(value);
        } else {
            self.some_are_computed |= (self.autograd.node)(&value).is_some();
        }
    }
}

/// Puts tensors in the places of the parameters that need gradients, in the order of a visit.
struct Replace<P> {
    leaves: vec::IntoIter<P>,
}

impl<P, B: Backend<FloatTensorPrimitive = P>> ModuleMapper<B> for Replace<P> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (id, value, mapper) = param.consume();
        let leaf = if value.is_require_grad() { self.leaves.next() } else { None };
        let value = leaf.map_or(value, |leaf| Tensor::from_primitive(TensorPrimitive::Float(leaf)));
        Param::from_mapped_value(id, value, mapper)
    }
}
