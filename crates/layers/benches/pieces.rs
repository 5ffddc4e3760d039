//! Times the pieces of a language model's training step on both CPU backends, beside burn's own way to write them:
//! `cargo bench --profile dev -p layers --features ndarray,flex --bench pieces`, and `python pieces.py` for PyTorch.
//! (The dev profile is optimised, and built already.)
//!
//! Every figure is that of the tenth percentile of a few hundred runs, which a busy machine disturbs less than the
//! median. Words behind the command choose rows.

mod rows;

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Int, Tensor, TensorData};
use layers::attention::{additive, additive_scores};
use layers::cpu::product::{Matrix, product};
use layers::embedding::embedding;
use layers::loss::{self, CrossEntropy, cross_entropy};
use layers::projection::{linear, linear_transposed, portable};
use layers::update::{self, AdamHyper, RmsPropHyper, RmsPropState, SgdHyper};
use rows::{Rows, random};
use std::hint::black_box;

/// The language model that the speed is promised for.
const BATCH: usize = 32;
const TIME: usize = 64;
const EMBEDDING: usize = 128;
const HIDDEN: usize = 256;
const VOCABULARY: usize = 96;

fn main() {
    rows::print(all::<Autodiff<Flex>>, all::<Autodiff<NdArray>>);
}

fn indices<B: Backend, const D: usize>(shape: [usize; D], below: usize) -> Tensor<B, D, Int> {
    let count: usize = shape.iter().product();
    let values: Vec<i64> = (0..count).map(|i| ((i * 7919 + i * i) % below) as i64).collect();
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

fn all<B: AutodiffBackend>(rows: &mut Rows<'_>) {
    losses::<B>(rows, VOCABULARY);
    losses::<B>(rows, 10_000);
    projections::<B>(rows);
    attention::<B>(rows, [128, 1, 16, 256]);
    attention::<B>(rows, [64, 20, 20, 256]);
    embeddings::<B>(rows, VOCABULARY, EMBEDDING);
    embeddings::<B>(rows, 10_000, 256);
    updates::<B::InnerBackend>(rows);
}

fn losses<B: AutodiffBackend>(rows: &mut Rows<'_>, classes: usize) {
    let count = if classes > 1000 { 512 } else { BATCH * TIME };
    let logits = random::<B, 2>([count, classes]).require_grad();
    let targets = indices::<B, 1>([count], classes);
    let options = CrossEntropy::default();
    let what = format!("cross entropy [{count}, {classes}]");
    rows.time(&what, || {
        let loss = cross_entropy(logits.clone(), targets.clone(), &options);
        black_box(logits.grad(&loss.backward()));
    });
    rows.time(format!("{what}, tensor operations"), || {
        let loss = loss::portable::cross_entropy(logits.clone(), targets.clone(), &options);
        black_box(logits.grad(&loss.backward()));
    });
    let plain = logits.clone().inner();
    let plain_targets = targets.clone().inner();
    rows.time(format!("{what}, forward only"), || {
        black_box(cross_entropy(plain.clone(), plain_targets.clone(), &options));
    });
}

type Linear<B> = fn(Tensor<B, 3>, Tensor<B, 2>, Option<Tensor<B, 1>>) -> Tensor<B, 3>;

fn projections<B: AutodiffBackend>(rows: &mut Rows<'_>) {
    let input = random::<B, 3>([BATCH, TIME, HIDDEN]).require_grad();
    let weight = random::<B, 2>([HIDDEN, VOCABULARY]).require_grad();
    let turned = random::<B, 2>([VOCABULARY, HIDDEN]).require_grad();
    let bias = random::<B, 1>([VOCABULARY]).require_grad();
    let mut step = |name: &str, function: Linear<B>, weight: &Tensor<B, 2>| {
        rows.time(name, || {
            let output = function(input.clone(), weight.clone(), Some(bias.clone()));
            let grads = output.backward(); // starts from ones
            black_box((input.grad(&grads), weight.grad(&grads), bias.grad(&grads)));
        });
    };
    step("linear [2048, 256] x [256, 96]", linear, &weight);
    step("linear, tensor operations", portable::linear, &weight);
    step("linear, burn's own on rank 3", burns_linear, &weight);
    step("linear transposed [2048, 256] x [96, 256]T", linear_transposed, &turned);
    step("linear transposed, tensor operations", portable::linear_transposed, &turned);
    products(rows);
}

/// The three products of a projection, which need no tensor: the same on both backends.
fn products(rows: &mut Rows<'_>) {
    let (count, inputs, outputs) = (BATCH * TIME, HIDDEN, VOCABULARY);
    let numbers = |length: usize| (0..length).map(|i| (i % 17) as f32 - 8.0).collect::<Vec<_>>();
    let (input, weight, gradient) = (numbers(count * inputs), numbers(inputs * outputs), numbers(count * outputs));
    let input = Matrix::new(&input, count, inputs);
    let gradient = Matrix::new(&gradient, count, outputs);
    let straight = Matrix::new(&weight, inputs, outputs);
    let turned = Matrix::new(&weight, outputs, inputs);
    let mut output = vec![0.0; count * inputs];
    let mut time = |name: &str, left: Matrix<'_>, right: Matrix<'_>| {
        rows.time(format!("product, {name}"), || {
            product(black_box(&mut output), left, right, false);
        });
    };
    time("x W", input, straight);
    time("x WT", input, turned.transposed());
    time("dy WT", gradient, straight.transposed());
    time("dy W", gradient, turned);
    time("xT dy", input.transposed(), gradient);
    time("dyT x", gradient.transposed(), input);
}

fn burns_linear<B: Backend>(input: Tensor<B, 3>, weight: Tensor<B, 2>, bias: Option<Tensor<B, 1>>) -> Tensor<B, 3> {
    burn::tensor::module::linear(input, weight, bias)
}

type Score<B> = fn(Tensor<B, 3>, Tensor<B, 3>, Tensor<B, 1>) -> Tensor<B, 3>;

fn attention<B: AutodiffBackend>(rows: &mut Rows<'_>, [batch, queries, steps, features]: [usize; 4]) {
    let query = random::<B, 3>([batch, queries, features]).require_grad();
    let keys = random::<B, 3>([batch, steps, features]).require_grad();
    let weight = random::<B, 1>([features]).require_grad();
    let what = format!("additive scores [{batch}, {queries}, {steps}, {features}]");
    let mut step = |name: String, function: Score<B>| {
        rows.time(name, || {
            let scores = function(query.clone(), keys.clone(), weight.clone());
            let grads = scores.backward(); // starts from ones
            black_box((query.grad(&grads), keys.grad(&grads), weight.grad(&grads)));
        });
    };
    step(what.clone(), additive_scores);
    step(format!("{what}, tensor operations"), additive::portable::additive_scores);
    let (query, keys, weight) = (query.inner(), keys.inner(), weight.inner());
    rows.time(format!("{what}, forward only"), || {
        black_box(additive_scores(query.clone(), keys.clone(), weight.clone()));
    });
}

fn embeddings<B: AutodiffBackend>(rows: &mut Rows<'_>, vocabulary: usize, features: usize) {
    let weight = random::<B, 2>([vocabulary, features]).require_grad();
    let indices = indices::<B, 2>([BATCH, TIME], vocabulary);
    let mut step = |name: String, function: fn(Tensor<B, 2>, Tensor<B, 2, Int>) -> Tensor<B, 3>| {
        rows.time(name, || {
            let output = function(weight.clone(), indices.clone());
            black_box(weight.grad(&output.backward())); // starts from ones
        });
    };
    let what = format!("embedding [32, 64] into {vocabulary} x {features}");
    step(what.clone(), embedding);
    step(format!("{what}, burn's own"), burn::tensor::module::embedding);
}

fn updates<B: Backend>(rows: &mut Rows<'_>) {
    // About the parameters of the language model.
    const SIZE: usize = 440_000;
    let grad = random::<B, 1>([SIZE]);
    let hyper = AdamHyper::default();
    for (name, adamw) in [
        ("adamw, 440,000 parameters", update::adamw as fn(_, _, _, _, &AdamHyper) -> _),
        ("adamw, tensor operations", update::portable::adamw),
    ] {
        let zeros = random::<B, 1>([SIZE]) * 0.0;
        let mut state = Some((random::<B, 1>([SIZE]), zeros.clone() + 0.0, zeros));
        rows.time(name, || {
            if let Some((param, first, second)) = state.take() {
                state = Some(adamw(param, grad.clone(), first, second, &hyper));
            }
        });
    }
    let hyper = SgdHyper { momentum: 0.9, ..Default::default() };
    let mut state = Some((random::<B, 1>([SIZE]), None));
    rows.time("sgd with momentum, 440,000 parameters", || {
        if let Some((param, buffer)) = state.take() {
            state = Some(update::sgd(param, grad.clone(), buffer, &hyper));
        }
    });
    let hyper = RmsPropHyper::default();
    let param = random::<B, 1>([SIZE]);
    let mut state = Some((param.clone() + 0.0, RmsPropState::new(&param, &hyper)));
    rows.time("rmsprop, 440,000 parameters", || {
        if let Some((param, before)) = state.take() {
            state = Some(update::rmsprop(param, grad.clone(), before, &hyper));
        }
    });
    rows.time("sum of squares, 440,000", || {
        black_box(update::sum_squares(grad.clone()));
    });
    rows.time("sum of squares, tensor operations", || {
        black_box(update::portable::sum_squares(grad.clone()));
    });
    let mut ema = Some(random::<B, 1>([SIZE]));
    rows.time("ema, 440,000 parameters", || {
        ema = ema.take().map(|ema| update::lerp_(ema, grad.clone(), 0.999));
    });
}
