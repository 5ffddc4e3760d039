//! Names of parameters: those of a PyTorch `state_dict`, whatever burn modules hold them.

use std::collections::BTreeMap;

use burn::{
    backend::NdArray,
    module::{Module, Param},
    tensor::{Tensor, TensorData, backend::Backend},
};
use training_loop::{parameters, weights};

type B = NdArray;

#[derive(Module, Debug)]
enum Layer<B: Backend> {
    Weighted(Weighted<B>),
    Relu(Relu),
}

#[derive(Module, Debug)]
struct Weighted<B: Backend> {
    weight: Param<Tensor<B, 1>>,
}

#[derive(Module, Debug, Clone)]
struct Relu;

#[derive(Module, Debug)]
struct Network<B: Backend> {
    features: Vec<Layer<B>>,
}

fn network() -> Network<B> {
    let weighted = |value: f32| {
        let tensor = Tensor::from_floats([value, value], &Default::default());
        Layer::Weighted(Weighted { weight: Param::from_tensor(tensor) })
    };
    Network { features: vec![weighted(1.0), Layer::Relu(Relu), weighted(2.0)] }
}

#[test]
fn variants_of_enums_are_no_part_of_a_name() {
    let listed: Vec<String> = parameters::list(&network()).into_iter().map(|parameter| parameter.path).collect();
    assert_eq!(listed, ["features.0.weight", "features.2.weight"]);
    let collected: Vec<String> = weights::collect::<B, _>(&network()).into_keys().collect();
    assert_eq!(collected, listed);
}

#[test]
fn weights_saved_with_variants_in_their_names_still_load() {
    let weight = |value: f32| TensorData::new(vec![value, value], [2]);
    let tensors = |names: [&str; 2]| -> BTreeMap<String, TensorData> {
        names.into_iter().map(String::from).zip([weight(5.0), weight(6.0)]).collect()
    };
    for names in
        [["features.0.weight", "features.2.weight"], ["features.0.Weighted.weight", "features.2.Weighted.weight"]]
    {
        let mut network = network();
        weights::apply::<B, _>(&mut network, &tensors(names)).unwrap();
        let values: Vec<TensorData> = weights::collect::<B, _>(&network).into_values().collect();
        assert_eq!(values, [weight(5.0), weight(6.0)]);
    }
    let error = weights::apply::<B, _>(&mut network(), &tensors(["features.0.weight", "features.2.Relu.weight"]));
    let error = error.unwrap_err();
    assert!(error.contains("features.2.weight [2] is missing; features.2.Relu.weight is not in the model"), "{error}");
}
