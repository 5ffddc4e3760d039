//! Any of this crate's architectures by its name, behind one interface.

use std::fmt;

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};

use crate::{
    cifar_resnet::{CifarResNet, CifarResNetConfig},
    resnet::{ResNet, ResNetConfig},
    vgg::{FeatureLayer, Vgg, VggConfig},
};

/// The architectures, by the names of torchvision, and for those of CIFAR by their numbers of layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Architecture {
    Resnet18,
    Resnet34,
    #[default]
    Resnet50,
    Resnet101,
    Resnet152,
    Vgg11,
    Vgg11Bn,
    Vgg13,
    Vgg13Bn,
    Vgg16,
    Vgg16Bn,
    Vgg19,
    Vgg19Bn,
    /// For 32×32 pixels, as all that follow. A tiny one, for tests and first tries.
    Resnet8,
    Resnet20,
    Resnet32,
    Resnet44,
    Resnet56,
    Resnet110,
}

/// A network. What it is called, and what may be dropped in training; its first and last sizes are those of the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// Which network. Default: `resnet50`.
    pub architecture: Architecture,
    /// Channels of the images. Default: 3.
    pub in_channels: usize,
    /// Logits. Default: 1000.
    pub classes: usize,
    /// ResNets: probability of leaving out the branch of the last block in training; it grows linearly over the blocks (stochastic
    /// depth, [Huang et al. 2016](https://arxiv.org/abs/1603.09382)). Default: 0.
    pub drop_path: f64,
    /// Probability of dropping a feature in training: before the last layer of a ResNet, after the hidden layers of a VGG's
    /// classifier. Default: 0.5 for VGG, else 0.
    pub dropout: Option<f64>,
    /// ResNets: every block begins as the identity. Default: false.
    pub zero_init_residual: bool,
}

/// A network of one of the families. (In paths of parameters the name of the family does not count; see
/// [`pretrained::state_dict`](crate::pretrained::state_dict).)
#[derive(Module, Debug)]
pub enum Network<B: Backend> {
    /// For images of any size.
    ResNet(ResNet<B>),
    /// For small images.
    CifarResNet(CifarResNet<B>),
    /// For images of at least 32×32 pixels.
    Vgg(Vgg<B>),
}

/// A part of a network that is frozen, or trained at a rate of its own, as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// `stem`, `layer1` to `layer4` (`layer3` for CIFAR) and `head`, or for VGG `block1` to `block5`, `classifier` and `head`.
    pub name: String,
    /// Patterns over the paths of its parameters and buffers, in which `*` stands for anything.
    pub patterns: Vec<String>,
}

impl Architecture {
    /// All there are.
    pub const ALL: [Self; 19] = [
        Self::Resnet18,
        Self::Resnet34,
        Self::Resnet50,
        Self::Resnet101,
        Self::Resnet152,
        Self::Vgg11,
        Self::Vgg11Bn,
        Self::Vgg13,
        Self::Vgg13Bn,
        Self::Vgg16,
        Self::Vgg16Bn,
        Self::Vgg19,
        Self::Vgg19Bn,
        Self::Resnet8,
        Self::Resnet20,
        Self::Resnet32,
        Self::Resnet44,
        Self::Resnet56,
        Self::Resnet110,
    ];

    /// The name in configs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resnet18 => "resnet18",
            Self::Resnet34 => "resnet34",
            Self::Resnet50 => "resnet50",
            Self::Resnet101 => "resnet101",
            Self::Resnet152 => "resnet152",
            Self::Vgg11 => "vgg11",
            Self::Vgg11Bn => "vgg11_bn",
            Self::Vgg13 => "vgg13",
            Self::Vgg13Bn => "vgg13_bn",
            Self::Vgg16 => "vgg16",
            Self::Vgg16Bn => "vgg16_bn",
            Self::Vgg19 => "vgg19",
            Self::Vgg19Bn => "vgg19_bn",
            Self::Resnet8 => "resnet8",
            Self::Resnet20 => "resnet20",
            Self::Resnet32 => "resnet32",
            Self::Resnet44 => "resnet44",
            Self::Resnet56 => "resnet56",
            Self::Resnet110 => "resnet110",
        }
    }

    /// Height and width of the images that it was made for.
    pub fn default_input_size(self) -> usize {
        match self.family() {
            Family::CifarResNet(_) => 32,
            Family::ResNet(_) | Family::Vgg(_) => 224,
        }
    }

    /// The least height and width that it takes.
    pub fn minimum_input_size(self) -> usize {
        match self.family() {
            Family::ResNet(_) | Family::CifarResNet(_) => 1,
            Family::Vgg(_) => 32,
        }
    }

    /// The probability with which features are dropped in training, unless a config says otherwise.
    pub fn default_dropout(self) -> f64 {
        match self.family() {
            Family::ResNet(config) => config.dropout,
            Family::CifarResNet(config) => config.dropout,
            Family::Vgg(config) => config.dropout,
        }
    }

    fn family(self) -> Family {
        match self {
            Self::Resnet18 => Family::ResNet(ResNetConfig::resnet18()),
            Self::Resnet34 => Family::ResNet(ResNetConfig::resnet34()),
            Self::Resnet50 => Family::ResNet(ResNetConfig::resnet50()),
            Self::Resnet101 => Family::ResNet(ResNetConfig::resnet101()),
            Self::Resnet152 => Family::ResNet(ResNetConfig::resnet152()),
            Self::Vgg11 => Family::Vgg(VggConfig::vgg11()),
            Self::Vgg11Bn => Family::Vgg(VggConfig::vgg11().with_batch_norm(true)),
            Self::Vgg13 => Family::Vgg(VggConfig::vgg13()),
            Self::Vgg13Bn => Family::Vgg(VggConfig::vgg13().with_batch_norm(true)),
            Self::Vgg16 => Family::Vgg(VggConfig::vgg16()),
            Self::Vgg16Bn => Family::Vgg(VggConfig::vgg16().with_batch_norm(true)),
            Self::Vgg19 => Family::Vgg(VggConfig::vgg19()),
            Self::Vgg19Bn => Family::Vgg(VggConfig::vgg19().with_batch_norm(true)),
            Self::Resnet8 => Family::CifarResNet(CifarResNetConfig::new(1)),
            Self::Resnet20 => Family::CifarResNet(CifarResNetConfig::new(3)),
            Self::Resnet32 => Family::CifarResNet(CifarResNetConfig::new(5)),
            Self::Resnet44 => Family::CifarResNet(CifarResNetConfig::new(7)),
            Self::Resnet56 => Family::CifarResNet(CifarResNetConfig::new(9)),
            Self::Resnet110 => Family::CifarResNet(CifarResNetConfig::new(18)),
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an architecture is made of.
enum Family {
    ResNet(ResNetConfig),
    CifarResNet(CifarResNetConfig),
    Vgg(VggConfig),
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            architecture: Architecture::default(),
            in_channels: 3,
            classes: 1000,
            drop_path: 0.0,
            dropout: None,
            zero_init_residual: false,
        }
    }
}

impl NetworkConfig {
    /// The values that can never work: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        for (key, size) in [("in_channels", self.in_channels), ("classes", self.classes)] {
            if size == 0 {
                wrong.push((key, "must be at least 1".to_string()));
            }
        }
        for (key, probability) in [("drop_path", self.drop_path), ("dropout", self.dropout.unwrap_or(0.0))] {
            if !(0.0..1.0).contains(&probability) {
                wrong.push((key, "must be at least 0 and below 1".to_string()));
            }
        }
        if matches!(self.architecture.family(), Family::Vgg(_)) {
            let no_blocks = || format!("is for residual networks; {} has no residual blocks", self.architecture);
            if self.drop_path > 0.0 {
                wrong.push(("drop_path", no_blocks()));
            }
            if self.zero_init_residual {
                wrong.push(("zero_init_residual", no_blocks()));
            }
        }
        wrong
    }

    /// A network with random weights, drawn at this call as the reference implementation draws them.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) finds something.
    pub fn init<B: Backend>(&self, device: &B::Device) -> Network<B> {
        let wrong = self.validate();
        assert!(wrong.is_empty(), "impossible network: {wrong:?}");
        let Self { in_channels, classes, drop_path, dropout, zero_init_residual, .. } = *self;
        match self.architecture.family() {
            Family::ResNet(published) => {
                let dropout = dropout.unwrap_or(published.dropout);
                let config = ResNetConfig { in_channels, classes, drop_path, dropout, zero_init_residual, ..published };
                Network::ResNet(config.init(device))
            }
            Family::CifarResNet(published) => {
                let dropout = dropout.unwrap_or(published.dropout);
                let config =
                    CifarResNetConfig { in_channels, classes, drop_path, dropout, zero_init_residual, ..published };
                Network::CifarResNet(config.init(device))
            }
            Family::Vgg(published) => {
                let dropout = dropout.unwrap_or(published.dropout);
                Network::Vgg(VggConfig { in_channels, classes, dropout, ..published }.init(device))
            }
        }
    }
}

/// The same expression for the network of any family.
macro_rules! on_family {
    ($network:expr, $of_family:ident => $result:expr) => {
        match $network {
            Network::ResNet($of_family) => $result,
            Network::CifarResNet($of_family) => $result,
            Network::Vgg($of_family) => $result,
        }
    };
}

impl<B: Backend> Network<B> {
    /// One logit a class for each image.
    ///
    /// # Shapes
    /// - images: `[batch, in_channels, height, width]`
    /// - logits: `[batch, classes]`
    pub fn forward(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        on_family!(self, network => network.forward(images))
    }

    /// The last feature map.
    ///
    /// # Shapes
    /// - images: `[batch, in_channels, height, width]`
    /// - features: `[batch, channels, height', width']`
    pub fn forward_features(&self, images: Tensor<B, 4>) -> Tensor<B, 4> {
        on_family!(self, network => network.forward_features(images))
    }

    /// The logits of a feature map; in training with dropout.
    ///
    /// # Shapes
    /// - features: `[batch, channels, height', width']`
    /// - logits: `[batch, classes]`
    pub fn forward_head(&self, features: Tensor<B, 4>) -> Tensor<B, 2> {
        on_family!(self, network => network.forward_head(features))
    }

    /// What the last layer sees of a feature map: all of the head but the last layer, without dropout.
    ///
    /// # Shapes
    /// - features: `[batch, channels, height', width']`
    /// - output: `[batch, num_features]`
    pub fn pooled(&self, features: Tensor<B, 4>) -> Tensor<B, 2> {
        on_family!(self, network => network.pooled(features))
    }

    /// The last layer.
    ///
    /// # Shapes
    /// - pooled: `[batch, num_features]`
    /// - logits: `[batch, classes]`
    pub fn classify(&self, pooled: Tensor<B, 2>) -> Tensor<B, 2> {
        on_family!(self, network => network.classify(pooled))
    }

    /// Puts a new last layer, freshly drawn, in the place of the old one.
    pub fn reset_head(&mut self, classes: usize) {
        on_family!(self, network => network.reset_head(classes))
    }

    /// Numbers that the last layer sees of an image.
    pub fn num_features(&self) -> usize {
        on_family!(self, network => network.num_features())
    }

    /// The stages from bottom to top; each parameter belongs to exactly one. The last is the `head`: the last layer.
    pub fn stages(&self) -> Vec<Stage> {
        match self {
            Self::ResNet(_) => residual_stages(4, "fc"),
            Self::CifarResNet(_) => residual_stages(3, "linear"),
            Self::Vgg(network) => vgg_stages(network),
        }
    }
}

impl Stage {
    /// The stage of the modules at these paths.
    fn new(name: impl Into<String>, modules: &[String]) -> Self {
        Self { name: name.into(), patterns: modules.iter().map(|module| format!("{module}.*")).collect() }
    }
}

fn residual_stages(layers: usize, head: &str) -> Vec<Stage> {
    let mut stages = vec![Stage::new("stem", &["conv1".to_string(), "bn1".to_string()])];
    stages.extend((1..=layers).map(|layer| format!("layer{layer}")).map(|layer| Stage::new(layer.clone(), &[layer])));
    stages.push(Stage::new("head", &[head.to_string()]));
    stages
}

fn vgg_stages<B: Backend>(network: &Vgg<B>) -> Vec<Stage> {
    let mut stages = Vec::new();
    let mut modules = Vec::new();
    for (place, layer) in network.features.iter().enumerate() {
        match layer {
            FeatureLayer::Convolution(_) | FeatureLayer::BatchNorm(_) => modules.push(format!("features.{place}")),
            FeatureLayer::Relu(_) => {}
            FeatureLayer::MaxPool(_) => {
                stages.push(Stage::new(format!("block{}", stages.len() + 1), &modules));
                modules.clear();
            }
        }
    }
    stages.push(Stage::new("classifier", &["classifier.0".to_string(), "classifier.3".to_string()]));
    stages.push(Stage::new("head", &["classifier.6".to_string()]));
    stages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_number_of_layers() {
        for architecture in Architecture::ALL {
            let name = architecture.name().trim_end_matches("_bn");
            let (layers, batch_norm) = match architecture.family() {
                Family::ResNet(config) => (2 + config.layers.iter().sum::<usize>() * convolutions(&config), true),
                Family::CifarResNet(config) => (2 + 6 * config.blocks, true),
                Family::Vgg(config) => (3 + config.convolutions.iter().sum::<usize>(), config.batch_norm),
            };
            assert!(name.ends_with(&layers.to_string()), "{architecture} has {layers} layers");
            assert_eq!(
                name.starts_with("resnet") || architecture.name().ends_with("_bn"),
                batch_norm,
                "{architecture}"
            );
        }
    }

    /// Of a block.
    fn convolutions(config: &ResNetConfig) -> usize {
        if config.block.expansion() == 1 { 2 } else { 3 }
    }
}
