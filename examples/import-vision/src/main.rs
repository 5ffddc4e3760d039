//! Kiln's ResNet-18 in a burn project of one's own: only the crate `vision-transfer`, without its default features, and a loop
//! written by hand. It learns to tell standing stripes from lying ones, of any colour and width; with the path of pretrained
//! weights (a .pth or .safetensors file for ResNet-18), from these, under a new head for the two classes.
//!
//!     cargo run -p import-vision [-- resnet18-f37072fd.pth]
//!
//! It prints the loss of the first step and of the last, about 0.7 and below 0.01, and how many of 16 new pictures are right, which
//! is all of them; before that, what became of the weights in the file. On two cores it takes about five seconds.

use std::f64::consts::TAU;

use burn::{
    backend::{Autodiff, Flex},
    module::AutodiffModule,
    nn::loss::CrossEntropyLossConfig,
    optim::{AdamWConfig, GradientsParams, Optimizer},
    tensor::{Distribution, Int, Tensor, backend::Backend},
};
use vision_transfer::{
    network::{Architecture, Network, NetworkConfig},
    pretrained::{self, PretrainedError},
};

type B = Autodiff<Flex>;

const SIZE: usize = 64;
const PICTURES_A_CLASS: usize = 8;
const STEPS: usize = 20;

fn main() -> Result<(), PretrainedError> {
    let device = Default::default();
    B::seed(&device, 42);
    let config = NetworkConfig { architecture: Architecture::Resnet18, classes: 2, ..NetworkConfig::default() };
    let mut network: Network<B> = config.init(&device);
    if let Some(path) = std::env::args().nth(1) {
        let report = pretrained::load(&mut network, pretrained::read(path)?)?;
        println!("{}", report.lines().join("\n"));
    }

    let cross_entropy = CrossEntropyLossConfig::new().init(&device);
    let mut optimizer = AdamWConfig::new().init();
    for step in 0..STEPS {
        let (pictures, classes) = stripes::<B>(&device);
        let loss = cross_entropy.forward(network.forward(pictures), classes);
        if step == 0 || step + 1 == STEPS {
            println!("step {step:2}   loss {:.3}", loss.clone().into_scalar());
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(1e-3, network, gradients);
    }

    // Without gradients: batches are normalised with the running statistics.
    let (pictures, classes) = stripes::<Flex>(&device);
    let found = network.valid().forward(pictures).argmax(1).squeeze_dim::<1>(1);
    let right = found.equal(classes).int().sum().into_scalar();
    println!("{right} of {} new pictures are right", 2 * PICTURES_A_CLASS);
    Ok(())
}

/// Pictures of stripes, `[pictures, 3, height, width]`, and their classes, `[pictures]`: 0 for those that stand and 1 for those
/// that lie.
fn stripes<B: Backend>(device: &B::Device) -> (Tensor<B, 4>, Tensor<B, 1, Int>) {
    let random = |channels: usize, from: f64, to: f64| {
        let shape = [2 * PICTURES_A_CLASS, channels, 1, 1];
        Tensor::<B, 4>::random(shape, Distribution::Uniform(from, to), device)
    };
    let across = Tensor::<B, 1, Int>::arange(0..SIZE as i64, device).float().reshape([1, 1, 1, SIZE]);
    let waves = (across * random(1, 0.4, 1.2) + random(1, 0.0, TAU)).sin(); // [pictures, 1, 1, width]
    let coloured = waves * random(3, -1.0, 1.0); // [pictures, 3, 1, width]
    let standing = coloured.expand([2 * PICTURES_A_CLASS, 3, SIZE, SIZE]);
    let [first, second] = [0, PICTURES_A_CLASS].map(|from| standing.clone().narrow(0, from, PICTURES_A_CLASS));
    let pictures = Tensor::cat(vec![first, second.swap_dims(2, 3)], 0);
    let classes = Tensor::arange(0..2 * PICTURES_A_CLASS as i64, device).div_scalar(PICTURES_A_CLASS as i64);
    (pictures, classes)
}
