//! Text from a language model: tokens in, tokens out, and what a person reads of them.

use burn::tensor::backend::Backend;
use data::text::tokenizer::{StreamDecoder, Tokenizer};
use layers::{
    generation::{BatchGenerator, CausalLanguageModel, Generator},
    sampling::SamplingOptions,
};
use training_loop::error::TaskError;

/// What to write.
pub(super) struct TextRequest<'a> {
    pub prompt: &'a str,
    pub tokens: usize,
    pub options: SamplingOptions,
    /// Texts before which it ends. It also ends with the tokenizer's token for that.
    pub stop: &'a [String],
    pub seed: u64,
    /// Where the model learned from documents, the token between them.
    pub separator: Option<u32>,
}

/// The tokens that stand for no text, but for that which ends one.
pub(super) fn without_text(tokenizer: &Tokenizer) -> Vec<u32> {
    let end = tokenizer.special().end;
    let is_no_text = |token: &u32| tokenizer.is_special(*token) && Some(*token) != end;
    (0..tokenizer.vocab_size() as u32).filter(is_no_text).collect()
}

/// What a text without a prompt follows: what stands between documents, or of what the tokenizer knows, that which tells the model
/// least.
fn beginning(tokenizer: &Tokenizer, separator: Option<u32>) -> Vec<u32> {
    if let Some(separator) = separator {
        return vec![separator];
    }
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
    let (prompt, mut writer) = Writer::new(tokenizer, request)?;
    let mut output = |text: &str| if text.is_empty() { Ok(()) } else { output(text) };
    output(request.prompt)?;
    let generator = Generator::new(model, &prompt, request.options.clone(), request.seed, device)?;
    for token in generator.take(request.tokens) {
        output(&writer.push(token?))?;
        if writer.has_ended {
            return Ok(());
        }
    }
    output(&writer.finish())?;
    Ok(())
}

/// The prompt with a continuation for each of `seeds`, all of which are written together.
pub(super) fn write_texts<B: Backend>(
    model: &impl CausalLanguageModel<B>,
    tokenizer: &Tokenizer,
    request: &TextRequest<'_>,
    seeds: &[u64],
    device: &B::Device,
) -> Result<Vec<String>, TaskError> {
    let (prompt, writer) = Writer::new(tokenizer, request)?;
    let mut writers = vec![writer; seeds.len()];
    let mut texts = vec![request.prompt.to_string(); seeds.len()];
    let generator = BatchGenerator::new(model, &prompt, request.options.clone(), seeds, device)?;
    for tokens in generator.take(request.tokens) {
        for ((token, writer), text) in tokens?.into_iter().zip(&mut writers).zip(&mut texts) {
            text.push_str(&writer.push(token));
        }
        if writers.iter().all(|writer| writer.has_ended) {
            break;
        }
    }
    texts.iter_mut().zip(&mut writers).for_each(|(text, writer)| text.push_str(&writer.finish()));
    Ok(texts)
}

/// Makes text of tokens, up to a text at which it ends.
#[derive(Clone)]
struct Writer<'a> {
    decoder: StreamDecoder<'a>,
    stop: &'a [String],
    /// The token at which it ends.
    end: Option<u32>,
    /// What may be the beginning of a text at which it ends.
    held: String,
    /// Whether the prompt ends with the space that the next word would begin with.
    has_space: bool,
    has_ended: bool,
}

impl<'a> Writer<'a> {
    /// The tokens of the prompt, and a writer that goes on behind them.
    fn new(tokenizer: &'a Tokenizer, request: &TextRequest<'a>) -> Result<(Vec<u32>, Self), TaskError> {
        let mut prompt = tokenizer.encode(request.prompt)?;
        let mut decoder = tokenizer.stream_decoder();
        if !request.prompt.is_empty() {
            // The space before the next word depends on the last one.
            prompt.iter().for_each(|token| drop(decoder.push(*token)));
        }
        if prompt.is_empty() {
            prompt = beginning(tokenizer, request.separator);
        }
        let has_space = !tokenizer.keeps_white_space() && request.prompt.ends_with(char::is_whitespace);
        let end = tokenizer.special().end;
        Ok((prompt, Self { decoder, stop: request.stop, end, held: String::new(), has_space, has_ended: false }))
    }

    /// What can be written now.
    fn push(&mut self, token: u32) -> String {
        if self.has_ended {
            return String::new();
        }
        if Some(token) == self.end {
            let rest = self.finish();
            self.has_ended = true;
            return rest;
        }
        let text = self.decoder.push(token);
        let text = if std::mem::take(&mut self.has_space) { text.trim_start_matches(' ') } else { &text };
        self.held.push_str(text);
        self.release()
    }

    /// What is left.
    fn finish(&mut self) -> String {
        if self.has_ended {
            return String::new();
        }
        self.held.push_str(&self.decoder.finish());
        let certain = self.release();
        certain + &std::mem::take(&mut self.held)
    }

    /// What of the held text cannot be the beginning of one at which it ends.
    fn release(&mut self) -> String {
        let stops = self.stop.iter().filter(|stop| !stop.is_empty());
        if let Some(end) = stops.clone().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.has_ended = true;
            self.held.truncate(end);
            return std::mem::take(&mut self.held);
        }
        let may_begin = |at: &usize| stops.clone().any(|stop| stop.starts_with(&self.held[*at..]));
        let places = self.held.char_indices().map(|(at, _)| at);
        let certain = places.clone().find(may_begin).unwrap_or(self.held.len());
        let rest = self.held.split_off(certain);
        std::mem::replace(&mut self.held, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data::text::tokenizer::{SpecialRole, TokenizerConfig};

    fn request(stop: &[String]) -> TextRequest<'_> {
        TextRequest { prompt: "", tokens: 0, options: SamplingOptions::default(), stop, seed: 0, separator: None }
    }

    fn written(stop: &[&str], text: &str) -> Vec<String> {
        let tokenizer = Tokenizer::train(&TokenizerConfig::default(), "abc. \n").unwrap();
        let stop: Vec<String> = stop.iter().map(|stop| stop.to_string()).collect();
        let (_, mut writer) = Writer::new(&tokenizer, &request(&stop)).unwrap();
        let mut pieces: Vec<String> =
            tokenizer.encode(text).unwrap().into_iter().map(|token| writer.push(token)).collect();
        pieces.push(writer.finish());
        pieces
    }

    #[test]
    fn a_text_ends_before_the_first_stop() {
        assert_eq!(written(&["bc", "c"], "aabab.bca").concat(), "aabab.");
        assert_eq!(written(&["a"], "abc").concat(), "");
        assert_eq!(written(&[], "abc"), ["a", "b", "c", ""], "nothing is held back without a reason");
        assert_eq!(written(&["bcb"], "abc"), ["a", "", "", "bc"], "the beginning of a stop comes when it is none");
        assert_eq!(written(&[""], "abc").concat(), "abc", "nothing is everywhere");
    }

    #[test]
    fn a_text_ends_with_the_token_for_that_and_begins_after_it() {
        let tokenizer = Tokenizer::train(&TokenizerConfig::default(), "abc. \n").unwrap();
        let tokenizer = tokenizer.with_special(SpecialRole::End).unwrap();
        let end = tokenizer.special().end.unwrap();
        let (prompt, mut writer) =
            Writer::new(&tokenizer, &TextRequest { separator: Some(end), ..request(&[]) }).unwrap();
        assert_eq!(prompt, [end]);
        let [a, b] = ["a", "b"].map(|text| tokenizer.encode(text).unwrap()[0]);
        let pieces = [a, end, b].map(|token| writer.push(token));
        assert_eq!((pieces.concat(), writer.finish(), writer.has_ended), ("a".into(), String::new(), true));
        assert!(without_text(&tokenizer).is_empty(), "the end may be written");
    }
}
