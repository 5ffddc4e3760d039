//! What dropout keeps, when, and that a seed decides it.
#![cfg(all(feature = "ndarray", feature = "flex"))]

mod support;

use burn::backend::{Autodiff, Flex, NdArray};
use burn::module::Module;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Element, Tensor, TensorData};
use layers::dropout::{Dropout, drop_path, dropout};
use std::sync::{Mutex, MutexGuard, PoisonError};
use support::{numbers, values};

/// Seeds belong to the process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static SEEDS: Mutex<()> = Mutex::new(());
    SEEDS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ones<B: Backend, const D: usize>(shape: [usize; D]) -> Tensor<B, D> {
    // Without a type it would be f32 on every backend.
    Tensor::ones(shape, (&B::Device::default(), B::FloatElem::dtype()))
}

fn seeded<B: Backend>(seed: u64, count: usize, probability: f64) -> Vec<f32> {
    B::seed(&Default::default(), seed);
    values(dropout(ones::<B, 1>([count]), probability))
}

/// On every path: both kernels, and two without one.
macro_rules! on_all {
    ($test:ident) => {{
        let _alone = alone();
        $test::<Autodiff<Flex>>();
        $test::<Autodiff<NdArray>>();
        $test::<Autodiff<NdArray<f64>>>();
        $test::<Autodiff<Autodiff<Flex>>>();
    }};
}

fn the_share_is_right_and_the_mean_is_kept<B: AutodiffBackend>() {
    const COUNT: usize = 200_000;
    for probability in [0.1, 0.5, 0.9] {
        let output = seeded::<B>(1, COUNT, probability);
        let scale = (1.0 / (1.0 - probability)) as f32;
        assert!(output.iter().all(|&value| value == 0.0 || (value - scale).abs() < 1e-5));
        let share = output.iter().filter(|&&value| value == 0.0).count() as f64 / COUNT as f64;
        // Five standard deviations.
        let bound = 5.0 * (probability * (1.0 - probability) / COUNT as f64).sqrt();
        assert!((share - probability).abs() < bound, "{share} is not {probability}");
        let mean = output.iter().map(|&value| f64::from(value)).sum::<f64>() / COUNT as f64;
        assert!((mean - 1.0).abs() < bound / (1.0 - probability), "mean {mean}");
    }
}

#[test]
fn the_share_is_right_and_the_mean_is_kept_on_all() {
    on_all!(the_share_is_right_and_the_mean_is_kept);
}

fn without_gradients_nothing_happens<B: AutodiffBackend>() {
    let data = TensorData::new(numbers(60, 1, 1.0), [6, 10]);
    let options = (&B::Device::default(), B::FloatElem::dtype());
    let input = Tensor::<B::InnerBackend, 2>::from_data(data, options);
    let tracked = Tensor::<B, 2>::from_inner(input.clone());
    assert_eq!(values(dropout(tracked.clone(), 0.0)), values(input.clone()));
    assert_eq!(values(drop_path(tracked.clone(), 0.0)), values(input.clone()));
    // All is dropped.
    assert_eq!(values(dropout(tracked.clone(), 1.0)), [0.0; 60]);
    assert_eq!(values(drop_path(tracked, 1.0)), [0.0; 60]);
}

#[test]
fn probabilities_of_none_and_all() {
    on_all!(without_gradients_nothing_happens);
    let input = Tensor::<Flex, 1>::from_floats([1.0, 2.0, 3.0], &Default::default());
    assert_eq!(values(dropout(input.clone(), 0.9)), [1.0, 2.0, 3.0]);
    assert_eq!(values(Dropout::new(0.9).forward(input.clone())), [1.0, 2.0, 3.0]);
    assert_eq!(values(drop_path(input, 0.9)), [1.0, 2.0, 3.0]);
}

fn the_gradient_is_dropped_where_the_number_is<B: AutodiffBackend>() {
    for probability in [0.3, 1.0] {
        let input = ones::<B, 2>([37, 21]).require_grad();
        let output = dropout(input.clone(), probability);
        let gradient = input.grad(&output.clone().sum().backward()).unwrap();
        // Of ones, output and gradient are both the mask.
        assert_eq!(values(gradient), values(output));
    }
}

#[test]
fn the_gradient_is_dropped_where_the_number_is_on_all() {
    on_all!(the_gradient_is_dropped_where_the_number_is);
}

fn a_seed_decides<B: AutodiffBackend>() {
    let first = seeded::<B>(7, 1000, 0.5);
    let second = values(dropout(ones::<B, 1>([1000]), 0.5));
    assert_ne!(first, second, "each call draws its own");
    assert_ne!(seeded::<B>(8, 1000, 0.5), first);
    // As a run that was resumed would.
    assert_eq!(seeded::<B>(7, 1000, 0.5), first);
    assert_eq!(values(dropout(ones::<B, 1>([1000]), 0.5)), second);
}

#[test]
fn a_seed_decides_on_all() {
    on_all!(a_seed_decides);
}

/// The masks of two seeds, of two calls, and of neighbours agree as often as chance has it.
#[test]
fn decisions_are_independent() {
    let _alone = alone();
    const COUNT: usize = 1 << 17;
    let masks: Vec<Vec<f32>> = (0..8).map(|seed| seeded::<Autodiff<Flex>>(seed, COUNT, 0.5)).collect();
    let agreement = |a: &[f32], b: &[f32]| {
        let same = a.iter().zip(b).filter(|(a, b)| a == b).count();
        (same as f64 / a.len() as f64 - 0.5).abs()
    };
    let bound = 5.0 * 0.5 / (COUNT as f64).sqrt();
    for (index, mask) in masks.iter().enumerate() {
        for other in &masks[..index] {
            assert!(agreement(mask, other) < bound);
        }
        for distance in [1, 2, 8, 64, 256, 1024, 4096, 65_536] {
            let bound = 5.0 * 0.5 / ((COUNT - distance) as f64).sqrt();
            assert!(agreement(&mask[distance..], &mask[..COUNT - distance]) < bound, "distance {distance}");
        }
    }
}

#[test]
fn the_number_of_threads_has_no_say() {
    let _alone = alone();
    let of = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads");
        pool.install(|| seeded::<Autodiff<Flex>>(3, 100_003, 0.2))
    };
    let one = of(1);
    for threads in [2, 3, 8] {
        assert!(of(threads) == one, "{threads} threads");
    }
}

fn the_input_of_others_stays<B: AutodiffBackend>() {
    let input = ones::<B, 1>([100]);
    dropout(input.clone(), 0.5);
    assert_eq!(values(input), [1.0; 100]);
    let wide = ones::<B, 2>([10, 20]);
    let output = values(dropout(wide.clone().narrow(1, 5, 7), 0.5));
    assert_eq!(output.len(), 70);
    assert!(output.iter().all(|&value| value == 0.0 || value == 2.0));
    assert_eq!(values(wide), [1.0; 200]);
}

#[test]
fn the_input_of_others_stays_on_all() {
    on_all!(the_input_of_others_stays);
}

fn a_path_is_dropped_as_a_whole<B: AutodiffBackend>() {
    const BATCH: usize = 4000;
    B::seed(&Default::default(), 5);
    let branch = ones::<B, 3>([BATCH, 3, 3]).require_grad();
    let output = drop_path(branch.clone(), 0.25);
    let gradient = values(branch.grad(&output.clone().sum().backward()).unwrap());
    let output = values(output);
    assert_eq!(gradient, output);
    let mut dropped = 0;
    for entry in output.chunks_exact(9) {
        assert!(entry.iter().all(|value| *value == entry[0]), "{entry:?}");
        assert!(entry[0] == 0.0 || (entry[0] - 4.0 / 3.0).abs() < 1e-6);
        dropped += usize::from(entry[0] == 0.0);
    }
    let share = dropped as f64 / BATCH as f64;
    assert!((share - 0.25).abs() < 5.0 * (0.25 * 0.75 / BATCH as f64).sqrt(), "{share}");
    assert_eq!(drop_path(ones::<B, 2>([2, 0]), 0.5).dims(), [2, 0]);
}

#[test]
fn a_path_is_dropped_as_a_whole_on_all() {
    on_all!(a_path_is_dropped_as_a_whole);
}

#[test]
fn the_module_has_no_weights() {
    assert_eq!(Module::<Flex>::num_params(&Dropout::new(0.5)), 0);
}

#[test]
#[should_panic(expected = "dropout: 1.5 is no probability")]
fn what_is_no_probability_is_named() {
    dropout(ones::<Flex, 1>([1]), 1.5);
}
