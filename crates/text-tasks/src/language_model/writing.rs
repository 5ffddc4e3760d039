//! Text from a language model: tokens in, tokens out, and what a person reads of them.

use burn::tensor::backend::Backend;
use data::text::tokenizer::Tokenizer;
use layers::{
    generation::{CausalLanguageModel, Generator},
    sampling::SamplingOptions,
};
use training_loop::error::TaskError;

/// What to write.
pub(super) struct TextRequest<'a> {
    pub prompt: &'a str,
    pub tokens: usize,
    pub options: SamplingOptions,
    pub seed: u64,
}

/// The tokens that stand for no text: padding, and what the vocabulary lacks.
pub(super) fn without_text(tokenizer: &Tokenizer) -> Vec<u32> {
    [tokenizer.padding_token(), tokenizer.unknown_token()].into_iter().flatten().collect()
}

/// What a text without a prompt follows: of what the tokenizer knows, that which tells the model least.
fn beginning(tokenizer: &Tokenizer) -> Vec<u32> {
    let known = |text| tokenizer.encode(text).ok().filter(|tokens| !tokens.is_empty());
    // Every tokenizer has a token 0.
    ["\n", "."].into_iter().find_map(known).unwrap_or_else(|| vec![0])
}

/// Gives the prompt and its continuation to `output`, each piece as soon as it is certain.
pub(super) fn write_text<B: Backend>(
    model: &impl CausalLanguageModel<B>,
    tokenizer: &Tokenizer,
    request: &TextRequest<'_>,
    device: &B::Device,
    output: &mut dyn FnMut(&str) -> std::io::Result<()>,
) -> Result<(), TaskError> {
    let mut prompt = tokenizer.encode(request.prompt)?;
    let mut decoder = tokenizer.stream_decoder();
    if !request.prompt.is_empty() {
        output(request.prompt)?;
        // The space before the next word depends on the last one.
        prompt.iter().for_each(|token| drop(decoder.push(*token)));
    }
    if prompt.is_empty() {
        prompt = beginning(tokenizer);
    }
    let mut has_space = !tokenizer.keeps_white_space() && request.prompt.ends_with(char::is_whitespace);
    let generator = Generator::new(model, &prompt, request.options.clone(), request.seed, device)?;
    for token in generator.take(request.tokens) {
        let text = decoder.push(token?);
        let text = if std::mem::take(&mut has_space) { text.trim_start_matches(' ') } else { &text };
        if !text.is_empty() {
            output(text)?;
        }
    }
    output(&decoder.finish())?;
    Ok(())
}
