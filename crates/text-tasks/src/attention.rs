//! What a network looks at, drawn for the report.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, backend::Backend};
use data::text::tokenizer::Tokenizer;
use report::{Body, Heatmap, Section};
use training_loop::error::TaskError;

/// Tokens of a text whose attention is drawn: more cannot be told apart.
pub(crate) const SHOWN: usize = 32;

/// The page of the report.
const PAGE: &str = "attention";

/// Adds a page with a map for each layer, the mean of its heads; nothing without weights.
///
/// # Shapes
/// - each of weights: `[1, heads, time, time]`, for `tokens` or more of them
pub(crate) fn add_page<B: Backend>(
    pages: &mut BTreeMap<String, serde_json::Value>,
    weights: Vec<Tensor<B, 4>>,
    tokenizer: &Tokenizer,
    tokens: &[i32],
    about: &str,
) -> Result<(), TaskError> {
    if weights.is_empty() {
        return Ok(());
    }
    let shown = tokens.len().min(SHOWN);
    let labels: Vec<String> = tokens[..shown].iter().map(|token| label(tokenizer, *token as u32)).collect();
    let count = weights.len();
    let mut sections = Vec::new();
    for (layer, weights) in weights.into_iter().enumerate() {
        let [_, heads, ..] = weights.dims();
        let means = weights.slice([0..1, 0..heads, 0..shown, 0..shown]).mean_dim(1);
        let values: Vec<f64> = means.into_data().iter::<f64>().collect();
        let heatmap = Heatmap {
            rows: labels.clone(),
            columns: labels.clone(),
            values: values.chunks(shown).map(<[f64]>::to_vec).collect(),
            x_label: "looked at".into(),
            y_label: "looks".into(),
        };
        let section = Section::new(format!("Attention, layer {} of {count}", layer + 1), Body::Heatmap(heatmap));
        sections.push(if layer == 0 {
            section.with_caption(format!("{about}: the mean of the heads."))
        } else {
            section
        });
    }
    pages.insert(PAGE.to_string(), serde_json::to_value(sections)?);
    Ok(())
}

/// A token as text; spaces are tokens of their own, or parts of them, and would not be seen.
pub(crate) fn label(tokenizer: &Tokenizer, token: u32) -> String {
    tokenizer.decode(&[token]).replace(' ', "␣").replace('\n', "⏎")
}
