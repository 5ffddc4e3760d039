//! What the report shows of an evaluation.

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use data::text::{
    parallel::{ParallelData, boundary, encode_source},
    tokenizer::Tokenizer,
};
use report::{BarSeries, Bars, Body, Heatmap, Section, Table};
use training_loop::{
    error::TaskError,
    metrics::{corpus_bleu, corpus_chrf},
};

use crate::attention;

use super::{EncoderDecoder, TranslationOptions};

/// Sources of up to so many words make a bar; the last bar has all longer ones.
const LENGTHS: [usize; 5] = [5, 10, 15, 20, 30];

/// Fewer translations in all say nothing about lengths.
const ENOUGH_FOR_LENGTHS: usize = 100;

/// How the boundary is shown.
const BOUNDARY: &str = "⏹";

/// What the model made of one source.
#[derive(Debug, Clone)]
pub(super) struct Translation {
    /// The place of the pair in the data.
    pub index: usize,
    /// Without boundary.
    pub tokens: Vec<u32>,
    /// The tokens as text.
    pub text: String,
}

/// The sections about an evaluation, whose `translations` are in the order of the data.
pub(super) fn pages<B: Backend>(
    model: &impl EncoderDecoder<B>,
    pairs: &ParallelData,
    translations: &[Translation],
    options: &TranslationOptions,
    device: &B::Device,
) -> Result<Vec<Section>, TaskError> {
    let shown = &translations[..options.shown.min(translations.len())];
    let mut sections = vec![table("Translations", pairs, shown)];
    for translation in shown.iter().take(options.alignments) {
        sections.extend(alignment(model, pairs, translation, device)?);
    }
    let worst = worst(pairs, translations, options.shown)?;
    if !worst.is_empty() {
        let caption = "The translations that share least with the reference, by chrF.";
        sections.push(table("Worst translations", pairs, &worst).with_caption(caption));
    }
    if translations.len() >= ENOUGH_FOR_LENGTHS {
        sections.push(by_length(pairs, translations)?);
    }
    Ok(sections)
}

/// A translation beneath its source, for the samples of a run.
pub(super) fn sample(pairs: &ParallelData, translation: &Translation) -> String {
    format!("{}\n  → {}\n", pairs.source_text(translation.index), translation.text)
}

fn table(title: &str, pairs: &ParallelData, translations: &[Translation]) -> Section {
    let row = |translation: &Translation| {
        let Translation { index, text, .. } = translation;
        vec![pairs.source_text(*index).to_string(), pairs.target_text(*index).to_string(), text.clone()]
    };
    let columns = ["source", "reference", "translation"].map(str::to_string).to_vec();
    Section::new(title, Body::Table(Table { columns, rows: translations.iter().map(row).collect() }))
}

/// What the decoder looked at for each token that it wrote; none without attention.
fn alignment<B: Backend>(
    model: &impl EncoderDecoder<B>,
    pairs: &ParallelData,
    translation: &Translation,
    device: &B::Device,
) -> Result<Option<Section>, TaskError> {
    let (source, target) = (&pairs.source_tokenizer, &pairs.target_tokenizer);
    let read = encode_source(source, usize::MAX, pairs.source_text(translation.index))?;
    let start = std::iter::once(boundary(target));
    let inputs: Vec<i32> = start.chain(translation.tokens.iter().copied()).map(|token| token as i32).collect();
    let row = |tokens: &[i32]| {
        let shape = [1, tokens.len()];
        Tensor::<B, 2, Int>::from_data(TensorData::new(tokens.to_vec(), shape), device)
    };
    let Some(attention) = model.alignment(row(&read), &[read.len()], row(&inputs)) else {
        return Ok(None);
    };
    let values: Vec<f64> = attention.into_data().iter::<f64>().collect();
    let read: Vec<u32> = read.iter().map(|token| *token as u32).collect();
    let written: Vec<u32> = translation.tokens.iter().copied().chain([boundary(target)]).collect();
    let heatmap = Heatmap {
        rows: labels(target, &written),
        columns: labels(source, &read),
        values: values.chunks(read.len()).map(<[f64]>::to_vec).collect(),
        x_label: "read".into(),
        y_label: "written".into(),
    };
    let title = format!("Attention: {}", translation.text);
    Ok(Some(Section::new(title, Body::Heatmap(heatmap))))
}

fn labels(tokenizer: &Tokenizer, tokens: &[u32]) -> Vec<String> {
    let end = boundary(tokenizer);
    let label = |token: &u32| if *token == end { BOUNDARY.to_string() } else { attention::label(tokenizer, *token) };
    tokens.iter().map(label).collect()
}

fn worst(pairs: &ParallelData, translations: &[Translation], count: usize) -> Result<Vec<Translation>, TaskError> {
    let mut scored = Vec::new();
    for translation in translations {
        let reference = pairs.target_text(translation.index);
        if translation.text != reference {
            scored.push((corpus_chrf(&[&translation.text], &[[reference]])?.score, translation));
        }
    }
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(scored.into_iter().take(count).map(|(_, translation)| translation.clone()).collect())
}

fn by_length(pairs: &ParallelData, translations: &[Translation]) -> Result<Section, TaskError> {
    let words = |translation: &Translation| pairs.source_text(translation.index).split_whitespace().count();
    let (mut labels, mut values) = (Vec::new(), Vec::new());
    let mut from = 1;
    for to in LENGTHS.into_iter().chain([usize::MAX]) {
        let within: Vec<&Translation> =
            translations.iter().filter(|translation| (from..=to).contains(&words(translation))).collect();
        if !within.is_empty() {
            let hypotheses: Vec<&str> = within.iter().map(|translation| translation.text.as_str()).collect();
            let references: Vec<[&str; 1]> =
                within.iter().map(|translation| [pairs.target_text(translation.index)]).collect();
            let range = if to == usize::MAX { format!("{from} and more") } else { format!("{from} to {to}") };
            labels.push(format!("{range} ({})", within.len()));
            values.push(corpus_bleu(&hypotheses, &references)?.score);
        }
        from = to.saturating_add(1);
    }
    let series = vec![BarSeries { name: "BLEU".into(), values }];
    let bars = Bars { labels, series, ..Bars::default() };
    let caption = "BLEU by the number of words of the source; how many there are stands in brackets.";
    Ok(Section::new("By length", Body::Bars(bars)).with_caption(caption))
}
