//! What tensors are called: in files, and in a network.

use burn::{module::Module, tensor::backend::Backend};

use crate::network::Network;

/// The names of a network.
pub(super) struct Names {
    /// What the network is, for people.
    pub network: String,
    /// The module that is the last layer.
    head: &'static str,
    /// The convolution that sees the images.
    first: &'static str,
    /// Where other names for modules begin, and what they are here.
    aliases: &'static [(&'static str, &'static str)],
    /// Beginnings of names that belong to the trunk.
    trunk: &'static [&'static str],
}

/// timm's VGGs.
const VGG_ALIASES: [(&str, &str); 3] =
    [("pre_logits.fc1.", "classifier.0."), ("pre_logits.fc2.", "classifier.3."), ("head.fc.", "classifier.6.")];

impl Names {
    pub fn of<B: Backend>(network: &Network<B>) -> Self {
        let (family, head, first, aliases, trunk): (_, _, _, &[_], &[_]) = match network {
            Network::ResNet(_) => ("ResNet", "fc.", "conv1.", &[], &["conv1.", "bn1.", "layer"]),
            Network::CifarResNet(_) => ("CIFAR ResNet", "linear.", "conv1.", &[], &["conv1.", "bn1.", "layer"]),
            Network::Vgg(_) => ("VGG", "classifier.6.", "features.0.", &VGG_ALIASES, &["features."]),
        };
        let millions = network.num_params() as f64 / 1e6;
        Self { network: format!("this {family} of {millions:.1} M parameters"), head, first, aliases, trunk }
    }

    /// The name in the network of a tensor that is called `name` in a file; `None` for what is no weight.
    pub fn ours(&self, name: &str) -> Option<String> {
        if name.ends_with("num_batches_tracked") {
            return None;
        }
        let alias = self.aliases.iter().find_map(|(theirs, ours)| Some((ours, name.strip_prefix(theirs)?)));
        Some(alias.map_or_else(|| name.to_string(), |(ours, rest)| format!("{ours}{rest}")))
    }

    pub fn is_head(&self, name: &str) -> bool {
        name.starts_with(self.head)
    }

    pub fn is_first(&self, name: &str) -> bool {
        name.starts_with(self.first)
    }

    /// Whether a name is that of a part that networks of this family have below the head.
    pub fn is_trunk(&self, name: &str) -> bool {
        self.trunk.iter().any(|prefix| name.starts_with(prefix))
    }
}
