//! Models that write: the same as by whole passes over what they have written.

#[allow(dead_code)]
mod support;

use burn::{
    backend::Flex,
    tensor::{Int, Tensor, TensorData, backend::Backend},
};
use layers::{
    beam::{BeamOptions, Boundaries, Decoder, beam_search},
    generation::{CausalLanguageModel, Generator},
    sampling::SamplingOptions,
};
use support::*;

fn tokens<B: Backend, const D: usize>(values: &[i32], shape: [usize; D]) -> Tensor<B, D, Int> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Default::default())
}

/// Also where the context is full and the later half of it is read anew.
#[test]
fn greedy_text_is_that_of_whole_passes() {
    let device = Default::default();
    let (_, config) = &gpt_cases()[0];
    let model = config.init::<Flex>(GPT_VOCABULARY, &device);
    let context = model.context_len().unwrap();
    let text = vec![1_u32, 2];
    let generated: Vec<u32> = Generator::new(&model, &text, SamplingOptions::greedy(), 0, &device)
        .unwrap()
        .take(context + 4)
        .map(Result::unwrap)
        .collect();
    let mut window = text.clone();
    for token in generated {
        if window.len() > context {
            window.drain(..window.len() - context.div_ceil(2));
        }
        let read: Vec<i32> = window.iter().map(|token| *token as i32).collect();
        let (logits, _) = model.next_logits(tokens(&read, [1, read.len()]), None);
        assert_eq!(i64::from(token), logits.argmax(1).into_scalar() as i64);
        window.push(token);
    }
}

#[test]
fn a_beam_of_one_writes_what_greedy_decoding_writes() {
    let device = Default::default();
    let (_, config) = &seq2seq_cases()[0];
    let model = config.init::<Flex>(SEQ2SEQ_VOCABULARY, SEQ2SEQ_VOCABULARY, &device);
    let boundaries = Boundaries { start: 8, end: 8 };
    let state = || model.encode(tokens(&[3, 4, 5], [1, 3]), &[3]);
    let found = beam_search(&model, state(), boundaries, &[6], &BeamOptions::default(), &device).unwrap();
    let (mut state, mut token, mut greedy) = (state(), 8, Vec::new());
    while greedy.len() < 6 {
        let (logits, next) = model.step(tokens(&[token], [1]), state);
        token = logits.argmax(1).into_scalar();
        if token == 8 {
            break;
        }
        greedy.push(token as u32);
        state = next;
    }
    assert_eq!(found[0][0].tokens, greedy);
}
