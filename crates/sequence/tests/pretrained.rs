//! Weights from PyTorch files, and back.

use burn::{
    backend::{Flex, NdArray},
    tensor::{Tensor, backend::Backend},
};
use layers::recurrent::{Cell, RecurrentState};
use sequence::{
    language_model::{LanguageModel, LanguageModelConfig},
    pretrained::{self, PretrainedError},
};
use testkit::{Fixture, assert_data_close};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

fn lstm<B: Backend>(hidden_size: usize) -> LanguageModel<B> {
    LanguageModelConfig { cell: Cell::Lstm, embedding_size: 3, hidden_size, num_layers: 2, ..Default::default() }
        .init(7, &Default::default())
}

fn logits<B: Backend>(model: &LanguageModel<B>) -> Tensor<B, 3> {
    let device = Default::default();
    let fixture = Fixture::read(format!("{FIXTURES}/language_model.safetensors"));
    let state = RecurrentState {
        hidden: fixture.float("lstm.state.hidden", &device),
        cell: Some(fixture.float("lstm.state.cell", &device)),
    };
    let tokens = fixture.int("lstm.tokens", &device);
    model.forward(tokens, Some(state)).0
}

#[test]
fn a_pytorch_file_loads_and_survives_safetensors() {
    let fixture = Fixture::read(format!("{FIXTURES}/language_model.safetensors"));
    let expected = fixture.data("lstm.logits");
    let mut model = lstm::<Flex>(4);
    pretrained::load(&mut model, format!("{FIXTURES}/lstm.pt")).unwrap();
    assert_data_close("from .pt", &logits(&model).into_data(), expected, 1e-4);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    pretrained::save(&model, &path).unwrap();
    let saved = training_loop::weights::read(&path).unwrap();
    let theirs = fixture.under("lstm.weights.");
    assert_eq!(saved.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "names as in PyTorch");
    // On a backend of another float type.
    let mut again = lstm::<NdArray<f64>>(4);
    pretrained::load(&mut again, &path).unwrap();
    let again = logits(&again).into_data().convert::<f32>();
    assert_data_close("from safetensors", &again, expected, 1e-4);
}

#[track_caller]
fn assert_loads_as_pytorch_saved_it(file: &str) {
    let mut model = lstm::<Flex>(4);
    pretrained::load(&mut model, format!("{FIXTURES}/{file}")).unwrap();
    let fixture = Fixture::read(format!("{FIXTURES}/language_model.safetensors"));
    assert_data_close(file, &logits(&model).into_data(), fixture.data("lstm.logits"), 1e-4);
}

#[test]
fn a_checkpoint_with_the_state_of_an_optimiser_loads() {
    assert_loads_as_pytorch_saved_it("lstm_checkpoint.pt");
}

#[test]
fn matrices_that_lie_column_after_column_are_not_scrambled() {
    assert_loads_as_pytorch_saved_it("lstm_transposed.pt");
}

#[test]
fn other_names_are_understood() {
    let fixture = Fixture::read(format!("{FIXTURES}/language_model.safetensors"));
    let renamed = fixture
        .under("lstm.weights.")
        .into_iter()
        .map(|(name, data)| {
            let name = name.replace("embedding.", "encoder.").replace("output.", "decoder.");
            (format!("module.{name}"), data)
        })
        .collect();
    let mut model = lstm::<Flex>(4);
    pretrained::load_state_dict(&mut model, renamed).unwrap();
    let expected = fixture.data("lstm.logits");
    assert_data_close("renamed", &logits(&model).into_data(), expected, 1e-4);
}

#[test]
fn what_does_not_fit_is_named_and_changes_nothing() {
    let mut model = lstm::<Flex>(5);
    let before = model.output.weight.as_ref().unwrap().to_data();
    let mut tensors = Fixture::read(format!("{FIXTURES}/language_model.safetensors")).under("lstm.weights.");
    let bias = tensors.remove("output.bias").unwrap();
    tensors.insert("head.bias".into(), bias);
    let error = pretrained::load_state_dict(&mut model, tensors).unwrap_err();
    let message = error.to_string();
    for part in [
        "output.bias is missing",
        "head.bias is not in the model",
        "rnn.layers.0.forward.weight_ih should be [20, 3], found [16, 3]",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
    assert_eq!(model.output.weight.as_ref().unwrap().to_data(), before);
}

#[test]
fn a_tied_model_refuses_an_output_of_its_own() {
    let fixture = Fixture::read(format!("{FIXTURES}/language_model.safetensors"));
    let mut model: LanguageModel<Flex> = LanguageModelConfig {
        embedding_size: 4,
        hidden_size: 4,
        num_layers: 2,
        tie_weights: true,
        ..Default::default()
    }
    .init(7, &Default::default());
    let mut tensors = fixture.under("lstm_tied.weights.");
    pretrained::load_state_dict(&mut model, tensors.clone()).unwrap();
    let other = fixture.data("lstm.weights.output.weight").clone();
    tensors.insert("output.weight".into(), other);
    let error = pretrained::load_state_dict(&mut model, tensors).unwrap_err();
    assert!(error.to_string().contains("ties them"), "{error}");
}

#[test]
fn files_that_are_none_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = lstm::<Flex>(4);
    for name in ["model.pt", "model.safetensors"] {
        let path = folder.path().join(name);
        let missing = pretrained::load(&mut model, &path).unwrap_err();
        assert!(matches!(missing, PretrainedError::File { .. }));
        assert!(missing.to_string().contains(name));
        std::fs::write(&path, "no weights").unwrap();
        let damaged = pretrained::load(&mut model, &path).unwrap_err();
        assert!(matches!(damaged, PretrainedError::File { .. }));
    }
}
