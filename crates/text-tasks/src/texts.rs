//! Texts that are asked about, and texts as networks read them.

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use data::text::{Encoding, corpus::read_text, framing::Framed};
use training_loop::{error::TaskError, job::PredictRequest};

/// Tokens of a batch of texts on the device, and what is known of them.
#[derive(Clone, Debug)]
pub struct Texts<B: Backend> {
    /// `[batch, time]`, padded at the end with any token.
    pub tokens: Tensor<B, 2, Int>,
    /// `[batch, time]`: 0 where a token is of the first text of a pair, 1 where it is of the second; none where all texts are alone.
    pub segments: Option<Tensor<B, 2, Int>>,
    /// `batch` numbers in `1..=time`.
    pub lengths: Vec<usize>,
}

impl<B: Backend> Texts<B> {
    /// Padded rows of `time` tokens.
    pub(crate) fn of_batch(tokens: &[i32], lengths: &[i32], time: usize, device: &B::Device) -> Self {
        Self {
            tokens: rows_of(tokens, time, device),
            segments: None,
            lengths: lengths.iter().map(|length| *length as usize).collect(),
        }
    }

    /// Texts of several lengths.
    pub(crate) fn of_rows(rows: &[Vec<i32>], device: &B::Device) -> Self {
        let (tokens, lengths) = pad(rows, device);
        Self { tokens, segments: None, lengths }
    }

    /// Texts of several lengths, alone or in pairs.
    pub(crate) fn framed(texts: &[Framed], device: &B::Device) -> Self {
        let row = |tokens: &[u32]| tokens.iter().map(|token| *token as i32).collect::<Vec<_>>();
        let segments = |text: &Framed| text.segments.iter().map(|segment| i32::from(*segment)).collect::<Vec<_>>();
        let alone = Self::of_rows(&texts.iter().map(|text| row(&text.tokens)).collect::<Vec<_>>(), device);
        if texts.iter().all(|text| text.segments.iter().all(|segment| *segment == 0)) {
            return alone;
        }
        let (segments, _) = pad(&texts.iter().map(segments).collect::<Vec<_>>(), device);
        Self { segments: Some(segments), ..alone }
    }
}

/// Row-major rows of `time` numbers.
pub(crate) fn rows_of<B: Backend>(numbers: &[i32], time: usize, device: &B::Device) -> Tensor<B, 2, Int> {
    let shape = [numbers.len() / time.max(1), time];
    Tensor::from_data(TensorData::new(numbers.to_vec(), shape), device)
}

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
