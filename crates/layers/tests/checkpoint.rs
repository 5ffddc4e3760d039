//! That a checkpoint changes nothing but what is kept.
#![cfg(all(feature = "ndarray", feature = "flex"))]

#[allow(dead_code)]
mod support;

use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Autodiff, Flex, NdArray};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{DType, Element, Tensor, TensorData, TensorPrimitive};
use layers::{
    activation::gelu,
    attention::dot_product::{AttentionBias, DotProductAttention, self_attention},
    checkpoint::{checkpoint, enable},
    dropout::{drop_path, dropout},
    norm::{LayerNorm, LayerNormConfig},
    projection::{Linear, LinearConfig},
};
use std::sync::{Mutex, MutexGuard, PoisonError};
use support::{numbers, values};

/// Seeds belong to the process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static SEEDS: Mutex<()> = Mutex::new(());
    SEEDS.lock().unwrap_or_else(PoisonError::into_inner)
}

const WIDTH: usize = 8;

/// A small transformer's block.
#[derive(Module, Debug)]
struct Segment<B: Backend> {
    norm: LayerNorm<B>,
    qkv: Linear<B>,
    out: Linear<B>,
}

/// Parameters are f32 on every backend at first.
struct InTheBackendsType;

impl<B: Backend> ModuleMapper<B> for InTheBackendsType {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.map(|value| value.set_require_grad(false).cast(B::FloatElem::dtype()).require_grad())
    }
}

impl<B: Backend> Segment<B> {
    fn new() -> Self {
        let device = Default::default();
        let segment = Self {
            norm: LayerNormConfig::new(WIDTH).init(&device),
            qkv: LinearConfig::new(WIDTH, 3 * WIDTH).init(&device),
            out: LinearConfig::new(WIDTH, WIDTH).init(&device),
        };
        segment.map(&mut InTheBackendsType)
    }

    fn forward(&self, input: Tensor<B, 3>, bias: &AttentionBias<B>, share: f64) -> Tensor<B, 3> {
        let qkv = self.qkv.forward(self.norm.forward(input.clone()));
        let seen = self_attention(qkv, bias, &DotProductAttention::new(2).with_dropout(share));
        input + drop_path(dropout(gelu(self.out.forward(seen)), share), share)
    }
}

fn tensor<B: Backend, const D: usize>(shape: [usize; D], seed: u64) -> Tensor<B, D> {
    let data = TensorData::new(numbers(shape.iter().product(), seed, 1.0), shape);
    // Without a type it would be f32 on every backend.
    Tensor::from_data(data, (&B::Device::default(), B::FloatElem::dtype()))
}

/// The loss of two segments with the same parameters, and every gradient: of the input, of what is added to scores, of the parameters.
/// What is drawn behind the backward pass comes last.
fn step<B: AutodiffBackend>(
    segment: &Segment<B>,
    added: Option<&Tensor<B, 4>>,
    share: f64,
    is_checkpointed: bool,
) -> Vec<Vec<f32>> {
    let device = Default::default();
    B::seed(&device, 7);
    let input = tensor::<B, 3>([2, 5, WIDTH], 1).require_grad();
    let bias = AttentionBias { added: added.cloned(), ..AttentionBias::default() };
    let block = |input: Tensor<B, 3>| {
        let input = input.clone() * 0.5 + input; // used twice in front
        if is_checkpointed {
            checkpoint(segment, (input, bias.clone()), move |segment, (input, bias)| {
                segment.forward(input, &bias, share)
            })
        } else {
            segment.forward(input, &bias, share)
        }
    };
    // The parameters are used outside of segments too.
    let output = segment.out.forward(block(block(input.clone()))).powi_scalar(2);
    let loss = output.sum();
    let gradients = loss.backward();
    let mut found = vec![values(loss), values(input.grad(&gradients).unwrap())];
    let weights = [&segment.qkv.weight, &segment.out.weight];
    let vectors = [&segment.norm.weight, segment.out.bias.as_ref().unwrap()];
    found.extend(weights.into_iter().filter_map(|weight| weight.val().grad(&gradients)).map(values));
    found.extend(vectors.into_iter().filter_map(|vector| vector.val().grad(&gradients)).map(values));
    found.extend(added.and_then(|added| added.grad(&gradients)).map(values));
    found.push(values(dropout(Tensor::<B, 1>::ones([50], &device), 0.5)));
    found
}

fn nothing_changes<B: AutodiffBackend>() {
    let _alone = alone();
    let segment = Segment::<B>::new();
    for share in [0.0, 0.3] {
        assert_eq!(step(&segment, None, share, true), step(&segment, None, share, false), "dropout {share}");
        let frozen = Segment { qkv: segment.qkv.clone().no_grad(), ..segment.clone() };
        let (with, without) = (step(&frozen, None, share, true), step(&frozen, None, share, false));
        assert_eq!(with.len(), step(&segment, None, share, true).len() - 1);
        assert_eq!(with, without, "dropout {share}");
    }
    // What is added to scores makes attention take the path without a kernel, whose own dropout is drawn from other seeds.
    let added = tensor::<B, 4>([1, 2, 5, 5], 3).require_grad();
    let (with, without) = (step(&segment, Some(&added), 0.0, true), step(&segment, Some(&added), 0.0, false));
    assert_eq!(with.len(), 8);
    assert_eq!(with, without);
}

#[test]
fn nothing_changes_on_flex() {
    nothing_changes::<Autodiff<Flex>>();
}

#[test]
fn nothing_changes_on_ndarray() {
    nothing_changes::<Autodiff<NdArray>>();
}

/// Without a kernel and only where it was asked for; numbers are dropped by other seeds than without checkpoints, but by the same in
/// both passes: a perturbed input tells.
#[test]
fn the_gradient_is_that_of_differences_on_a_backend_without_kernels() {
    type B = Autodiff<NdArray<f64>>;
    let _alone = alone();
    enable::<B>();
    enable::<B>();
    let device = Default::default();
    let segment = Segment::<B>::new();
    assert_eq!(step(&segment, None, 0.0, true), step(&segment, None, 0.0, false));
    let added = tensor::<B, 4>([1, 2, 5, 5], 3).require_grad();
    assert_eq!(step(&segment, Some(&added), 0.0, true), step(&segment, Some(&added), 0.0, false));
    let loss = |numbers: &[f64]| {
        B::seed(&device, 3);
        let data = TensorData::new(numbers.to_vec(), [1, 3, WIDTH]);
        let input = Tensor::<B, 3>::from_data(data, (&device, DType::F64)).require_grad();
        let block = |input| {
            checkpoint(&segment, input, |segment, input| segment.forward(input, &AttentionBias::default(), 0.4))
        };
        (input.clone(), block(block(input)).powi_scalar(3).sum())
    };
    let numbers: Vec<f64> = numbers(3 * WIDTH, 5, 1.0).into_iter().map(f64::from).collect();
    let (input, sum) = loss(&numbers);
    let gradient: Vec<f64> = input.grad(&sum.backward()).unwrap().into_data().iter::<f64>().collect();
    for (index, gradient) in gradient.into_iter().enumerate() {
        let at = |step: f64| {
            let mut moved = numbers.clone();
            moved[index] += step;
            loss(&moved).1.into_scalar()
        };
        let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
        assert!((gradient - difference).abs() < 1e-6 * difference.abs().max(1.0), "{gradient} is not {difference}");
    }
}

/// The second pass seeds the backend, and what is drawn behind it is new all the same.
#[test]
fn the_backend_goes_on_drawing_new_numbers() {
    type B = Autodiff<NdArray<f64>>;
    let _alone = alone();
    enable::<B>();
    let segment = Segment::<B>::new();
    let run = || {
        B::seed(&Default::default(), 1);
        let input = tensor::<B, 3>([2, 5, WIDTH], 1).require_grad();
        let draw = |input| checkpoint(&segment, input, |_, input| dropout(input, 0.5));
        let output = draw(input.clone());
        let after_first = values(draw(input.clone()));
        let gradients = output.clone().sum().backward();
        [values(output), after_first, values(draw(input.clone())), values(input.grad(&gradients).unwrap())]
    };
    let [first, second, behind, gradient] = run();
    assert!(first != second && second != behind && first != behind);
    let dropped = |values: &[f32]| values.iter().map(|value| *value == 0.0).collect::<Vec<_>>();
    assert_eq!(dropped(&first), dropped(&gradient));
    assert_eq!(run(), [first, second, behind, gradient]);
}

#[test]
fn a_segment_may_hold_segments() {
    let _alone = alone();
    let segment = Segment::<Autodiff<Flex>>::new();
    let run = |is_checkpointed: bool| {
        Autodiff::<Flex>::seed(&Default::default(), 4);
        let input = tensor::<Autodiff<Flex>, 3>([2, 5, WIDTH], 1).require_grad();
        let block = |segment: &Segment<_>, input| segment.forward(input, &AttentionBias::default(), 0.3);
        let output = if is_checkpointed {
            checkpoint(&segment, input.clone(), move |segment, input| {
                let inner = checkpoint(segment, dropout(input, 0.2), move |segment, input| block(segment, input));
                dropout(block(segment, inner), 0.2)
            })
        } else {
            dropout(block(&segment, block(&segment, dropout(input.clone(), 0.2))), 0.2)
        };
        let gradients = output.clone().sum().backward();
        let of_weight = segment.qkv.weight.val().grad(&gradients).unwrap();
        (values(output), values(input.grad(&gradients).unwrap()), values(of_weight))
    };
    assert_eq!(run(true), run(false));
}

/// Parameters alone need gradients, as behind a frozen embedding; and nothing does.
#[test]
fn inputs_may_need_no_gradient() {
    type B = Autodiff<Flex>;
    let _alone = alone();
    let segment = Segment::<B>::new();
    let forward = |segment: &Segment<B>, input| segment.forward(input, &AttentionBias::default(), 0.0);
    let input = || tensor::<B, 3>([2, 5, WIDTH], 1);
    let of_weight = |output: Tensor<B, 3>| values(segment.out.weight.val().grad(&output.sum().backward()).unwrap());
    assert_eq!(of_weight(checkpoint(&segment, input(), forward)), of_weight(forward(&segment, input())));
    let frozen = segment.clone().no_grad();
    assert_eq!(values(checkpoint(&frozen, input(), forward)), values(forward(&frozen, input())));
    let plain = Segment::<Flex>::new();
    let forward = |segment: &Segment<Flex>, input| segment.forward(input, &AttentionBias::default(), 0.5);
    assert_eq!(
        values(checkpoint(&plain, tensor([2, 5, WIDTH], 1), forward)),
        values(forward(&plain, tensor([2, 5, WIDTH], 1)))
    );
}

#[test]
#[should_panic(expected = "has to be one of the inputs")]
fn a_tensor_that_needs_a_gradient_is_not_overlooked() {
    let _alone = alone();
    let segment = Segment::<Autodiff<Flex>>::new();
    let other = tensor::<Autodiff<Flex>, 3>([2, 5, WIDTH], 2).require_grad();
    checkpoint(&segment, tensor([2, 5, WIDTH], 1), move |_, input| input + other.clone());
}

#[derive(Debug)]
struct Fails;

impl Backward<Flex, 1> for Fails {
    type State = ();

    fn backward(self, _: Ops<(), 1>, _: &mut Gradients, _: &mut Checkpointer) {
        panic!("no gradient here");
    }
}

/// What goes wrong in the backward pass of a segment is told where the whole pass was asked for.
#[test]
fn a_panic_of_the_inner_pass_is_that_of_the_outer() {
    let _alone = alone();
    let segment = Segment::<Autodiff<Flex>>::new();
    let input = tensor::<Autodiff<Flex>, 3>([2, 5, WIDTH], 1).require_grad();
    let output: Tensor<Autodiff<Flex>, 3> = checkpoint(&segment, input, |_, input: Tensor<Autodiff<Flex>, 3>| {
        let input = input.into_primitive().tensor();
        let output = match Fails.prepare::<NoCheckpointing>([input.node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((), input.primitive),
            OpsKind::UnTracked(prep) => prep.finish(input.primitive),
        };
        Tensor::from_primitive(TensorPrimitive::Float(output))
    });
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(output.backward()))).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"no gradient here"));
}
