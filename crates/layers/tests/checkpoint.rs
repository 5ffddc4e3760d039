//! That a checkpoint changes nothing but what is kept.
#![cfg(all(feature = "ndarray", feature = "flex"))]

#[allow(dead_code)]
mod support;

use burn::backend::{Autodiff, Flex, NdArray};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
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

impl<B: Backend> Segment<B> {
    fn new() -> Self {
        let device = Default::default();
        Self {
            norm: LayerNormConfig::new(WIDTH).init(&device),
            qkv: LinearConfig::new(WIDTH, 3 * WIDTH).init(&device),
            out: LinearConfig::new(WIDTH, WIDTH).init(&device),
        }
    }

    fn forward(&self, input: Tensor<B, 3>, bias: &AttentionBias<B>, share: f64) -> Tensor<B, 3> {
        let qkv = self.qkv.forward(self.norm.forward(input.clone()));
        let seen = self_attention(qkv, bias, &DotProductAttention::new(2).with_dropout(share));
        input + drop_path(dropout(gelu(self.out.forward(seen)), share), share)
    }
}

fn tensor<B: Backend, const D: usize>(shape: [usize; D], seed: u64) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(numbers(shape.iter().product(), seed, 1.0), shape), &Default::default())
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
