//! Times what stands between the products of a transformer's training step, forward and backward on both CPU backends, beside
//! tensor operations: `cargo bench --profile dev -p layers --features ndarray,flex --bench feed_forward`, and
//! `python feed_forward.py` for PyTorch. (The dev profile is optimised, and built already.)
//!
//! Every figure is the tenth percentile of a few hundred runs. Words behind the command choose rows. Most of these take little
//! more than new memory does, so keep what is freed, as `train` does: `MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=-1`.

mod rows;

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use layers::{
    activation::{self, gelu, gelu_tanh, relu, silu, swiglu},
    dropout::{self, drop_path, dropout},
    norm::{self, layer_norm, rms_norm},
    rotary::{self, RotaryConfig, rotate},
};
use rows::{Rows, random};
use std::hint::black_box;

fn main() {
    rows::print(all::<Autodiff<Flex>>, all::<Autodiff<NdArray>>);
}

/// Forward and backward of a function of `input`, whose gradient is read.
fn step<B: AutodiffBackend, const D: usize>(
    rows: &mut Rows<'_>,
    name: &str,
    input: &Tensor<B, D>,
    function: impl Fn(Tensor<B, D>) -> Tensor<B, D>,
) {
    rows.time(name, || {
        let grads = function(input.clone()).backward(); // starts from ones
        black_box(input.grad(&grads));
    });
}

fn all<B: AutodiffBackend>(rows: &mut Rows<'_>) {
    norms::<B>(rows);
    activations::<B>(rows);
    dropouts::<B>(rows);
    rotation::<B>(rows);
}

fn norms<B: AutodiffBackend>(rows: &mut Rows<'_>) {
    let input = random::<B, 2>([2048, 256]).require_grad();
    let weight = random::<B, 1>([256]).require_grad();
    let bias = random::<B, 1>([256]).require_grad();
    let features = || (weight.clone(), Some(bias.clone()));
    step(rows, "layer norm [2048, 256]", &input, |input| {
        let (weight, bias) = features();
        layer_norm(input, weight, bias, 1e-5)
    });
    step(rows, "layer norm [2048, 256], tensor operations", &input, |input| {
        let (weight, bias) = features();
        norm::portable::layer_norm(input, weight, bias, 1e-5)
    });
    step(rows, "RMS norm [2048, 256]", &input, |input| rms_norm(input, weight.clone(), 1e-6));
    step(rows, "RMS norm [2048, 256], tensor operations", &input, |input| {
        norm::portable::rms_norm(input, weight.clone(), 1e-6)
    });
}

fn activations<B: AutodiffBackend>(rows: &mut Rows<'_>) {
    let input = random::<B, 2>([2048, 1024]).require_grad();
    step(rows, "relu [2048, 1024]", &input, relu);
    step(rows, "gelu [2048, 1024]", &input, gelu);
    step(rows, "gelu [2048, 1024], tensor operations", &input, activation::portable::gelu);
    step(rows, "gelu by tanh [2048, 1024]", &input, gelu_tanh);
    step(rows, "gelu by tanh [2048, 1024], tensor operations", &input, activation::portable::gelu_tanh);
    step(rows, "silu [2048, 1024]", &input, silu);
    step(rows, "silu [2048, 1024], tensor operations", &input, activation::portable::silu);
    step(rows, "swiglu [2048, 1024]", &input, swiglu);
    step(rows, "swiglu [2048, 1024], tensor operations", &input, activation::portable::swiglu);
}

fn dropouts<B: AutodiffBackend>(rows: &mut Rows<'_>) {
    let input = random::<B, 2>([2048, 256]).require_grad();
    step(rows, "dropout [2048, 256]", &input, |input| dropout(input, 0.1));
    step(rows, "dropout [2048, 256], tensor operations", &input, |input| dropout::portable::dropout(input, 0.1));
    let branch = random::<B, 3>([32, 64, 256]).require_grad();
    step(rows, "drop path [32, 64, 256]", &branch, |branch| drop_path(branch, 0.1));
    step(rows, "drop path [32, 64, 256], tensor operations", &branch, |branch| {
        dropout::portable::drop_path(branch, 0.1)
    });
}

fn rotation<B: AutodiffBackend>(rows: &mut Rows<'_>) {
    let packed = random::<B, 3>([32, 64, 3 * 256]).require_grad();
    let table = RotaryConfig::new(64).table::<B>(64, &Default::default());
    step(rows, "rotary, 8 of 12 heads of [32, 64, 768]", &packed, |packed| rotate(packed, 0..8, &table, 0));
    step(rows, "rotary, tensor operations", &packed, |packed| rotary::portable::rotate(packed, 0..8, &table, 0));
}
