//! Inception-v3 against torchvision's, with the changes of pytorch-fid (tests/fixtures/make_inception.py).

use std::collections::BTreeMap;

use burn::{
    backend::{Flex, NdArray},
    tensor::{Tensor, TensorData, backend::Backend},
};
use generative::metrics::inception::InceptionV3;
use testkit::Fixture;

/// From -0.5 to 0.5, by an element's place and what it is an element of: the numbers of `make_inception.py`.
fn uniform(name: &str, count: usize) -> Vec<f32> {
    let start = crc32(name.as_bytes());
    let number = |place: u32| {
        let mut x = place.wrapping_mul(2_654_435_761).wrapping_add(start);
        for (shift, factor) in [(16, 2_246_822_519), (13, 3_266_489_917)] {
            x = (x ^ (x >> shift)).wrapping_mul(factor);
        }
        (f64::from(x >> 8) / f64::from(1 << 24) - 0.5) as f32
    };
    (0..count as u32).map(number).collect()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}

fn weights() -> BTreeMap<String, TensorData> {
    let mut weights = BTreeMap::new();
    for (name, shape) in InceptionV3::<Flex>::tensors() {
        let fan_in: usize = shape[1..].iter().product();
        let (factor, offset) = match name.rsplit('.').next() {
            _ if name.ends_with("conv.weight") => ((24.0 / fan_in as f64).sqrt() as f32, 0.0),
            Some("weight" | "running_var") => (1.0, 1.0),
            _ => (1.0, 0.0),
        };
        let values = uniform(&name, shape.iter().product()).into_iter().map(|value| value * factor + offset);
        weights.insert(name, TensorData::new(values.collect(), shape));
    }
    weights
}

fn says_what_torchvision_says<B: Backend>() {
    let (device, fixture) = (
        Default::default(),
        Fixture::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/inception.safetensors")),
    );
    let network = InceptionV3::<B>::new(&weights(), &device).unwrap();
    for (name, shape) in [("colour", [2, 3, 20, 16]), ("grey", [1, 1, 28, 28]), ("large", [1, 3, 310, 8])] {
        let values = uniform(name, shape.iter().product()).into_iter().map(|value| value * 2.0).collect();
        let said = network.features(Tensor::from_data(TensorData::new(values, shape), &device));
        let expected = fixture.float::<B, 2>(name, &device);
        let wrong: f64 = (said - expected.clone()).abs().max().to_data().iter::<f64>().sum();
        let largest: f64 = expected.abs().max().to_data().iter::<f64>().sum();
        assert!(wrong < 1e-4 * largest, "{name}: {wrong} of {largest}");
    }
}

#[test]
fn the_features_are_those_of_torchvision() {
    says_what_torchvision_says::<Flex>();
    says_what_torchvision_says::<NdArray>();
}

#[test]
fn weights_of_another_network_are_refused_by_name() {
    let refused = |weights: &_| InceptionV3::<Flex>::new(weights, &Default::default()).unwrap_err();
    let mut weights = weights();
    let key = "Mixed_6b.branch7x7_2.conv.weight";
    weights.insert(key.to_string(), TensorData::zeros::<f32, _>([128, 128, 7, 1]));
    let message = refused(&weights);
    assert!(message.contains(key) && message.contains("[128, 128, 1, 7]"), "{message}");
    weights.remove(key);
    assert!(refused(&weights).contains(key));
}
