//! Training metrics since the last log line: on the device until they are shown, then summed on the host.

use burn::tensor::{Tensor, backend::Backend};

use crate::{checkpoint::Window, error::TrainError};

/// Values that wait on the device at most; reading them in one go costs one synchronisation.
const MOST_PENDING: usize = 4096;

/// Values that were not read yet.
pub(crate) struct Pending<B: Backend> {
    entries: Vec<Entry>,
    tensors: Vec<Tensor<B, 1>>,
}

struct Entry {
    step: u64,
    name: &'static str,
    weight: f64,
}

/// The metric whose values must be finite.
pub(crate) const LOSS: &str = "loss";

impl<B: Backend> Pending<B> {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new(), tensors: Vec::new() }
    }

    /// Adds a value of shape `[1]` that counts with `weight`, made by `step` (from 1).
    pub(crate) fn push(&mut self, step: u64, name: &'static str, value: Tensor<B, 1>, weight: f64) {
        self.entries.push(Entry { step, name, weight });
        self.tensors.push(value);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= MOST_PENDING
    }

    /// Reads everything from the device in one copy and adds it to `window`. A loss that is not finite is an error.
    pub(crate) fn read_into(&mut self, window: &mut Window) -> Result<(), TrainError> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let values = Tensor::cat(std::mem::take(&mut self.tensors), 0).into_data();
        for (entry, value) in self.entries.drain(..).zip(values.iter::<f64>()) {
            if entry.name == LOSS && !value.is_finite() {
                return Err(TrainError::NonFinite { what: "the loss", step: entry.step, last_good: None });
            }
            let (sum, weight) = window.sums.entry(entry.name.into()).or_default();
            *sum += value * entry.weight;
            *weight += entry.weight;
        }
        Ok(())
    }
}
