//! Weights that others have published, by name: torchvision's on ImageNet, and those of the CIFAR-10 ResNets.
//!
//! Addresses, sizes and scores are those of torchvision 0.29 (`torchvision.models`, `ResNet*_Weights` and `VGG*_Weights`) and of
//! [akamaster/pytorch_resnet_cifar10](https://github.com/akamaster/pytorch_resnet_cifar10).

/// Weights and what goes with them: how their training prepared the pictures, and how good they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Published {
    /// What a config calls them: `resnet50`, `resnet50.v2`, `cifar10-resnet20`.
    pub name: &'static str,
    /// The network they are for: `resnet50`, `resnet20`.
    pub architecture: &'static str,
    /// Name of the file; it ends in the beginning of its SHA-256.
    pub file_name: &'static str,
    /// What the logits stand for.
    pub classes: ClassSet,
    /// Side of the pictures, in pixels.
    pub input_size: usize,
    /// Before the centre of that size is cut out, the shorter side of a picture is brought to so many pixels.
    pub resize: usize,
    /// Mean of each channel of pictures in 0..1, which is subtracted.
    pub mean: [f32; 3],
    /// Standard deviation of each channel, by which is divided then.
    pub std: [f32; 3],
    /// Published accuracy in percent on the validation pictures of ImageNet or the test pictures of CIFAR-10, one view a picture.
    pub top1: f64,
    address: &'static str,
}

/// The classes that published weights tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassSet {
    /// The 1,000 of ImageNet-1K.
    ImageNet,
    /// The 10 of CIFAR-10.
    Cifar10,
}

impl ClassSet {
    /// How many there are.
    pub fn count(self) -> usize {
        match self {
            Self::ImageNet => 1000,
            Self::Cifar10 => 10,
        }
    }

    /// `imagenet` or `cifar10`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ImageNet => "imagenet",
            Self::Cifar10 => "cifar10",
        }
    }
}

/// There are no weights of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are no published weights \"{name}\"\n  {}there are {}", meant(near.as_deref()), all_names())]
pub struct UnknownWeights {
    /// What was asked for.
    pub name: String,
    /// What was probably meant.
    pub near: Option<String>,
}

fn meant(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("did you mean \"{near}\"?\n  "))
}

fn all_names() -> String {
    ALL.iter().map(|published| published.name).collect::<Vec<_>>().join(", ")
}

/// The weights of that name.
pub fn find(name: &str) -> Option<&'static Published> {
    ALL.iter().find(|published| published.name == name)
}

/// The weights of that name.
///
/// # Errors
/// [`UnknownWeights`] with the nearest name and all others.
pub fn named(name: &str) -> Result<&'static Published, UnknownWeights> {
    find(name).ok_or_else(|| UnknownWeights { name: name.into(), near: nearest(name) })
}

/// The weights that a file of this name holds, as far as names can tell.
pub fn of_file(file_name: &str) -> Option<&'static Published> {
    ALL.iter().find(|published| published.file_name == file_name)
}

fn nearest(name: &str) -> Option<String> {
    let name = name.to_lowercase().replace(['_', ' '], "-");
    let likeness = |known: &Published| strsim::normalized_damerau_levenshtein(&name, &known.name.replace('_', "-"));
    let best = ALL.iter().map(|known| (likeness(known), known.name)).max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(likeness, _)| *likeness >= 0.6).map(|(_, name)| name.to_string())
}

impl Published {
    /// Where they are to be had.
    pub fn url(&self) -> String {
        format!("{}/{}", self.address, self.file_name)
    }

    /// The beginning of the file's SHA-256, in hex, which its name ends in.
    pub fn sha256(&self) -> &'static str {
        let stem = self.file_name.rsplit_once('.').map_or(self.file_name, |(stem, _)| stem);
        stem.rsplit_once('-').map_or("", |(_, digits)| digits)
    }

    /// Which part of a resized picture the input is: 0.875 of 256 pixels are 224.
    pub fn crop_fraction(&self) -> f64 {
        self.input_size as f64 / self.resize as f64
    }

    /// Fetches the file, unless it is in kiln's cache or in that of `torch.hub`, and returns where it is.
    ///
    /// # Errors
    /// Those of [`download::fetch_weights`]: no network, no room, another checksum.
    #[cfg(feature = "download")]
    pub fn fetch(
        &self,
        progress: &mut dyn FnMut(download::Progress),
    ) -> Result<std::path::PathBuf, download::DownloadError> {
        download::fetch_weights(&self.url(), self.sha256(), progress)
    }
}

const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// torchvision's, whose names are those of its functions.
const fn imagenet(name: &'static str, file_name: &'static str, resize: usize, top1: f64) -> Published {
    let address = "https://download.pytorch.org/models";
    let classes = ClassSet::ImageNet;
    Published {
        name,
        architecture: name,
        file_name,
        classes,
        input_size: 224,
        resize,
        mean: MEAN,
        std: STD,
        top1,
        address,
    }
}

/// Those of torchvision's second recipe, with longer training and pictures cut out more widely.
const fn second(name: &'static str, architecture: &'static str, file_name: &'static str, top1: f64) -> Published {
    Published { architecture, ..imagenet(name, file_name, 232, top1) }
}

/// akamaster's; trained with ImageNet's means, and scored on whole pictures.
const fn cifar10(name: &'static str, architecture: &'static str, file_name: &'static str, top1: f64) -> Published {
    let address = "https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models";
    let classes = ClassSet::Cifar10;
    Published {
        name,
        architecture,
        file_name,
        classes,
        input_size: 32,
        resize: 32,
        mean: MEAN,
        std: STD,
        top1,
        address,
    }
}

/// Everything that is known here.
pub const ALL: [Published; 21] = [
    imagenet("resnet18", "resnet18-f37072fd.pth", 256, 69.758),
    imagenet("resnet34", "resnet34-b627a593.pth", 256, 73.314),
    imagenet("resnet50", "resnet50-0676ba61.pth", 256, 76.13),
    second("resnet50.v2", "resnet50", "resnet50-11ad3fa6.pth", 80.858),
    imagenet("resnet101", "resnet101-63fe2227.pth", 256, 77.374),
    second("resnet101.v2", "resnet101", "resnet101-cd907fc2.pth", 81.886),
    imagenet("resnet152", "resnet152-394f9c45.pth", 256, 78.312),
    second("resnet152.v2", "resnet152", "resnet152-f82ba261.pth", 82.284),
    imagenet("vgg11", "vgg11-8a719046.pth", 256, 69.02),
    imagenet("vgg11_bn", "vgg11_bn-6002323d.pth", 256, 70.37),
    imagenet("vgg13", "vgg13-19584684.pth", 256, 69.928),
    imagenet("vgg13_bn", "vgg13_bn-abd245e5.pth", 256, 71.586),
    imagenet("vgg16", "vgg16-397923af.pth", 256, 71.592),
    imagenet("vgg16_bn", "vgg16_bn-6c64b313.pth", 256, 73.36),
    imagenet("vgg19", "vgg19-dcbb9e9d.pth", 256, 72.376),
    imagenet("vgg19_bn", "vgg19_bn-c79401a0.pth", 256, 74.218),
    cifar10("cifar10-resnet20", "resnet20", "resnet20-12fca82f.th", 91.73),
    cifar10("cifar10-resnet32", "resnet32", "resnet32-d509ac18.th", 92.63),
    cifar10("cifar10-resnet44", "resnet44", "resnet44-014dd654.th", 93.1),
    cifar10("cifar10-resnet56", "resnet56", "resnet56-4bfd9763.th", 93.39),
    cifar10("cifar10-resnet110", "resnet110", "resnet110-1d1ed7c2.th", 93.68),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_said_of_torchvision_is_what_torchvision_says() {
        let fixture = include_str!("../tests/fixtures/published.json");
        let rows: Vec<serde_json::Value> = serde_json::from_str(fixture).unwrap();
        let ours: Vec<&Published> = ALL.iter().filter(|published| published.classes == ClassSet::ImageNet).collect();
        assert_eq!(ours.len(), rows.len());
        for row in rows {
            let name = row["name"].as_str().unwrap();
            let ours = find(name).unwrap_or_else(|| panic!("{name} is missing"));
            let text = |key: &str| row[key].as_str().unwrap();
            let number = |key: &str| row[key].as_f64().unwrap();
            assert_eq!((ours.url().as_str(), ours.architecture), (text("url"), text("architecture")));
            assert_eq!((ours.top1, ours.classes.count() as f64), (number("top1"), number("classes")), "{name}");
            assert_eq!(
                (ours.input_size as f64, ours.resize as f64),
                (number("input_size"), number("resize")),
                "{name}"
            );
            for (key, ours) in [("mean", ours.mean), ("std", ours.std)] {
                let theirs: Vec<f32> =
                    row[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
                assert_eq!(ours, *theirs, "{name}");
            }
        }
    }

    #[test]
    fn every_name_is_unique_and_every_file_carries_its_checksum() {
        assert_eq!(ALL.iter().map(|published| published.name).collect::<BTreeSet<_>>().len(), ALL.len());
        for published in ALL {
            let digits = published.sha256();
            assert!(digits.len() == 8 && digits.chars().all(|digit| digit.is_ascii_hexdigit()), "{}", published.name);
        }
        assert_eq!(find("resnet50").unwrap().crop_fraction(), 0.875);
        assert_eq!(find("cifar10-resnet20").unwrap().crop_fraction(), 1.0);
    }

    #[test]
    fn a_name_that_is_not_known_suggests_the_nearest() {
        assert!(find("resnet5").is_none());
        for (typed, near) in [
            ("resnet05", "resnet50"),
            ("vgg16bn", "vgg16_bn"),
            ("resnet50.v3", "resnet50.v2"),
            ("cifar10_resnet20", "cifar10-resnet20"),
        ] {
            assert_eq!(named(typed).unwrap_err().near.as_deref(), Some(near), "{typed}");
        }
        let message = named("inception").unwrap_err().to_string();
        assert!(
            message.contains("\"inception\"") && message.contains("vgg11_bn") && !message.contains("mean"),
            "{message}"
        );
        let message = named("resnet-50").unwrap_err().to_string();
        assert!(message.contains("did you mean \"resnet50\"?"), "{message}");
    }
}
