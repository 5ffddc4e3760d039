//! The translator against PyTorch (tests/fixtures/make_translator.py), and what a decoder must keep to.

use burn::{
    backend::{Autodiff, Flex, NdArray},
    tensor::{ElementConversion, Int, Tensor, activation::log_softmax, backend::AutodiffBackend},
};
use layers::{
    beam::{BeamOptions, Boundaries, Decoder, beam_search},
    loss::{CrossEntropy, cross_entropy},
    recurrent::Cell,
};
use sequence::{
    pretrained,
    translator::{AttentionKind, TranslatorConfig},
};
use testkit::{Fixture, assert_close, assert_data_close, gradients_by_path, pytorch_name};

const TOLERANCE: f64 = 1e-4;

fn config(cell: Cell, attention: AttentionKind) -> TranslatorConfig {
    TranslatorConfig {
        cell,
        embedding_size: 3,
        hidden_size: 4,
        num_layers: 2,
        attention,
        dropout: 0.0,
        ..TranslatorConfig::default()
    }
}

fn cases() -> [(&'static str, TranslatorConfig); 8] {
    use AttentionKind::{Bahdanau, LuongConcat, LuongDot, LuongGeneral, None};
    let tied = TranslatorConfig { embedding_size: 4, tie_weights: true, ..config(Cell::Gru, LuongConcat) };
    [
        ("gru_none", config(Cell::Gru, None)),
        ("gru_bahdanau", config(Cell::Gru, Bahdanau)),
        ("lstm_bahdanau_sampled", config(Cell::Lstm, Bahdanau)),
        ("gru_luong_dot", config(Cell::Gru, LuongDot)),
        ("lstm_luong_general", config(Cell::Lstm, LuongGeneral)),
        ("gru_luong_general_fed", TranslatorConfig { input_feeding: true, ..config(Cell::Gru, LuongGeneral) }),
        ("lstm_luong_concat", config(Cell::Lstm, LuongConcat)),
        ("gru_luong_concat_fed_sampled", TranslatorConfig { input_feeding: true, ..tied }),
    ]
}

fn matches_pytorch<B: AutodiffBackend>() {
    let device = Default::default();
    let fixture = Fixture::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/translator.safetensors"));
    for (case, config) in cases() {
        let named = |name: &str| format!("{case}.{name}");
        let mut model = config.init::<B>(7, 6, &device);
        pretrained::load_state_dict(&mut model, fixture.under(&named("weights."))).unwrap();
        let lengths: Vec<usize> = fixture.data(&named("lengths")).iter::<i64>().map(|length| length as usize).collect();
        let sampled = case.ends_with("sampled");
        let forced = sampled.then(|| fixture.int::<B, 2>(&named("forced"), &device).equal_elem(1));
        let source = fixture.int(&named("source"), &device);
        let decoded = model.forward(source, &lengths, fixture.int(&named("inputs"), &device), forced);
        let close = |name: &str, actual| {
            assert_data_close(&named(name), &actual, fixture.data(&named(name)), TOLERANCE);
        };
        close("logits", decoded.logits.to_data());
        match decoded.attention {
            Some(attention) => close("attention", attention.to_data()),
            None => assert_eq!(case, "gru_none"),
        }
        let targets: Tensor<B, 2, Int> = fixture.int(&named("targets"), &device);
        let options = CrossEntropy { ignore_index: Some(-100), ..CrossEntropy::default() };
        let loss = cross_entropy(decoded.logits.flatten(0, 1), targets.flatten(0, 1), &options);
        assert!(
            (f64::from(loss.clone().into_scalar().elem::<f32>()) - fixture.number(&named("loss"))).abs() < TOLERANCE
        );
        let (gradients, without) = gradients_by_path(&model, loss);
        assert!(without.is_empty(), "{case} {without:?}");
        assert_eq!(gradients.len(), fixture.under(&named("gradients.")).len(), "{case}");
        for (path, gradient) in gradients {
            close(&format!("gradients.{}", pytorch_name(&path)), gradient);
        }
    }
}

#[test]
fn matches_pytorch_on_ndarray() {
    matches_pytorch::<Autodiff<NdArray>>();
}

#[test]
fn matches_pytorch_on_flex() {
    matches_pytorch::<Autodiff<Flex>>();
}

#[test]
fn more_padding_changes_nothing() {
    let device = Default::default();
    let short = Tensor::<Flex, 2, Int>::from_ints([[1, 2, 3], [4, 5, 0]], &device);
    let long = Tensor::<Flex, 2, Int>::from_ints([[1, 2, 3, 6, 6], [4, 5, 6, 6, 6]], &device);
    let inputs = Tensor::<Flex, 2, Int>::from_ints([[0, 1, 2], [0, 3, 4]], &device);
    for (case, config) in cases() {
        let model = config.init::<Flex>(7, 6, &device);
        let logits =
            |source: &Tensor<Flex, 2, Int>| model.forward(source.clone(), &[3, 2], inputs.clone(), None).logits;
        println!("{case}");
        assert_close(&logits(&long), &logits(&short), 1e-6);
    }
}

/// A later token never changes an earlier output, and one step at a time gives what a whole target gives.
#[test]
fn steps_agree_with_whole_targets() {
    let device = Default::default();
    let source = Tensor::<Flex, 2, Int>::from_ints([[1, 2, 3], [4, 5, 0]], &device);
    let inputs = Tensor::<Flex, 2, Int>::from_ints([[0, 1, 2, 3], [0, 3, 4, 1]], &device);
    for (case, config) in cases() {
        let model = config.init::<Flex>(7, 6, &device);
        let whole = model.forward(source.clone(), &[3, 2], inputs.clone(), None).logits;
        let mut state = model.encode(source.clone(), &[3, 2]);
        for step in 0..4 {
            let (logits, next) = model.step(inputs.clone().narrow(1, step, 1).flatten(0, 1), state);
            state = next;
            println!("{case} {step}");
            assert_close(&logits, &whole.clone().narrow(1, step, 1).squeeze_dim::<2>(1), 1e-5);
        }
    }
}

/// The probability that the search reports is the one that the model gives the same tokens; and a sentence in a batch is
/// translated as it is alone.
#[test]
fn beams_are_scored_as_the_model_scores_them() {
    let device = Default::default();
    let source = Tensor::<Flex, 2, Int>::from_ints([[1, 2, 3], [4, 5, 0]], &device);
    let boundaries = Boundaries { start: 5, end: 5 };
    for (case, config) in cases() {
        let model = config.init::<Flex>(7, 6, &device);
        let options = BeamOptions { width: 3, length_penalty: 0.7 };
        let search = |source: Tensor<Flex, 2, Int>, lengths: &[usize]| {
            let state = model.encode(source, lengths);
            let max_lens = vec![6; lengths.len()];
            beam_search(&model, state, boundaries, &max_lens, &options, &device).unwrap()
        };
        let together = search(source.clone(), &[3, 2]);
        let alone = [
            search(source.clone().narrow(0, 0, 1), &[3]).remove(0),
            search(source.clone().narrow(0, 1, 1), &[2]).remove(0),
        ];
        for (row, (together, alone)) in together.iter().zip(&alone).enumerate() {
            assert_eq!(together.len(), 3);
            for (together, alone) in together.iter().zip(alone) {
                assert_eq!(together.tokens, alone.tokens, "{case}");
                assert!((together.score - alone.score).abs() < 1e-4);
                let read: Vec<i32> = std::iter::once(5).chain(together.tokens.iter().map(|t| *t as i32)).collect();
                let time = read.len();
                let inputs = Tensor::<Flex, 1, Int>::from_ints(read.as_slice(), &device).unsqueeze::<2>();
                let one = source.clone().narrow(0, row, 1);
                let logits = model.forward(one, &[[3, 2][row]], inputs, None).logits;
                let log: Vec<f32> = log_softmax(logits, 2).into_data().iter::<f32>().collect();
                let ends = if together.tokens.len() < 6 { vec![5] } else { vec![] };
                let written = together.tokens.iter().copied().chain(ends);
                let sum: f32 = written.enumerate().map(|(step, token)| log[step * 6 + token as usize]).sum();
                assert!(time <= 7 && (f64::from(sum) - together.log_probability).abs() < 1e-4, "{case}");
            }
        }
    }
}
