//! Times attention on the CPU backends, forward and backward from packed projections, beside tensor operations:
//!
//!     cargo bench --profile dev -p layers --features ndarray,flex --bench attention [-- PART_OF_A_NAME]
//!
//! `attention.py` beside it times the same in PyTorch; alternate the two on a machine that others use as well.

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Distribution, Tensor};
use layers::attention::dot_product::portable;
use layers::attention::{AttentionBias, DotProductAttention, self_attention};
use std::time::{Duration, Instant};

/// Batch, time, heads, size of a head.
const SHAPES: [[usize; 4]; 3] = [[12, 64, 4, 32], [16, 128, 4, 64], [4, 1024, 4, 64]];

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let wanted = |name: &str| filter.as_ref().is_none_or(|filter| name.contains(filter));
    println!("{:44}{:>10}{:>10}", "microseconds", "least", "median");
    for shape in SHAPES {
        train::<Autodiff<Flex>>("flex", self_attention, shape, &wanted);
        train::<Autodiff<NdArray>>("ndarray", self_attention, shape, &wanted);
        train::<Autodiff<Flex>>("flex, portable", portable::self_attention, shape, &wanted);
        infer::<Flex>("flex", shape, &wanted);
    }
}

type SelfAttention<B> = fn(Tensor<B, 3>, &AttentionBias<B>, &DotProductAttention) -> Tensor<B, 3>;

fn random<B: Backend>([batch, time, heads, size]: [usize; 4], parts: usize) -> Tensor<B, 3> {
    Tensor::random([batch, time, parts * heads * size], Distribution::Normal(0.0, 1.0), &Default::default())
}

fn train<B: AutodiffBackend>(
    name: &str,
    attention: SelfAttention<B>,
    shape: [usize; 4],
    wanted: &impl Fn(&str) -> bool,
) {
    let name = format!("{shape:?} {name} train");
    if !wanted(&name) {
        return;
    }
    let options = DotProductAttention::new(shape[2]).with_causal(true);
    let (qkv, factors) = (random::<B>(shape, 3), random::<B>(shape, 1));
    time(&name, || {
        let output = attention(qkv.clone().require_grad(), &AttentionBias::default(), &options);
        (output * factors.clone()).sum().backward();
    });
}

fn infer<B: Backend>(name: &str, shape: [usize; 4], wanted: &impl Fn(&str) -> bool) {
    let name = format!("{shape:?} {name} infer");
    if !wanted(&name) {
        return;
    }
    let options = DotProductAttention::new(shape[2]).with_causal(true);
    let qkv = random::<B>(shape, 3);
    time(&name, || {
        self_attention(qkv.clone(), &AttentionBias::default(), &options);
    });
}

fn time(name: &str, mut work: impl FnMut()) {
    work();
    let (started, mut times) = (Instant::now(), Vec::new());
    while times.len() < 15 || (started.elapsed() < Duration::from_secs(1) && times.len() < 1000) {
        let start = Instant::now();
        work();
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    println!("{name:44}{:>10.0}{:>10.0}", times[0], times[times.len() / 2]);
}
