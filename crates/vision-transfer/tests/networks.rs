//! What every network promises: torchvision's parameters, stages that cover them, gradients for all, and that it can learn.

#[allow(dead_code)]
mod support;

use std::collections::BTreeMap;

use burn::{
    backend::{Autodiff, Flex},
    module::{AutodiffModule, Module},
    optim::{AdamConfig, GradientsParams, Optimizer},
    tensor::{Int, Tensor, TensorData, backend::Backend},
};
use layers::loss::{CrossEntropy, cross_entropy};
use serde::Deserialize;
use support::{CASES, FIXTURES, fixture, network, sized};
use testkit::{assert_close, every_parameter_has_gradient};
use vision_transfer::{
    cifar_resnet::CifarResNetConfig,
    network::{Architecture, Network, NetworkConfig, Stage},
    pretrained::state_dict,
    resnet::ResNetConfig,
    vgg::VggConfig,
};

type Train = Autodiff<Flex>;

/// What torchvision's networks are made of (tests/fixtures/make_networks.py).
#[derive(Deserialize)]
struct Facts {
    counts: BTreeMap<String, usize>,
    shapes: BTreeMap<String, BTreeMap<String, Vec<usize>>>,
}

fn facts() -> Facts {
    serde_json::from_str(&std::fs::read_to_string(format!("{FIXTURES}/networks.json")).unwrap()).unwrap()
}

fn is_statistic(name: &str) -> bool {
    name.ends_with("running_mean") || name.ends_with("running_var")
}

fn init(architecture: Architecture) -> Network<Flex> {
    let classes = if architecture.default_input_size() == 32 { 10 } else { 1000 };
    NetworkConfig { architecture, classes, ..NetworkConfig::default() }.init(&Default::default())
}

fn shapes<B: Backend>(network: &Network<B>) -> BTreeMap<String, Vec<usize>> {
    state_dict(network).into_iter().map(|(name, data)| (name, data.shape.to_vec())).collect()
}

fn count(shapes: &BTreeMap<String, Vec<usize>>) -> usize {
    shapes.iter().filter(|(name, _)| !is_statistic(name)).map(|(_, shape)| shape.iter().product::<usize>()).sum()
}

/// Shapes of the network of this name; of a VGG, whose full classifier takes seconds to draw, with a tiny one.
fn shapes_of(architecture: Architecture) -> BTreeMap<String, Vec<usize>> {
    let config = match architecture.name().trim_end_matches("_bn") {
        "vgg11" => VggConfig::vgg11(),
        "vgg13" => VggConfig::vgg13(),
        "vgg16" => VggConfig::vgg16(),
        "vgg19" => VggConfig::vgg19(),
        _ => return shapes(&init(architecture)),
    };
    let batch_norm = architecture.name().ends_with("_bn");
    let tiny = VggConfig { hidden_size: 1, classes: 1, ..config.with_batch_norm(batch_norm) };
    let mut shapes = shapes(&Network::Vgg(tiny.init::<Flex>(&Default::default())));
    for (layer, full) in
        [("classifier.0", [4096, 25088]), ("classifier.3", [4096, 4096]), ("classifier.6", [1000, 4096])]
    {
        assert!(shapes.insert(format!("{layer}.weight"), full.to_vec()).is_some());
        assert!(shapes.insert(format!("{layer}.bias"), vec![full[0]]).is_some());
    }
    shapes
}

#[test]
fn parameters_are_as_many_as_torchvisions() {
    let expected = facts().counts;
    assert_eq!(expected.len(), Architecture::ALL.len());
    for architecture in Architecture::ALL {
        assert_eq!(count(&shapes_of(architecture)), expected[architecture.name()], "{architecture}");
    }
}

#[test]
fn names_and_shapes_are_torchvisions() {
    for (name, expected) in facts().shapes {
        let architecture = Architecture::ALL.into_iter().find(|known| known.name() == name).unwrap();
        assert_eq!(shapes_of(architecture), expected, "{name}");
    }
}

/// Whether a path is that of a parameter under a pattern `….*`, the only kind that stages have.
fn covers(stage: &Stage, path: &str) -> bool {
    stage.patterns.iter().any(|pattern| path.starts_with(pattern.strip_suffix('*').expect("a pattern ends in *")))
}

#[test]
fn stages_cover_every_parameter_once() {
    let full = [Architecture::Resnet18, Architecture::Resnet50, Architecture::Resnet110].map(init);
    let vgg19 = VggConfig { width: 1, hidden_size: 2, ..VggConfig::vgg19().with_batch_norm(true) };
    let vgg19 = Network::Vgg(vgg19.init::<Flex>(&Default::default()));
    let small = CASES.map(|case| sized::<Flex>(case, 3, 3));
    for network in full.into_iter().chain(small).chain([vgg19]) {
        let stages = network.stages();
        for path in state_dict(&network).keys() {
            let owners: Vec<&str> =
                stages.iter().filter(|stage| covers(stage, path)).map(|stage| stage.name.as_str()).collect();
            assert_eq!(owners.len(), 1, "{path} is in {owners:?}");
        }
        for stage in &stages {
            assert!(state_dict(&network).keys().any(|path| covers(stage, path)), "{} is empty", stage.name);
        }
    }
}

#[test]
fn stages_have_their_names_from_bottom_to_top() {
    let names = |case: &str| -> Vec<String> {
        sized::<Flex>(case, 3, 3).stages().into_iter().map(|stage| stage.name).collect()
    };
    assert_eq!(names("bottleneck"), ["stem", "layer1", "layer2", "layer3", "layer4", "head"]);
    assert_eq!(names("cifar"), ["stem", "layer1", "layer2", "layer3", "head"]);
    assert_eq!(names("vgg11_bn"), ["block1", "block2", "block3", "block4", "block5", "classifier", "head"]);
}

fn images<B: Backend>(batch: usize, channels: usize, size: usize) -> Tensor<B, 4> {
    let count = batch * channels * size * size;
    let values: Vec<f32> = (0..count).map(|place| (place * 7919 % 1000) as f32 / 250.0 - 2.0).collect();
    Tensor::from_data(TensorData::new(values, [batch, channels, size, size]), &Default::default())
}

#[test]
fn every_parameter_gets_a_gradient() {
    for case in CASES {
        let network = sized::<Train>(case, 3, 3);
        let loss = network.forward(images(4, 3, 40)).powi_scalar(2).sum();
        every_parameter_has_gradient(&network, loss);
    }
}

#[test]
fn images_may_be_grey_or_have_more_channels() {
    for case in CASES {
        for channels in [1, 5] {
            let network = sized::<Flex>(case, channels, 7);
            assert_eq!(network.forward(images(2, channels, 33)).dims(), [2, 7], "{case}");
        }
    }
}

/// From the weights of the fixture, so that it always goes the same way, and slowly: at a rate of 1e-2 the small VGGs lose their rectifiers
/// and stay where they are, to the same loss in PyTorch (0.4783 for that with batch normalisation).
#[test]
fn every_family_memorises_a_batch() {
    let device = Default::default();
    let fixture = fixture();
    for case in CASES {
        let mut network = network::<Train>(case, &fixture);
        let images: Tensor<Train, 4> = fixture.float(&format!("{case}.images"), &device);
        let labels: Tensor<Train, 1, Int> = fixture.int(&format!("{case}.labels"), &device);
        let loss = |network: &Network<Train>| {
            cross_entropy(network.forward(images.clone()), labels.clone(), &CrossEntropy::default())
        };
        let mut adam = AdamConfig::new().init();
        let first = loss(&network).into_scalar();
        for _ in 0..1000 {
            let gradients = GradientsParams::from_grads(loss(&network).backward(), &network);
            network = adam.step(1e-3, network, gradients);
        }
        let last = loss(&network).into_scalar();
        assert!(last < 0.1, "{case}: from {first} to {last}");
    }
}

#[test]
fn a_new_head_has_other_classes_and_leaves_the_trunk_alone() {
    for case in CASES {
        let mut network = sized::<Flex>(case, 3, 3);
        let before = state_dict(&network);
        network.reset_head(11);
        assert_eq!(network.forward(images(2, 3, 32)).dims(), [2, 11], "{case}");
        let head = network.stages().pop().unwrap();
        for (path, data) in state_dict(&network) {
            assert_eq!(data == before[&path], !covers(&head, &path), "{case}: {path}");
        }
    }
}

#[test]
fn identity_blocks_pass_their_shortcut_on() {
    let config = CifarResNetConfig { zero_init_residual: true, ..CifarResNetConfig::new(3) };
    let network = config.init::<Flex>(&Default::default());
    let features = images::<Flex>(2, 16, 8).abs();
    let output = network.layer1.iter().fold(features.clone(), |features, block| block.forward(features));
    assert_close(&output, &features, 1e-6);
    let config = ResNetConfig { width: 4, zero_init_residual: true, ..ResNetConfig::resnet50() };
    let features = images::<Flex>(2, 16, 8).abs();
    assert_close(&config.init::<Flex>(&Default::default()).layer1[1].forward(features.clone()), &features, 1e-6);
}

#[test]
fn a_dropped_path_leaves_out_whole_images_in_training_alone() {
    let config = CifarResNetConfig { drop_path: 0.5, ..CifarResNetConfig::new(2) };
    let network = config.init::<Train>(&Default::default());
    let rates: Vec<f64> = [&network.layer1, &network.layer2, &network.layer3]
        .into_iter()
        .flatten()
        .map(|block| block.drop_path)
        .collect();
    for (block, rate) in rates.iter().enumerate() {
        assert!((rate - 0.5 * (block + 1) as f64 / 6.0).abs() < 1e-12, "{rates:?}");
    }
    let block = &network.layer3[1];
    let features = images::<Train>(64, 64, 2).abs();
    let difference = (block.forward(features.clone()) - features.clone()).abs();
    let moved: Vec<f32> = difference.reshape([64, -1]).max_dim(1).into_data().iter::<f32>().collect();
    let left_out = moved.iter().filter(|moved| **moved == 0.0).count();
    // Of 64 images half are expected; fewer than 10 or more than 54 happen once in 3·10⁸ times.
    assert!((10..=54).contains(&left_out), "{left_out} of 64");
    // Two draws would differ.
    let evaluated = network.valid();
    let features = features.inner();
    assert_close(&evaluated.layer3[1].forward(features.clone()), &evaluated.layer3[1].forward(features), 0.0);
}

#[test]
fn dropout_is_for_training_and_never_in_what_a_probe_sees() {
    let config =
        NetworkConfig { architecture: Architecture::Resnet8, classes: 3, dropout: Some(0.5), ..Default::default() };
    let network = config.init::<Train>(&Default::default());
    let features = network.forward_features(images(4, 3, 8));
    let head = || network.forward_head(features.clone());
    assert_ne!(head().to_data(), head().to_data());
    assert_eq!(network.pooled(features.clone()).to_data(), network.pooled(features.clone()).to_data());
    let evaluated = network.valid();
    let features = features.inner();
    assert_eq!(evaluated.forward_head(features.clone()).to_data(), evaluated.forward_head(features).to_data());
}

#[test]
fn a_frozen_trunk_keeps_its_statistics() {
    let network = sized::<Train>("basic", 3, 3).no_grad();
    let before = state_dict(&network);
    network.forward(images(4, 3, 40));
    assert_eq!(state_dict(&network), before);
}

#[test]
fn configs_say_what_is_wrong() {
    let read = |text: &str| serde_json::from_str::<NetworkConfig>(text);
    let config = read(r#"{"architecture": "vgg16_bn"}"#).unwrap();
    assert_eq!(config, NetworkConfig { architecture: Architecture::Vgg16Bn, ..NetworkConfig::default() });
    assert_eq!(config.validate(), []);
    for architecture in Architecture::ALL {
        let name = serde_json::to_string(&architecture).unwrap();
        assert_eq!(name, format!("{:?}", architecture.name()));
    }
    let unknown = read(r#"{"architecture": "resnet19"}"#).unwrap_err().to_string();
    for architecture in Architecture::ALL {
        assert!(unknown.contains(architecture.name()), "{unknown}");
    }
    assert!(read(r#"{"arch": "resnet18"}"#).is_err());
    let wrong = NetworkConfig { drop_path: 0.2, dropout: Some(1.0), classes: 0, zero_init_residual: true, ..config };
    let keys: Vec<&str> = wrong.validate().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["classes", "dropout", "drop_path", "zero_init_residual"]);
}

#[test]
fn the_least_image_is_enough() {
    for case in CASES {
        let size =
            if case.starts_with("vgg") { Architecture::Vgg11 } else { Architecture::Resnet18 }.minimum_input_size();
        assert_eq!(sized::<Flex>(case, 3, 3).forward(images(1, 3, size)).dims(), [1, 3], "{case}");
    }
}
