//! Times what stands between the products of a transformer's training step, forward and backward on both CPU backends, beside
//! tensor operations: `cargo bench --profile dev -p layers --features ndarray,flex --bench feed_forward`, and
//! `python feed_forward.py` for PyTorch. (The dev profile is optimised, and built already.)
//!
//! Every figure is the tenth percentile of a few hundred runs. Words behind the command choose rows. Most of these take little
//! more than new memory does, so keep what is freed, as `train` does: `MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=-1`.

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Distribution, Tensor};
use layers::{
    activation::{self, gelu, gelu_tanh, relu, silu, swiglu},
    dropout::{self, drop_path, dropout},
    norm::{self, layer_norm, rms_norm},
    rotary::{self, RotaryConfig, rotate},
};
use std::hint::black_box;
use std::time::{Duration, Instant};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    println!("{:52}{:>10}{:>10}", "microseconds", "flex", "ndarray");
    let flex = all::<Autodiff<Flex>>(&words);
    let ndarray = all::<Autodiff<NdArray>>(&words);
    for ((name, flex), (_, ndarray)) in flex.iter().zip(&ndarray) {
        println!("{name:52}{flex:>10.0}{ndarray:>10.0}");
    }
}

fn tenth(mut run: impl FnMut()) -> f64 {
    run();
    let started = Instant::now();
    let mut times = Vec::new();
    while times.len() < 15 || (started.elapsed() < Duration::from_millis(600) && times.len() < 400) {
        let start = Instant::now();
        run();
        times.push(start.elapsed());
    }
    times.sort();
    times[times.len() / 10].as_secs_f64() * 1e6
}

fn random<B: Backend, const D: usize>(shape: [usize; D]) -> Tensor<B, D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Default::default())
}

struct Rows<'a> {
    words: &'a [String],
    done: Vec<(String, f64)>,
}

impl Rows<'_> {
    /// Forward and backward of a function of `input`, whose gradient is read.
    fn step<B: AutodiffBackend, const D: usize>(
        &mut self,
        name: &str,
        input: &Tensor<B, D>,
        function: impl Fn(Tensor<B, D>) -> Tensor<B, D>,
    ) {
        if !self.words.is_empty() && !self.words.iter().any(|word| name.contains(word.as_str())) {
            return;
        }
        let time = tenth(|| {
            let grads = function(input.clone()).backward(); // starts from ones
            black_box(input.grad(&grads));
        });
        self.done.push((name.to_string(), time));
    }
}

fn all<B: AutodiffBackend>(words: &[String]) -> Vec<(String, f64)> {
    let mut rows = Rows { words, done: Vec::new() };
    norms::<B>(&mut rows);
    activations::<B>(&mut rows);
    dropouts::<B>(&mut rows);
    rotation::<B>(&mut rows);
    rows.done
}

fn norms<B: AutodiffBackend>(rows: &mut Rows<'_>) {
    let input = random::<B, 2>([2048, 256]).require_grad();
    let weight = random::<B, 1>([256]).require_grad();
    let bias = random::<B, 1>([256]).require_grad();
    let features = || (weight.clone(), Some(bias.clone()));
    rows.step("layer norm [2048, 256]", &input, |input| {
        let (weight, bias) = features();
        layer_norm(input, weight, bias, 1e-5)
    });
    rows.step("layer norm [2048, 256], tensor operations", &input, |input| {
        let (weight, bias) = features();
        norm::portable::layer_norm(input, weight, bias, 1e-5)
    });
    rows.step("RMS norm [2048, 256]", &input, |input| rms_norm(input, weight.clone(), 1e-6));
    rows.step("RMS norm [2048, 256], tensor operations", &input, |input| {
        norm::portable::rms_norm(input, weight.clone(), 1e-6)
    });
}

fn activations<B: AutodiffBackend>(rows: &mut Rows<'_>) {
    let input = random::<B, 2>([2048, 1024]).require_grad();
    rows.step("relu [2048, 1024]", &input, relu);
    rows.step("gelu [2048, 1024]", &input, gelu);
    rows.step("gelu [2048, 1024], tensor operations", &input, activation::portable::gelu);
    rows.step("gelu by tanh [2048, 1024]", &input, gelu_tanh);
    rows.step("gelu by tanh [2048, 1024], tensor operations", &input, activation::portable::gelu_tanh);
    rows.step("silu [2048, 1024]", &input, silu);
    rows.step("silu [2048, 1024], tensor operations", &input, activation::portable::silu);
    rows.step("swiglu [2048, 1024]", &input, swiglu);
    rows.step("swiglu [2048, 1024], tensor operations", &input, activation::portable::swiglu);
}

fn dropouts<B: AutodiffBackend>(rows: &mut Rows<'_>) {
    let input = random::<B, 2>([2048, 256]).require_grad();
    rows.step("dropout [2048, 256]", &input, |input| dropout(input, 0.1));
    rows.step("dropout [2048, 256], tensor operations", &input, |input| dropout::portable::dropout(input, 0.1));
    let branch = random::<B, 3>([32, 64, 256]).require_grad();
    rows.step("drop path [32, 64, 256]", &branch, |branch| drop_path(branch, 0.1));
    rows.step("drop path [32, 64, 256], tensor operations", &branch, |branch| {
        dropout::portable::drop_path(branch, 0.1)
    });
}

fn rotation<B: AutodiffBackend>(rows: &mut Rows<'_>) {
    let packed = random::<B, 3>([32, 64, 3 * 256]).require_grad();
    let table = RotaryConfig::new(64).table::<B>(64, &Default::default());
    rows.step("rotary, 8 of 12 heads of [32, 64, 768]", &packed, |packed| rotate(packed, 0..8, &table, 0));
    rows.step("rotary, tensor operations", &packed, |packed| rotary::portable::rotate(packed, 0..8, &table, 0));
}
