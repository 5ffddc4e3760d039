//! Weights from files: what is understood, what becomes of every tensor, and what is refused.

#[allow(dead_code)]
mod support;

use std::path::{Path, PathBuf};

use burn::{
    backend::{Autodiff, Flex, NdArray},
    tensor::{DType, Tensor, TensorData, backend::Backend},
};
use support::{CASES, FIXTURES, fixture, network, sized};
use testkit::{Fixture, assert_data_close};
use vision_transfer::{
    cifar_resnet::CifarResNetConfig,
    network::{Architecture, Network, NetworkConfig},
    pretrained::{self, LoadOutcome, PretrainedError, StateDict, load, read, state_dict},
};

fn weights(fixture: &Fixture, case: &str) -> StateDict {
    fixture.under(&format!("{case}.weights."))
}

#[track_caller]
fn assert_logits<B: Backend>(case: &str, fixture: &Fixture, network: &Network<B>, tolerance: f64) {
    let logits = network.forward(fixture.float(&format!("{case}.images"), &Default::default()));
    let expected = fixture.data(&format!("{case}.logits"));
    assert_data_close(case, &logits.into_data().convert::<f32>(), expected, tolerance);
}

/// The network that zip.pth and legacy.th hold.
fn small() -> Network<Flex> {
    let config = CifarResNetConfig { width: 2, classes: 3, ..CifarResNetConfig::new(1) };
    Network::CifarResNet(config.init(&Default::default()))
}

#[test]
fn pytorchs_checkpoints_of_both_formats_are_read() {
    let mut from_legacy = small();
    let report = load(&mut from_legacy, read(format!("{FIXTURES}/legacy.th")).unwrap()).unwrap();
    assert!(report.rows.iter().all(|row| row.outcome == LoadOutcome::Loaded));
    // In half precision, in the memory format `channels_last`, and without the wrapper's prefix.
    let mut from_zip = small();
    load(&mut from_zip, read(format!("{FIXTURES}/zip.pth")).unwrap()).unwrap();
    let (legacy, zip) = (state_dict(&from_legacy), state_dict(&from_zip));
    for (name, data) in &legacy {
        assert_eq!(zip[name].dtype, DType::F32);
        assert_data_close(name, &zip[name], data, 2e-3);
    }
    assert_ne!(legacy, state_dict(&small()));
}

#[test]
fn safetensors_files_survive_in_any_float_type() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = fixture();
    for case in CASES {
        let path = folder.path().join("network.safetensors");
        pretrained::save(&network::<Flex>(case, &fixture), &path).unwrap();
        let stored = read(&path).unwrap();
        assert_eq!(stored.keys().collect::<Vec<_>>(), weights(&fixture, case).keys().collect::<Vec<_>>());
        let mut in_double = sized::<NdArray<f64>>(case, 3, 3);
        load(&mut in_double, stored).unwrap();
        assert_logits(case, &fixture, &in_double, 1e-4);
    }
    let tensors: StateDict = weights(&fixture, "cifar")
        .into_iter()
        .map(|(name, data)| (name, data.convert::<burn::tensor::bf16>()))
        .collect();
    let mut network = sized::<Flex>("cifar", 3, 3);
    load(&mut network, tensors).unwrap();
    assert_logits("cifar", &fixture, &network, 0.2);
}

#[test]
fn a_loaded_network_still_trains() {
    let network = network::<Autodiff<Flex>>("bottleneck", &fixture());
    let images = fixture().float("bottleneck.images", &Default::default());
    testkit::every_parameter_has_gradient(&network, network.forward(images).powi_scalar(2).sum());
}

#[test]
fn timms_names_of_a_vgg_are_understood() {
    let fixture = fixture();
    let tensors = weights(&fixture, "vgg11_bn")
        .into_iter()
        .map(|(name, data)| match name.as_str() {
            "classifier.0.weight" => {
                ("pre_logits.fc1.weight".into(), TensorData { shape: [6, 16, 7, 7].into(), ..data })
            }
            "classifier.3.weight" => {
                ("pre_logits.fc2.weight".into(), TensorData { shape: [6, 6, 1, 1].into(), ..data })
            }
            _ => {
                let name = name.replace("classifier.0", "pre_logits.fc1").replace("classifier.3", "pre_logits.fc2");
                (name.replace("classifier.6", "head.fc"), data)
            }
        })
        .collect();
    let mut network = sized::<Flex>("vgg11_bn", 3, 3);
    let report = load(&mut network, tensors).unwrap();
    assert!(report.head_is_loaded());
    assert_logits("vgg11_bn", &fixture, &network, 1e-4);
}

#[test]
fn a_head_of_another_size_begins_at_random_and_is_said() {
    let fixture = fixture();
    for case in CASES {
        let mut network = sized::<Flex>(case, 3, 5);
        let fresh = state_dict(&network);
        let tensors = weights(&fixture, case);
        let report = load(&mut network, tensors.clone()).unwrap();
        let replaced: Vec<&str> = report.with(LoadOutcome::Replaced).map(|row| row.name.as_str()).collect();
        assert_eq!(replaced.len(), 2, "{case}: {replaced:?}");
        assert!(!report.head_is_loaded());
        for (name, data) in state_dict(&network) {
            let expected = if replaced.contains(&name.as_str()) { &fresh[&name] } else { &tensors[&name] };
            assert_eq!(&data, expected, "{case}: {name}");
        }
        let features = network.num_features();
        let said = report.lines().into_iter().find(|line| line.starts_with("head ")).unwrap();
        assert!(said.contains(&format!("[3, {features}] replaced by [5, {features}]")), "{said}");
    }
}

#[test]
fn a_missing_head_and_what_else_is_there_are_said() {
    let fixture = fixture();
    let mut tensors = weights(&fixture, "basic");
    let weight = tensors.remove("fc.weight").unwrap();
    tensors.remove("fc.bias");
    tensors.insert("projector.0.weight".into(), weight);
    tensors.insert("bn1.num_batches_tracked".into(), TensorData::from([7_i64]));
    let report = load(&mut sized::<Flex>("basic", 3, 3), tensors.clone()).unwrap();
    let loaded = tensors.len() - 2;
    let lines = report.lines();
    assert!(lines[0].starts_with(&format!("loaded {loaded} tensors (")), "{lines:?}");
    assert_eq!(
        lines[1..],
        [
            "head fc [3, 16] is not in the file and begins at random",
            "in the file, but not in the network: projector.0.weight"
        ]
    );
    assert_eq!(report.rows.len(), loaded + 3);
}

#[test]
fn a_convolution_for_colour_is_summed_for_grey_images() {
    let fixture = fixture();
    for case in CASES {
        let mut grey = sized::<Flex>(case, 1, 3);
        let report = load(&mut grey, weights(&fixture, case)).unwrap();
        assert_eq!(report.with(LoadOutcome::SummedChannels).count(), 1, "{case}");
        assert!(report.lines().iter().any(|line| line.contains("summed over its channels")));
        // Three equal channels are what one is to the sum.
        let images: Tensor<Flex, 4> = fixture.float(&format!("{case}.images"), &Default::default());
        let one = images.narrow(1, 0, 1);
        let three = one.clone().repeat_dim(1, 3);
        let expected = network::<Flex>(case, &fixture).forward(three).to_data();
        assert_data_close(case, &grey.forward(one).to_data(), &expected, 1e-4);
    }
}

#[test]
fn weights_of_another_network_are_refused_and_change_nothing() {
    let fixture = fixture();
    let refused = |case: &str, tensors: StateDict| {
        let mut network = sized::<Flex>(case, 3, 3);
        let before = state_dict(&network);
        let error = load(&mut network, tensors).unwrap_err();
        assert!(matches!(error, PretrainedError::Mismatch { .. }));
        assert_eq!(state_dict(&network), before);
        error.to_string()
    };
    let message = refused("basic", weights(&fixture, "bottleneck"));
    assert!(message.contains("should be") && message.contains("more"), "{message}");
    // A larger network has everything that a smaller one needs.
    let mut larger = weights(&fixture, "basic");
    let extra = larger["layer4.0.conv2.weight"].clone();
    larger.insert("layer4.1.conv1.weight".into(), extra);
    let message = refused("basic", larger);
    assert!(message.contains("layer4.1.conv1.weight [16, 16, 3, 3] is not in the network"), "{message}");
    let mut missing = weights(&fixture, "vgg11_bn");
    missing.remove("features.1.running_var");
    let message = refused("vgg11_bn", missing);
    assert!(message.contains("features.1.running_var [2] is missing") && message.contains("this VGG"), "{message}");
    let mut integers = weights(&fixture, "cifar");
    integers.insert("bn1.bias".into(), TensorData::from([1_i64, 2]));
    let message = refused("cifar", integers);
    assert!(message.contains("bn1.bias holds I64 and not floats"), "{message}");
}

#[test]
fn a_file_that_is_none_is_an_error_of_this_crate() {
    let error = read(format!("{FIXTURES}/make_networks.py")).unwrap_err();
    assert!(matches!(error, PretrainedError::File { .. }));
    assert!(error.to_string().contains("make_networks.py: "), "{error}");
}

#[test]
fn a_damaged_byte_never_ends_in_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["legacy.th", "zip.pth"] {
        let bytes = std::fs::read(format!("{FIXTURES}/{name}")).unwrap();
        let damaged = folder.path().join(name);
        for place in (0..bytes.len()).step_by(41) {
            for mask in [0xff, 0x01] {
                let mut bytes = bytes.clone();
                bytes[place] ^= mask;
                std::fs::write(&damaged, bytes).unwrap();
                if let Ok(tensors) = read(&damaged) {
                    // Whatever came out, loading it is decided without a panic as well.
                    let _ = load(&mut small(), tensors);
                }
            }
        }
    }
}

/// The folder with the published checkpoints, where there is one.
fn published() -> Option<PathBuf> {
    let data = std::env::var_os("KILN_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let folder = data.join("weights/cifar10-resnet");
    folder.is_dir().then_some(folder)
}

#[test]
fn the_published_resnets_give_pytorchs_logits() {
    let Some(folder) = published() else {
        eprintln!("passed over: no real data (KILN_DATA)");
        return;
    };
    let network = |architecture, file: &str| {
        let config = NetworkConfig { architecture, classes: 10, ..NetworkConfig::default() };
        let mut network = config.init::<Flex>(&Default::default());
        let report = load(&mut network, read(folder.join(file)).unwrap()).unwrap();
        assert!(report.rows.iter().all(|row| row.outcome == LoadOutcome::Loaded), "{file}");
        (network, report.lines())
    };
    let (resnet20, lines) = network(Architecture::Resnet20, "resnet20-12fca82f.th");
    assert_eq!(lines, ["loaded 97 tensors (269.7 thousand parameters)"]);
    network(Architecture::Resnet32, "resnet32-d509ac18.th");
    network(Architecture::Resnet56, "resnet56-4bfd9763.th");

    let facts = std::fs::read_to_string(format!("{FIXTURES}/networks.json")).unwrap();
    let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
    let expected: Vec<f32> = serde_json::from_value(facts["resnet20_logits"].clone()).unwrap();
    let values: Vec<f32> =
        (0..2 * 3 * 32 * 32_i64).map(|place| ((place * 7919 % 1000) as f64 / 250.0 - 2.0) as f32).collect();
    let images = Tensor::from_data(TensorData::new(values, [2, 3, 32, 32]), &Default::default());
    assert_data_close("logits", &resnet20.forward(images).to_data(), &TensorData::new(expected, [2, 10]), 1e-4);
}
