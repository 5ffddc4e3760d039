//! Attention against PyTorch, the kernel against the portable path, and the gradients against finite differences.
#![cfg(all(feature = "ndarray", feature = "flex"))]

mod support;

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Bool, Tensor, TensorData};
use layers::attention::dot_product::portable;
use layers::attention::{
    AttentionBias, DotProductAttention, alibi_slopes, attention, attention_weights, self_attention,
};
use serde::Deserialize;
use support::{numbers, values};

type Attention<B> =
    fn(Tensor<B, 3>, Tensor<B, 3>, Tensor<B, 3>, &AttentionBias<B>, &DotProductAttention) -> Tensor<B, 3>;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    heads: usize,
    kv_heads: usize,
    scale: Option<f64>,
    causal: bool,
    lengths: Option<Vec<usize>>,
    alibi: bool,
    query_shape: [usize; 3],
    key_shape: [usize; 3],
    value_shape: [usize; 3],
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    factors: Vec<f32>,
    mask_shape: Option<[usize; 4]>,
    mask: Option<Vec<bool>>,
    added_shape: Option<[usize; 4]>,
    added: Option<Vec<f32>>,
    output: Vec<f32>,
    grads: Vec<Vec<f32>>,
}

impl Case {
    fn options(&self) -> DotProductAttention {
        let Self { heads, kv_heads, scale, causal, .. } = *self;
        DotProductAttention { heads, kv_heads, scale, causal, dropout: 0.0 }
    }

    fn bias<B: Backend>(&self) -> AttentionBias<B> {
        let mask = self.mask_shape.zip(self.mask.as_ref());
        let added = self.added_shape.zip(self.added.as_ref());
        AttentionBias {
            lengths: self.lengths.clone(),
            mask: mask.map(|(shape, mask)| bools(mask, shape)),
            added: added.map(|(shape, added)| tensor(added, shape)),
            slopes: self.alibi.then(|| alibi_slopes(self.heads)),
        }
    }
}

fn tensor<B: Backend, const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Default::default())
}

fn bools<B: Backend, const D: usize>(values: &[bool], shape: [usize; D]) -> Tensor<B, D, Bool> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Default::default())
}

fn assert_close(what: &str, got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len(), "{what}: lengths");
    for (i, (a, b)) in got.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what}[{i}]: {a} is not {b}");
    }
}

fn matches_pytorch<B: AutodiffBackend>(function: Attention<B>) {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/attention.json")).unwrap();
    for case in &fixture.cases {
        let query = tensor::<B, 3>(&case.query, case.query_shape).require_grad();
        let key = tensor::<B, 3>(&case.key, case.key_shape).require_grad();
        let value = tensor::<B, 3>(&case.value, case.value_shape).require_grad();
        let mut bias = case.bias::<B>();
        bias.added = bias.added.map(Tensor::require_grad);
        let output = function(query.clone(), key.clone(), value.clone(), &bias, &case.options());
        assert_close(&case.name, &values(output.clone()), &case.output, 1e-5);

        let factors = tensor::<B, 3>(&case.factors, output.dims());
        let grads = (output * factors).sum().backward();
        let found = [query, key, value].map(|tensor| values(tensor.grad(&grads).expect("a gradient")));
        let of_added = bias.added.map(|added| values(added.grad(&grads).expect("a gradient of what is added")));
        for (index, (found, expected)) in found.iter().chain(&of_added).zip(&case.grads).enumerate() {
            assert_close(&format!("{}, gradient {index}", case.name), found, expected, 1e-5);
        }
    }
}

#[test]
fn matches_pytorch_on_ndarray() {
    matches_pytorch::<Autodiff<NdArray>>(attention);
}

#[test]
fn matches_pytorch_on_flex() {
    matches_pytorch::<Autodiff<Flex>>(attention);
}

#[test]
fn matches_pytorch_on_the_portable_path() {
    matches_pytorch::<Autodiff<NdArray>>(portable::attention);
    matches_pytorch::<Autodiff<Flex>>(portable::attention);
}

/// The last two queries of the first entry and all of the second see nothing.
fn a_query_that_sees_nothing_gets_zeros<B: AutodiffBackend>(function: Attention<B>) {
    let mut mask = vec![false; 2 * 3 * 4];
    mask[4..12].fill(true);
    let bias =
        AttentionBias { lengths: Some(vec![4, 0]), mask: Some(bools(&mask, [2, 1, 3, 4])), ..AttentionBias::default() };
    let arguments = [(2 * 3 * 6, [2, 3, 6]), (2 * 4 * 6, [2, 4, 6]), (2 * 4 * 6, [2, 4, 6])];
    let [query, key, value] =
        arguments.map(|(count, shape)| tensor::<B, 3>(&numbers(count, 1, 1.0), shape).require_grad());
    let options = DotProductAttention::new(2);
    let output = function(query.clone(), key.clone(), value.clone(), &bias, &options);
    let grads = output.clone().powi_scalar(2).sum().backward();
    let output = values(output);
    assert!(output[..6].iter().all(|&value| value != 0.0) && output[6..].iter().all(|&value| value == 0.0));
    let of_query = values(query.grad(&grads).expect("a gradient"));
    assert!(of_query[..6].iter().all(|&value| value != 0.0) && of_query[6..].iter().all(|&value| value == 0.0));
    for tensor in [&key, &value] {
        let gradient = values(tensor.grad(&grads).expect("a gradient"));
        assert!(gradient[..24].iter().all(|&value| value != 0.0) && gradient[24..].iter().all(|&value| value == 0.0));
    }
    let weights = values(attention_weights(query, key, &bias, &options));
    let sums: Vec<f32> = weights.chunks(4).map(|row| row.iter().sum()).collect();
    assert_close("sums", &sums, &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 1e-6);
}

#[test]
fn a_query_that_sees_nothing_gets_zeros_on_every_path() {
    a_query_that_sees_nothing_gets_zeros::<Autodiff<NdArray>>(attention);
    a_query_that_sees_nothing_gets_zeros::<Autodiff<Flex>>(attention);
    a_query_that_sees_nothing_gets_zeros::<Autodiff<Flex>>(portable::attention);
}

/// d/dq of (d output / dq)² for one query of size one and two keys: the output is `v0 + w (v1 - v0)` with
/// `w = sigmoid(q (k1 - k0))`, so its slope is `d w (1 - w) (v1 - v0)` with `d = k1 - k0`.
#[test]
fn second_derivatives_take_the_portable_path() {
    type Once = Autodiff<Flex>;
    type Twice = Autodiff<Once>;
    let (q, d, v) = (0.4_f32, 1.3_f32, -0.7_f32);
    let outer = tensor::<Once, 3>(&[q], [1, 1, 1]).require_grad();
    let query = Tensor::<Twice, 3>::from_inner(outer.clone()).require_grad();
    let (key, value) = (tensor(&[0.2, 0.2 + d], [1, 2, 1]), tensor(&[0.1, 0.1 + v], [1, 2, 1]));
    let output = attention(query.clone(), key, value, &AttentionBias::default(), &DotProductAttention::new(1));
    let gradient: Tensor<Once, 3> = query.grad(&output.backward()).expect("a gradient");
    let second = outer.grad(&gradient.powi_scalar(2).backward()).expect("a second derivative");
    let w = 1.0 / (1.0 + (-q * d).exp());
    let slope = d * v * w * (1.0 - w);
    assert_close("second", &values(second), &[2.0 * slope * d * slope * (1.0 - 2.0 * w)], 1e-5);
}

#[test]
fn self_attention_is_attention_of_its_parts() {
    type B = Autodiff<Flex>;
    let options = DotProductAttention::new(4).with_kv_heads(2).with_causal(true);
    let qkv = tensor::<B, 3>(&numbers(2 * 5 * 24, 1, 1.0), [2, 5, 24]);
    let [query, key, value] = [(0, 12), (12, 6), (18, 6)].map(|(first, length)| qkv.clone().narrow(2, first, length));
    let expected = attention(query, key, value, &AttentionBias::default(), &options);
    let found = self_attention(qkv, &AttentionBias::default(), &options);
    assert_close("output", &values(found), &values(expected), 1e-6);
}

#[test]
#[should_panic(expected = "attention: 6 heads cannot share 4 heads of keys and values equally")]
fn heads_that_disagree_are_named() {
    let zeros = || tensor::<Flex, 3>(&[0.0; 12], [1, 1, 12]);
    let options = DotProductAttention::new(6).with_kv_heads(4);
    attention(zeros(), zeros(), zeros(), &AttentionBias::default(), &options);
}

/// A call of any size, with numbers for its tensors.
#[derive(Clone, Copy)]
struct Shape {
    batch: usize,
    queries: usize,
    keys: usize,
    heads: usize,
    kv_heads: usize,
    head_size: usize,
    value_size: usize,
}

/// Batch, queries, keys, heads, heads of keys, their size, the size of values: below, at and above the sizes of tiles.
const SHAPES: [Shape; 12] = [
    shape(1, 1, 1, 1, 1, 1, 1),
    shape(2, 3, 5, 2, 1, 4, 6),
    shape(3, 13, 13, 4, 2, 8, 8),
    shape(1, 1, 200, 2, 2, 16, 16),
    shape(2, 48, 128, 1, 1, 16, 16),
    shape(1, 49, 129, 2, 2, 17, 15),
    shape(2, 150, 150, 2, 1, 20, 20),
    shape(1, 300, 40, 3, 3, 33, 5),
    shape(1, 70, 301, 6, 2, 12, 40),
    shape(12, 64, 64, 4, 4, 32, 32),
    shape(1, 140, 270, 1, 1, 64, 64),
    shape(5, 20, 30, 3, 1, 128, 24),
];

const fn shape(
    batch: usize,
    queries: usize,
    keys: usize,
    heads: usize,
    kv_heads: usize,
    head_size: usize,
    value_size: usize,
) -> Shape {
    Shape { batch, queries, keys, heads, kv_heads, head_size, value_size }
}

impl Shape {
    fn query<B: Backend>(&self) -> Tensor<B, 3> {
        some(1, [self.batch, self.queries, self.heads * self.head_size])
    }

    fn key<B: Backend>(&self) -> Tensor<B, 3> {
        some(2, [self.batch, self.keys, self.kv_heads * self.head_size])
    }

    fn value<B: Backend>(&self) -> Tensor<B, 3> {
        some(3, [self.batch, self.keys, self.kv_heads * self.value_size])
    }

    fn options(&self) -> DotProductAttention {
        DotProductAttention::new(self.heads).with_kv_heads(self.kv_heads)
    }

    /// None, each kind alone, and all together.
    fn biases<B: Backend>(&self) -> Vec<AttentionBias<B>> {
        let Self { batch, queries, keys, heads, .. } = *self;
        let lengths = Some((0..batch).map(|entry| (keys * (entry + 2) / 3 + entry) % (keys + 1)).collect());
        let mask = |seed: u64, batch: usize, heads: usize| {
            let shape = [batch, heads, queries, keys];
            Some(some::<B, 4>(seed, shape).greater_elem(1.0))
        };
        let slopes = Some(alibi_slopes(heads));
        let none = AttentionBias::default;
        vec![
            none(),
            AttentionBias { lengths: lengths.clone(), ..none() },
            AttentionBias { mask: mask(4, 1, 1), ..none() },
            AttentionBias { mask: mask(5, batch, heads), ..none() },
            AttentionBias { slopes: slopes.clone(), ..none() },
            AttentionBias { lengths, mask: mask(6, batch, 1), slopes, added: None },
        ]
    }
}

/// Numbers between -2 and 2.
fn some<B: Backend, const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<B, D> {
    tensor(&numbers(shape.iter().product(), seed, 2.0), shape)
}

/// The output and the gradients of the inputs, of those that want one.
fn run<B: AutodiffBackend, const N: usize>(
    inputs: [Tensor<B, 3>; N],
    wanted: [bool; N],
    function: impl Fn([Tensor<B, 3>; N]) -> Tensor<B, 3>,
) -> Vec<Option<Vec<f32>>> {
    let mut wanted = wanted.into_iter();
    let inputs = inputs.map(|input| if wanted.next() == Some(true) { input.require_grad() } else { input });
    let output = function(inputs.clone());
    let grads = (output.clone() * some(7, output.dims())).sum().backward();
    let mut all = vec![Some(values(output))];
    all.extend(inputs.map(|input| input.grad(&grads).map(values)));
    all
}

fn compare(what: &str, found: &[Option<Vec<f32>>], expected: &[Option<Vec<f32>>]) {
    for (part, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.is_some(), expected.is_some(), "{what}, part {part}");
        if let (Some(found), Some(expected)) = (found, expected) {
            assert_close(&format!("{what}, part {part}"), found, expected, 3e-5);
        }
    }
}

fn kernel_matches_portable<B: AutodiffBackend>() {
    for (number, shape) in SHAPES.iter().enumerate() {
        for (kind, bias) in shape.biases::<B>().iter().enumerate() {
            for causal in [false, true] {
                let options = shape.options().with_causal(causal);
                let inputs = || [shape.query::<B>(), shape.key(), shape.value()];
                let fast = run(inputs(), [true; 3], |[q, k, v]| attention(q, k, v, bias, &options));
                let slow = run(inputs(), [true; 3], |[q, k, v]| portable::attention(q, k, v, bias, &options));
                compare(&format!("shape {number}, bias {kind}, causal {causal}"), &fast, &slow);
            }
        }
    }
}

#[test]
fn kernel_matches_portable_on_ndarray() {
    kernel_matches_portable::<Autodiff<NdArray>>();
}

#[test]
fn kernel_matches_portable_on_flex() {
    kernel_matches_portable::<Autodiff<Flex>>();
}

fn packed_kernel_matches_portable<B: AutodiffBackend>() {
    for (batch, time, heads, kv_heads, size) in
        [(1, 1, 1, 1, 3), (3, 50, 4, 2, 16), (2, 131, 2, 2, 24), (1, 280, 3, 1, 8)]
    {
        let shape = shape(batch, time, time, heads, kv_heads, size, size);
        for bias in &shape.biases::<B>() {
            let options = shape.options().with_causal(true).with_scale(0.4);
            let qkv = || [some::<B, 3>(1, [batch, time, (heads + 2 * kv_heads) * size])];
            let fast = run(qkv(), [true], |[qkv]| self_attention(qkv, bias, &options));
            let slow = run(qkv(), [true], |[qkv]| portable::self_attention(qkv, bias, &options));
            compare(&format!("{time} steps"), &fast, &slow);
        }
    }
}

#[test]
fn packed_kernel_matches_portable_on_both() {
    packed_kernel_matches_portable::<Autodiff<NdArray>>();
    packed_kernel_matches_portable::<Autodiff<Flex>>();
}

/// The weighted sum of the outputs of packed attention with dropout, and its gradient; the same seed drops the same weights.
fn dropped<B: AutodiffBackend>(qkv: &[f32], shape: [usize; 3], seed: u64) -> (f64, Vec<f32>) {
    let device = Default::default();
    let options = DotProductAttention::new(2).with_causal(true).with_dropout(0.3);
    let bias = AttentionBias { lengths: Some(vec![30, 41]), ..AttentionBias::default() };
    B::seed(&device, seed);
    let qkv = tensor::<B, 3>(qkv, shape).require_grad();
    let output = self_attention(qkv.clone(), &bias, &options);
    let factors = some::<B, 3>(9, output.dims());
    let sum = (output * factors).sum();
    let gradients = sum.backward();
    let value = sum.inner().into_data().iter::<f64>().sum();
    (value, values(qkv.grad(&gradients).expect("a gradient")))
}

fn gradient_matches_differences<B: AutodiffBackend>() {
    let shape = [2, 41, 3 * 2 * 8];
    let qkv = numbers(shape.iter().product(), 4, 1.0);
    let (_, gradient) = dropped::<B>(&qkv, shape, 7);
    for seed in [21, 22, 23] {
        let direction = numbers(qkv.len(), seed, 1.0);
        let moved = |step: f32| -> f64 {
            let moved: Vec<f32> = qkv.iter().zip(&direction).map(|(value, along)| value + step * along).collect();
            dropped::<B>(&moved, shape, 7).0
        };
        let step = 4e-3;
        let expected = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
        let found: f64 = gradient.iter().zip(&direction).map(|(a, b)| f64::from(a * b)).sum();
        assert!((found - expected).abs() < 5e-3 * (1.0 + expected.abs()), "{found} is not {expected}");
    }
}

/// Also through dropout, whose weights the backward pass draws again.
#[test]
fn gradient_matches_finite_differences_on_both() {
    let _alone = alone();
    gradient_matches_differences::<Autodiff<Flex>>();
    gradient_matches_differences::<Autodiff<NdArray>>();
}

#[test]
fn dropout_keeps_the_mean_and_follows_the_seed() {
    let _alone = alone();
    type B = Autodiff<Flex>;
    let device = Default::default();
    let (queries, keys, share) = (64, 100, 0.4);
    // All weights are 1 / keys, all values 1.
    let [query, key] = [queries, keys].map(|rows| Tensor::<B, 3>::zeros([1, rows, 16], &device));
    let value = Tensor::<B, 3>::ones([1, keys, 16], &device);
    let options = DotProductAttention::new(2).with_dropout(share);
    let drawn = |seed| {
        B::seed(&device, seed);
        values(attention(query.clone(), key.clone(), value.clone(), &AttentionBias::default(), &options).inner())
    };
    let outputs = drawn(3);
    assert_eq!(outputs, drawn(3));
    assert_ne!(outputs, drawn(4));
    // One number for each query and head: its features share their weights.
    let means: Vec<f64> = outputs.chunks(8).map(|head| f64::from(head[0])).collect();
    let mean = means.iter().sum::<f64>() / means.len() as f64;
    let deviation = (share / (1.0 - share) / (keys * means.len()) as f64).sqrt();
    assert!((mean - 1.0).abs() < 5.0 * deviation, "{mean}");
    let plain = attention(query.inner(), key.inner(), value.inner(), &AttentionBias::default(), &options);
    assert!(values(plain).iter().all(|value| (value - 1.0).abs() < 1e-5), "nothing is dropped without gradients");
}

/// Bit for bit, so that a text is continued from a cache as it would be without.
#[test]
fn what_is_hidden_has_no_influence() {
    let shape = [2, 70, 3 * 4 * 16];
    let qkv = numbers(shape.iter().product(), 5, 1.0);
    let attended = |qkv: &[f32], bias: &AttentionBias<Flex>, causal: bool| -> Vec<f32> {
        values(self_attention(tensor::<Flex, 3>(qkv, shape), bias, &DotProductAttention::new(4).with_causal(causal)))
    };
    let row = shape[2];
    let changed = |from: usize| -> Vec<f32> {
        let is_later = |at: usize| at / row % shape[1] >= from;
        qkv.iter().enumerate().map(|(at, value)| if is_later(at) { -2.0 * value } else { *value }).collect()
    };
    let width = row / 3;
    let before = |output: &[f32], rows: usize| -> Vec<f32> {
        output.chunks(shape[1] * width).flat_map(|entry| entry[..rows * width].to_vec()).collect()
    };
    for from in [1, 33, 69] {
        let nothing = AttentionBias::default();
        let (one, other) = (attended(&qkv, &nothing, true), attended(&changed(from), &nothing, true));
        assert_eq!(before(&one, from), before(&other, from), "what comes later than {from}");
        let padded = AttentionBias { lengths: Some(vec![from; 2]), ..AttentionBias::default() };
        let (one, other) = (attended(&qkv, &padded, false), attended(&changed(from), &padded, false));
        assert_eq!(before(&one, from), before(&other, from), "padding from {from} on");
    }
}

/// burn's seed is one for the whole process.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
