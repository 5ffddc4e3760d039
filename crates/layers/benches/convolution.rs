//! Times training steps of convolutional networks built of this crate's operations:
//! `cargo bench --profile dev -p layers --features ndarray,flex --bench convolution`. `python convolution.py` runs it in turns
//! with the same networks in PyTorch.
//!
//! The words behind the command choose the network (`five`, `resnet20`), the backend (`flex`, `ndarray`) and the number of
//! steps. Each run prints one line of JSON: the milliseconds of every step but the first three, and by how much the peak of
//! the process's memory is above what it had before them. The word `shapes` times single convolutions of all kinds instead,
//! `transposed` those of a DCGAN's generator, and `penalty` a gradient penalty of a DCGAN's discriminator.

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Distribution, Int, Tensor, TensorData};
use layers::activation::leaky_relu;
use layers::batch_norm::{BatchNormOptions, batch_norm_train};
use layers::convolution::{Conv2dOptions, ConvTranspose2dOptions, conv_transpose2d, conv2d};
use layers::loss::{CrossEntropy, cross_entropy};
use layers::pooling::adaptive_avg_pool2d;
use layers::projection::linear_transposed;
use layers::update::{SgdHyper, sgd};
use std::time::Instant;

const WARM_UP: usize = 3;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let has = |word: &str| words.iter().any(|found| found == word);
    let steps = words.iter().find_map(|word| word.parse().ok()).unwrap_or(10);
    if has("shapes") {
        return if has("ndarray") { shapes::<Autodiff<NdArray>>(steps) } else { shapes::<Autodiff<Flex>>(steps) };
    }
    if has("transposed") {
        return if has("ndarray") {
            transposed::<Autodiff<NdArray>>(steps)
        } else {
            transposed::<Autodiff<Flex>>(steps)
        };
    }
    if has("penalty") {
        return if has("ndarray") { penalty::<Autodiff<NdArray>>(steps) } else { penalty::<Autodiff<Flex>>(steps) };
    }
    let all_networks = !has("five") && !has("resnet20");
    for backend in ["flex", "ndarray"] {
        if !has(backend) && (has("flex") || has("ndarray")) {
            continue;
        }
        for network in ["five", "resnet20"] {
            if all_networks || has(network) {
                let (times, memory) = match backend {
                    "flex" => time::<Autodiff<Flex>>(network, steps),
                    _ => time::<Autodiff<NdArray>>(network, steps),
                };
                println!(r#"{{"network": "{network}", "backend": "{backend}", "ms": {times:.1?}, "mb": {memory}}}"#);
            }
        }
    }
}

fn time<B: AutodiffBackend>(network: &str, steps: usize) -> (Vec<f64>, u64) {
    let mut step: Box<dyn FnMut()> = match network {
        "five" => {
            let mut layers: Vec<_> = (0..5).map(|_| Layer::<B>::new([64, 64, 3, 3], 1)).collect();
            let input = random::<B, 4>([32, 64, 32, 32], 1.0);
            Box::new(move || {
                let output = layers.iter_mut().fold(input.clone(), |input, layer| layer.forward(input, None, true));
                let mut gradients = output.sum().backward();
                layers.iter_mut().for_each(|layer| layer.update(&mut gradients));
            })
        }
        _ => {
            let mut model = ResNet::<B>::new();
            let images = random::<B, 4>([128, 3, 32, 32], 1.0);
            let targets: Vec<i64> = (0..128).map(|index| index * 7 % 10).collect();
            let targets = Tensor::<B, 1, Int>::from_data(TensorData::new(targets, [128]), &Default::default());
            Box::new(move || {
                let logits = model.forward(images.clone());
                let mut gradients = cross_entropy(logits, targets.clone(), &CrossEntropy::default()).backward();
                model.update(&mut gradients);
            })
        }
    };
    let before = memory("VmRSS:");
    let mut times = Vec::new();
    for _ in 0..WARM_UP + steps {
        let start = Instant::now();
        step();
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    (times.split_off(WARM_UP), (memory("VmHWM:") - before) / 1024)
}

/// Batch, channels and size of the input; channels and size of the kernel, stride and groups.
const SHAPES: [[usize; 7]; 12] = [
    [32, 64, 32, 64, 3, 1, 1],
    [128, 3, 32, 16, 3, 1, 1],
    [128, 16, 32, 16, 3, 1, 1],
    [128, 16, 32, 32, 3, 2, 1],
    [128, 32, 16, 64, 1, 2, 1],
    [128, 64, 8, 64, 3, 1, 1],
    [64, 512, 4, 512, 3, 1, 1],
    [64, 512, 2, 512, 3, 1, 1],
    [4, 3, 224, 64, 7, 2, 1],
    [4, 64, 56, 256, 1, 1, 1],
    [16, 96, 28, 96, 3, 1, 96],
    [16, 128, 28, 128, 3, 1, 32],
];

/// Prints the best milliseconds of each shape: of the output, and of the output and both gradients.
fn shapes<B: AutodiffBackend>(steps: usize) {
    for shape @ [batch, inputs, size, outputs, kernel, stride, groups] in SHAPES {
        let input = random::<B, 4>([batch, inputs, size, size], 1.0).require_grad();
        let weight = random::<B, 4>([outputs, inputs / groups, kernel, kernel], 1.0).require_grad();
        let options = Conv2dOptions { stride: [stride; 2], padding: [kernel / 2; 2], groups, ..Default::default() };
        let forward = best(steps, || {
            conv2d(input.clone().inner(), weight.clone().inner(), None, &options);
        });
        let both = best(steps, || {
            conv2d(input.clone(), weight.clone(), None, &options).backward();
        });
        println!(r#"{{"shape": {shape:?}, "forward": {forward:.2}, "both": {both:.2}}}"#);
    }
}

/// Batch, channels and size of the input; channels and size of the kernel, stride and padding: generators of 64 × 64 pixels, and the
/// last two layers of one of 28 × 28.
const TRANSPOSED: [[usize; 7]; 7] = [
    [64, 100, 1, 256, 4, 1, 0],
    [64, 256, 4, 128, 4, 2, 1],
    [64, 128, 8, 64, 4, 2, 1],
    [64, 64, 16, 32, 4, 2, 1],
    [64, 32, 32, 3, 4, 2, 1],
    [64, 128, 7, 64, 4, 2, 1],
    [64, 64, 14, 1, 4, 2, 1],
];

/// As [`shapes`], of transposed convolutions.
fn transposed<B: AutodiffBackend>(steps: usize) {
    for shape @ [batch, inputs, size, outputs, kernel, stride, padding] in TRANSPOSED {
        let input = random::<B, 4>([batch, inputs, size, size], 1.0).require_grad();
        let weight = random::<B, 4>([inputs, outputs, kernel, kernel], 1.0).require_grad();
        let options = ConvTranspose2dOptions { stride: [stride; 2], padding: [padding; 2], ..Default::default() };
        let forward = best(steps, || {
            conv_transpose2d(input.clone().inner(), weight.clone().inner(), None, &options);
        });
        let both = best(steps, || {
            conv_transpose2d(input.clone(), weight.clone(), None, &options).backward();
        });
        println!(r#"{{"shape": {shape:?}, "forward": {forward:.2}, "both": {both:.2}}}"#);
    }
}

/// Prints the best milliseconds of the scores of 64 images of 32 × 32 pixels with the gradients by the weights, and of a gradient penalty
/// on them with its gradients.
fn penalty<B: AutodiffBackend>(steps: usize) {
    fn scores<B: Backend>(images: Tensor<B, 4>, weights: [Tensor<B, 4>; 4]) -> Tensor<B, 1> {
        let halved = Conv2dOptions { stride: [2; 2], padding: [1; 2], ..Default::default() };
        let [first, second, third, last] = weights;
        let x = [first, second, third]
            .into_iter()
            .fold(images, |x, weight| leaky_relu(conv2d(x, weight, None, &halved), 0.2));
        conv2d(x, last, None, &Conv2dOptions::default()).sum()
    }
    let images = random::<B, 4>([64, 3, 32, 32], 1.0);
    let weights = [[64, 3, 4, 4], [128, 64, 4, 4], [256, 128, 4, 4], [1, 256, 4, 4]]
        .map(|shape| random::<B, 4>(shape, 0.02).require_grad());
    let once = best(steps, || {
        scores(images.clone(), weights.clone()).backward();
    });
    let twice = best(steps, || {
        let images = Tensor::<Autodiff<B>, 4>::from_inner(images.clone()).require_grad();
        let grads = scores(images.clone(), weights.clone().map(Tensor::from_inner)).backward();
        let gradient = images.grad(&grads).expect("a gradient by the images");
        let lengths = gradient.flatten::<2>(1, 3).powi_scalar(2).sum_dim(1).sqrt(); // [batch, 1]
        (lengths - 1.0).powi_scalar(2).mean().backward();
    });
    println!(r#"{{"shape": [64, 3, 32], "forward": {once:.2}, "both": {twice:.2}}}"#);
}

/// The least of the milliseconds of so many runs.
fn best(steps: usize, run: impl Fn()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64() * 1e3
    };
    (0..WARM_UP + steps).map(time).fold(f64::INFINITY, f64::min)
}

/// In kilobytes; 0 where the system does not say.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

fn random<B: Backend, const D: usize>(shape: [usize; D], deviation: f64) -> Tensor<B, D> {
    Tensor::random(shape, Distribution::Normal(0.0, deviation), &Default::default())
}

struct Parameter<B: AutodiffBackend, const D: usize> {
    value: Tensor<B, D>,
    momentum: Option<Tensor<B::InnerBackend, D>>,
}

impl<B: AutodiffBackend, const D: usize> Parameter<B, D> {
    fn new(value: Tensor<B, D>) -> Self {
        Self { value: value.require_grad(), momentum: None }
    }

    fn update(&mut self, gradients: &mut B::Gradients) {
        let Some(gradient) = self.value.grad_remove(gradients) else { return };
        let hyper = SgdHyper { lr: 0.01, momentum: 0.9, ..Default::default() };
        let (value, momentum) = sgd(self.value.clone().inner(), gradient, self.momentum.take(), &hyper);
        self.value = Tensor::from_inner(value).require_grad();
        self.momentum = momentum;
    }
}

/// A convolution without a bias, and batch normalisation.
struct Layer<B: AutodiffBackend> {
    weight: Parameter<B, 4>,
    scale: Parameter<B, 1>,
    shift: Parameter<B, 1>,
    running: [Tensor<B, 1>; 2],
    options: Conv2dOptions,
}

impl<B: AutodiffBackend> Layer<B> {
    fn new(shape: [usize; 4], stride: usize) -> Self {
        let channels = [shape[0]];
        let device = Default::default();
        let deviation = (2.0 / (shape[1] * shape[2] * shape[3]) as f64).sqrt();
        Self {
            weight: Parameter::new(random(shape, deviation)),
            scale: Parameter::new(Tensor::ones(channels, &device)),
            shift: Parameter::new(Tensor::zeros(channels, &device)),
            running: [Tensor::zeros(channels, &device), Tensor::ones(channels, &device)],
            options: Conv2dOptions { stride: [stride; 2], padding: [shape[2] / 2; 2], ..Default::default() },
        }
    }

    fn forward(&mut self, input: Tensor<B, 4>, shortcut: Option<Tensor<B, 4>>, relu: bool) -> Tensor<B, 4> {
        let output = conv2d(input, self.weight.value.clone(), None, &self.options);
        let options = BatchNormOptions { relu, ..Default::default() };
        let (scale, shift) = (self.scale.value.clone(), self.shift.value.clone());
        let (output, statistics) = batch_norm_train(output, scale, shift, shortcut, &options);
        for (running, now) in self.running.iter_mut().zip([statistics.mean, statistics.variance]) {
            *running = running.clone() * 0.9 + now * 0.1;
        }
        output
    }

    fn update(&mut self, gradients: &mut B::Gradients) {
        self.weight.update(gradients);
        self.scale.update(gradients);
        self.shift.update(gradients);
    }
}

/// ResNet-20 of [He et al. 2015](https://arxiv.org/abs/1512.03385), section 4.2, with projections as shortcuts where the size changes.
struct ResNet<B: AutodiffBackend> {
    stem: Layer<B>,
    blocks: Vec<Block<B>>,
    weight: Parameter<B, 2>,
    bias: Parameter<B, 1>,
}

struct Block<B: AutodiffBackend> {
    first: Layer<B>,
    second: Layer<B>,
    projection: Option<Layer<B>>,
}

impl<B: AutodiffBackend> ResNet<B> {
    fn new() -> Self {
        let block = |inputs: usize, outputs: usize| {
            let stride = outputs / inputs;
            Block {
                first: Layer::new([outputs, inputs, 3, 3], stride),
                second: Layer::new([outputs, outputs, 3, 3], 1),
                projection: (stride > 1).then(|| Layer::new([outputs, inputs, 1, 1], stride)),
            }
        };
        let channels = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64];
        Self {
            stem: Layer::new([16, 3, 3, 3], 1),
            blocks: channels.windows(2).map(|pair| block(pair[0], pair[1])).collect(),
            weight: Parameter::new(random([10, 64], 0.1)),
            bias: Parameter::new(Tensor::zeros([10], &Default::default())),
        }
    }

    /// From images `[batch, 3, 32, 32]` to logits `[batch, 10]`.
    fn forward(&mut self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        let mut x = self.stem.forward(images, None, true);
        for block in &mut self.blocks {
            let inner = block.first.forward(x.clone(), None, true);
            let shortcut = match &mut block.projection {
                Some(projection) => projection.forward(x, None, false),
                None => x,
            };
            x = block.second.forward(inner, Some(shortcut), true);
        }
        let features = adaptive_avg_pool2d(x, [1, 1]).flatten::<2>(1, 3); // [batch, 64]
        linear_transposed(features, self.weight.value.clone(), Some(self.bias.value.clone()))
    }

    fn update(&mut self, gradients: &mut B::Gradients) {
        self.stem.update(gradients);
        for Block { first, second, projection } in &mut self.blocks {
            [Some(first), Some(second), projection.as_mut()]
                .into_iter()
                .flatten()
                .for_each(|layer| layer.update(gradients));
        }
        self.weight.update(gradients);
        self.bias.update(gradients);
    }
}
