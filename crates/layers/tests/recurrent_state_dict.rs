//! PyTorch's state dicts load into the recurrent networks, and the networks save as such.
#![cfg(feature = "flex")]

use burn::backend::Flex;
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use burn_store::{ModuleSnapshot, PytorchStore, SafetensorsStore};
use layers::recurrent::{Recurrent, RecurrentConfig, RecurrentState, state_dict};
use serde_json::Value;

/// As a model has it: the network's names get a prefix.
#[derive(Module, Debug)]
struct Model<B: burn::tensor::backend::Backend> {
    net: Recurrent<B>,
}

fn fixture(name: &str) -> String {
    format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The case of recurrent.json whose state dict the fixture also has as a file.
fn case(cell: &str) -> Value {
    let text = std::fs::read_to_string(fixture("recurrent.json")).expect("a fixture");
    let cases: Vec<Value> = serde_json::from_str(&text).expect("valid JSON");
    let name = format!("{cell}, two layers both ways, state");
    let found = cases.into_iter().find(|case| case["name"] == name.as_str());
    found.expect("a case of this name")
}

fn model(case: &Value) -> Model<Flex> {
    let config: RecurrentConfig = serde_json::from_value(case["config"].clone()).expect("a configuration");
    Model { net: config.init(&Default::default()) }
}

fn tensor(numbers: &Value) -> Tensor<Flex, 3> {
    let array = |key: &str| numbers[key].as_array().expect("an array").iter();
    let values: Vec<f32> = array("values").map(|value| value.as_f64().expect("a number") as f32).collect();
    let shape: Vec<usize> = array("shape").map(|size| size.as_u64().expect("a size") as usize).collect();
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

fn assert_output_is_pytorchs(model: &Model<Flex>, case: &Value) {
    let start = &case["start"];
    let state = RecurrentState { hidden: tensor(&start["hidden"]), cell: start.get("cell").map(tensor) };
    let (output, _) = model.net.forward(tensor(&case["input"]), Some(state));
    let expected = tensor(&case["results"]["output"]);
    let error = (output - expected).abs().max().into_scalar();
    assert!(error < 1e-5, "off by {error}");
}

#[test]
fn a_pt_file_loads() {
    let case = case("lstm");
    let mut model = model(&case);
    let mut store = state_dict::FROM_PYTORCH
        .iter()
        .fold(PytorchStore::from_file(fixture("recurrent_lstm.pt")), |store, (from, to)| {
            store.with_key_remapping(from, *to)
        });
    let result = model.load_from(&mut store).expect("a file of PyTorch");
    assert!(result.missing.is_empty() && result.unused.is_empty(), "{result:?}");
    assert_eq!(result.applied.len(), 16);
    assert_output_is_pytorchs(&model, &case);
}

#[test]
fn a_safetensors_file_loads_and_is_saved_again() {
    let case = case("gru");
    let mut loaded = model(&case);
    let path = fixture("recurrent_gru.safetensors");
    let mut store = state_dict::FROM_PYTORCH
        .iter()
        .fold(SafetensorsStore::from_file(&path), |store, (from, to)| store.with_key_remapping(from, *to));
    let result = loaded.load_from(&mut store).expect("a safetensors file");
    assert!(result.missing.is_empty() && result.unused.is_empty(), "{result:?}");
    assert_output_is_pytorchs(&loaded, &case);

    // Saved under PyTorch's names it is a file that loads like PyTorch's own.
    let mut saved = state_dict::TO_PYTORCH
        .iter()
        .fold(SafetensorsStore::from_bytes(None), |store, (from, to)| store.with_key_remapping(from, *to));
    loaded.save_into(&mut saved).expect("a model that can be saved");
    let bytes = saved.get_bytes().expect("what was saved");
    let names = |bytes: &[u8]| {
        let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
        let header: Value = serde_json::from_slice(&bytes[8..8 + length]).expect("a header");
        let mut names: Vec<String> = header.as_object().expect("a map").keys().cloned().collect();
        names.retain(|name| name != "__metadata__");
        names.sort();
        names
    };
    let original = std::fs::read(&path).expect("the fixture");
    assert_eq!(names(&bytes), names(&original));

    let mut again = model(&case);
    let mut store = state_dict::FROM_PYTORCH
        .iter()
        .fold(SafetensorsStore::from_bytes(Some(bytes)), |store, (from, to)| store.with_key_remapping(from, *to));
    again.load_from(&mut store).expect("what was saved");
    assert_output_is_pytorchs(&again, &case);
}
