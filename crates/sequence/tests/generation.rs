//! Generation with carried state.

use burn::{
    backend::Flex,
    tensor::{Int, Tensor, TensorData, backend::Backend},
};
use layers::{recurrent::Cell, sampling::SamplingOptions};
use sequence::{
    generation::{GenerationError, Generator},
    language_model::{LanguageModel, LanguageModelConfig},
};

type B = Flex;

fn model(cell: Cell) -> LanguageModel<B> {
    let device = Default::default();
    B::seed(&device, 11);
    LanguageModelConfig { cell, embedding_size: 16, hidden_size: 24, num_layers: 2, ..Default::default() }
        .init(13, &device)
}

fn generate(model: &LanguageModel<B>, options: SamplingOptions, seed: u64) -> Vec<u32> {
    Generator::new(model, &[1, 5, 2], options, seed, &Default::default())
        .unwrap()
        .take(40)
        .collect::<Result<_, _>>()
        .unwrap()
}

/// The likeliest token after `text`, from a pass over all of it.
fn likeliest(model: &LanguageModel<B>, text: &[u32]) -> u32 {
    let tokens: Vec<i32> = text.iter().map(|token| *token as i32).collect();
    let data = TensorData::new(tokens, [1, text.len()]);
    let tokens = Tensor::<B, 2, Int>::from_data(data, &Default::default());
    let (logits, _) = model.forward(tokens, None);
    let last = logits.narrow(1, text.len() - 1, 1).argmax(2);
    last.into_data().iter::<u32>().next().unwrap()
}

#[test]
fn carried_state_equals_reading_everything_again() {
    for cell in [Cell::Lstm, Cell::Gru, Cell::RnnTanh, Cell::RnnRelu] {
        let model = model(cell);
        let mut text = vec![1, 5, 2];
        for token in generate(&model, SamplingOptions::greedy(), 0) {
            assert_eq!(token, likeliest(&model, &text), "{cell:?}");
            text.push(token);
        }
    }
}

#[test]
fn a_seed_gives_one_text() {
    let model = model(Cell::Lstm);
    let text = |seed| generate(&model, SamplingOptions::default(), seed);
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
}

#[test]
fn the_penalty_makes_the_text_richer() {
    let model = model(Cell::Gru);
    let distinct = |repetition_penalty| {
        let options = SamplingOptions { repetition_penalty, ..SamplingOptions::greedy() };
        let mut tokens = generate(&model, options, 0);
        tokens.sort_unstable();
        tokens.dedup();
        tokens.len()
    };
    assert!(distinct(2.0) > distinct(1.0));
}

#[test]
fn what_cannot_be_continued_is_said() {
    let model = model(Cell::Lstm);
    let device = Default::default();
    let start = |prompt: &[u32], options| Generator::new(&model, prompt, options, 0, &device);
    let greedy = SamplingOptions::greedy();
    assert!(matches!(start(&[], greedy.clone()), Err(GenerationError::EmptyPrompt)));
    assert!(matches!(start(&[1, 13], greedy), Err(GenerationError::UnknownToken { token: 13, .. })));
    let impossible = SamplingOptions { top_p: Some(2.0), ..Default::default() };
    assert!(matches!(start(&[1], impossible), Err(GenerationError::Sampling(_))));
}
