//! Times one recurrent layer on the CPU backends: batch 32, length 64, 128 features in, 256 hidden.
//!
//!     cargo bench -p layers --features ndarray,flex --bench recurrent [-- PART_OF_A_NAME]
//!
//! `recurrent_torch.py` beside it times the same in PyTorch; alternate the two on a machine that others use as well.

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::{
    Distribution, Tensor,
    backend::{AutodiffBackend, Backend},
};
use layers::recurrent::{Cell, RecurrentConfig};
use std::time::Instant;

const BATCH: usize = 32;
const TIME: usize = 64;
const INPUT: usize = 128;
const HIDDEN: usize = 256;
const REPEATS: usize = 40;

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let wanted = |name: &str| filter.as_ref().is_none_or(|filter| name.contains(filter));
    for cell in [Cell::Lstm, Cell::Gru, Cell::RnnTanh] {
        train::<Autodiff<Flex>>(&format!("flex {cell:?} train"), cell, &wanted);
        train::<Autodiff<NdArray>>(&format!("ndarray {cell:?} train"), cell, &wanted);
        infer::<Flex>(&format!("flex {cell:?} infer"), cell, BATCH, TIME, &wanted);
        infer::<NdArray>(&format!("ndarray {cell:?} infer"), cell, BATCH, TIME, &wanted);
        infer::<Flex>(&format!("flex {cell:?} one token"), cell, 1, 1, &wanted);
    }
}

/// Forward and backward, with the gradient of the input.
fn train<B: AutodiffBackend>(name: &str, cell: Cell, wanted: &impl Fn(&str) -> bool) {
    if !wanted(name) {
        return;
    }
    let device = Default::default();
    let network = RecurrentConfig::new(cell, INPUT, HIDDEN).init::<B>(&device);
    let input = Tensor::<B, 3>::random([BATCH, TIME, INPUT], Distribution::Default, &device);
    time(name, || {
        let (output, _) = network.forward(input.clone().require_grad(), None);
        output.sum().backward();
    });
}

fn infer<B: Backend>(name: &str, cell: Cell, batch: usize, length: usize, wanted: &impl Fn(&str) -> bool) {
    if !wanted(name) {
        return;
    }
    let device = Default::default();
    let network = RecurrentConfig::new(cell, INPUT, HIDDEN).init::<B>(&device);
    let input = Tensor::<B, 3>::random([batch, length, INPUT], Distribution::Default, &device);
    let mut state = Some(network.zero_state(batch, &device));
    time(name, || {
        let (_, last) = network.forward(input.clone(), state.take());
        state = Some(last);
    });
}

fn time(name: &str, mut work: impl FnMut()) {
    for _ in 0..5 {
        work();
    }
    let mut times: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{name}: min {:.2} ms, median {:.2} ms", times[0], times[REPEATS / 2]);
}
