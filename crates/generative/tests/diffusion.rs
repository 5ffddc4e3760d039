//! The U-Net and the process against PyTorch (tests/fixtures/make_diffusion.py), and what users of the job rely on.

use burn::{
    backend::{Autodiff, Flex, NdArray},
    module::{Module, Param},
    tensor::{
        Distribution, Int, Tensor,
        backend::{AutodiffBackend, Backend},
        s,
    },
};
use generative::diffusion::{Diffusion, DiffusionConfig, Sampling, UNet, UNetConfig};
use testkit::{Fixture, assert_close, assert_data_close, gradients_by_path};
use training_loop::weights;

const TOLERANCE: f64 = 1e-4;

fn fixture() -> Fixture {
    Fixture::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/diffusion.safetensors"))
}

/// That of the fixture.
fn config() -> UNetConfig {
    UNetConfig {
        image_size: 4,
        image_channels: 1,
        classes: 3,
        patch_size: 1,
        base_channels: 4,
        channel_multipliers: vec![1, 2],
        num_res_blocks: 1,
        attention_resolutions: vec![2],
        num_heads: 2,
        norm_groups: 2,
        dropout: 0.0,
    }
}

fn model<B: Backend>(fixture: &Fixture, device: &B::Device) -> UNet<B> {
    let mut model = config().init::<B>(device);
    weights::apply(&mut model, &fixture.under("weights.")).unwrap();
    model
}

fn process<B: Backend>(device: &B::Device) -> Diffusion<B> {
    DiffusionConfig { timesteps: 20, ..DiffusionConfig::default() }.init(device)
}

fn says_what_pytorch_says<B: AutodiffBackend>() {
    let (device, fixture) = (Default::default(), fixture());
    let model = model::<B>(&fixture, &device);
    let process = process::<B>(&device);
    let timesteps: Tensor<B, 1, Int> = fixture.int("timesteps", &device);
    let (noised, target) =
        process.noised(fixture.float("images", &device), fixture.float("noise", &device), timesteps.clone());
    assert_close(&noised, &fixture.float("noised", &device), TOLERANCE);
    let said = model.forward(noised, timesteps, Some(fixture.int("classes", &device)));
    assert_close(&said, &fixture.float("said", &device), TOLERANCE);
    let wrong = said - target;
    let loss = (wrong.clone() * wrong).mean();
    let value: f64 = loss.to_data().iter::<f64>().sum();
    assert!((value - fixture.number("loss")).abs() < TOLERANCE, "{value}");
    let (gradients, without) = gradients_by_path(&model, loss);
    assert!(without.is_empty(), "{without:?}");
    for (name, expected) in fixture.under("gradients.") {
        assert_data_close(&name, &gradients[&name], &expected, TOLERANCE);
    }
    let remaining = fixture.float::<B, 1>("remaining", &device).into_data();
    for (actual, expected) in process.remaining().iter().zip(remaining.iter::<f64>()) {
        assert!((actual - expected).abs() < 1e-6, "{actual} {expected}");
    }
}

#[test]
fn a_unet_says_what_pytorchs_says() {
    says_what_pytorch_says::<Autodiff<Flex>>();
    says_what_pytorch_says::<Autodiff<NdArray>>();
}

#[test]
fn ddim_makes_what_pytorchs_makes() {
    let (device, fixture) = (Default::default(), fixture());
    let model = model::<Flex>(&fixture, &device);
    let classes = Tensor::<Flex, 1, Int>::from_ints([1, 2], &device);
    let made = process::<Flex>(&device).sample(
        fixture.float("start", &device),
        Sampling { steps: 3, eta: 0.0 },
        |noised, timesteps| model.forward(noised, timesteps, Some(classes.clone())),
        |_| (),
    );
    assert_close(&made, &fixture.float("made", &device), TOLERANCE);
}

#[test]
fn no_class_is_what_the_last_row_says() {
    let (device, fixture) = (Default::default(), fixture());
    let model = model::<Flex>(&fixture, &device);
    let images = fixture.float::<Flex, 4>("images", &device);
    let timesteps: Tensor<Flex, 1, Int> = fixture.int("timesteps", &device);
    let none = model.forward(images.clone(), timesteps.clone(), Some(Tensor::full([3], 3, &device)));
    assert_close(&model.forward(images, timesteps, None), &none, 1e-6);
}

#[test]
fn a_network_begins_by_saying_nothing() {
    let device = Default::default();
    let model = config().init::<Flex>(&device);
    let images = Tensor::<Flex, 4>::random([2, 1, 4, 4], Distribution::Normal(0.0, 1.0), &device);
    let said = model.forward(images, Tensor::from_ints([1, 5], &device), None);
    assert_eq!(said.abs().max().into_scalar(), 0.0);
}

/// A place of the first level has the pixels of a square as channels, row by row, as `torch.nn.PixelUnshuffle` has them.
#[test]
fn a_network_of_patches_is_one_of_smaller_images_with_more_channels() {
    let device = Default::default();
    let mut patched = UNetConfig { image_size: 8, patch_size: 2, ..config() }.init::<Flex>(&device);
    let weight = patched.conv_out.weight.val();
    patched.conv_out.weight = Param::from_tensor(weight.random_like(Distribution::Normal(0.0, 1.0)));
    let plain =
        UNetConfig { image_channels: 4, ..config() }.init::<Flex>(&device).load_record(patched.clone().into_record());
    let images = Tensor::<Flex, 4>::random([2, 1, 8, 8], Distribution::Normal(0.0, 1.0), &device);
    let timesteps: Tensor<Flex, 1, Int> = Tensor::from_ints([1, 5], &device);
    // Every other pixel, from each of the four at the corner.
    let unshuffled = |images: &Tensor<Flex, 4>| {
        let corner = |row: i32, column: i32| images.clone().slice(s![.., .., row..;2, column..;2]);
        Tensor::cat(vec![corner(0, 0), corner(0, 1), corner(1, 0), corner(1, 1)], 1)
    };
    let said = patched.forward(images.clone(), timesteps.clone(), None);
    assert_eq!(said.dims(), [2, 1, 8, 8]);
    assert!(said.clone().abs().max().into_scalar() > 0.1);
    assert_close(&unshuffled(&said), &plain.forward(unshuffled(&images), timesteps, None), 1e-5);
}
