//! The small networks of tests/fixtures/make_networks.py.

use burn::tensor::backend::Backend;
use testkit::Fixture;
use vision_transfer::{
    cifar_resnet::CifarResNetConfig,
    network::Network,
    pretrained,
    resnet::{BlockKind, ResNetConfig},
    vgg::VggConfig,
};

pub const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

/// Their names.
pub const CASES: [&str; 5] = ["basic", "bottleneck", "cifar", "vgg11", "vgg11_bn"];

const CLASSES: usize = 3;
const WIDTH: usize = 2;

pub fn fixture() -> Fixture {
    Fixture::read(format!("{FIXTURES}/networks.safetensors"))
}

/// A small network with random weights, for images of `in_channels` and with `classes`.
pub fn sized<B: Backend>(case: &str, in_channels: usize, classes: usize) -> Network<B> {
    let device = Default::default();
    let resnet =
        |block, layers| ResNetConfig { block, layers, width: WIDTH, in_channels, classes, ..ResNetConfig::resnet18() };
    let vgg = VggConfig { width: WIDTH, hidden_size: 6, in_channels, classes, dropout: 0.0, ..VggConfig::vgg11() };
    match case {
        "basic" => Network::ResNet(resnet(BlockKind::Basic, [2, 1, 1, 1]).init(&device)),
        "bottleneck" => Network::ResNet(resnet(BlockKind::Bottleneck, [1, 2, 1, 1]).init(&device)),
        "cifar" => {
            let config = CifarResNetConfig { width: WIDTH, in_channels, classes, ..CifarResNetConfig::new(2) };
            Network::CifarResNet(config.init(&device))
        }
        "vgg11" => Network::Vgg(vgg.init(&device)),
        "vgg11_bn" => Network::Vgg(vgg.with_batch_norm(true).init(&device)),
        other => panic!("there is no network {other}"),
    }
}

/// A small network with the weights of the fixture.
pub fn network<B: Backend>(case: &str, fixture: &Fixture) -> Network<B> {
    let mut network = sized(case, 3, CLASSES);
    pretrained::load(&mut network, fixture.under(&format!("{case}.weights."))).unwrap();
    network
}
