//! Texts that are asked about, and texts as batches.

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use data::text::{Encoding, corpus::read_text};
use training_loop::{error::TaskError, job::PredictRequest};

/// The texts that a request names, one by one or one a line of its input file.
pub(crate) fn requested(request: &PredictRequest, encoding: Encoding) -> Result<Vec<String>, TaskError> {
    let mut texts = request.items.clone();
    if let Some(path) = &request.input {
        let file = read_text(path, encoding)?;
        texts.extend(file.lines().filter(|line| !line.trim().is_empty()).map(str::to_string));
    }
    Ok(texts)
}

/// Texts of several lengths as `[texts, longest]`, padded at their ends with token 0, and their lengths.
pub(crate) fn pad<B: Backend>(tokens: &[Vec<i32>], device: &B::Device) -> (Tensor<B, 2, Int>, Vec<usize>) {
    let lengths: Vec<usize> = tokens.iter().map(Vec::len).collect();
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let padded = tokens.iter().flat_map(|tokens| {
        let padding = std::iter::repeat_n(0, longest - tokens.len());
        tokens.iter().copied().chain(padding)
    });
    let padded = TensorData::new(padded.collect::<Vec<i32>>(), [tokens.len(), longest]);
    (Tensor::from_data(padded, device), lengths)
}
