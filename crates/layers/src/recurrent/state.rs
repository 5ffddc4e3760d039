//! The state that a recurrent network carries from one part of its sequences to the next.

use super::{Cell, join};
use burn::tensor::{
    Int, Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use serde::{Deserialize, Serialize};

/// The state of every layer and direction after a step: layer 0 forward, layer 0 reverse, layer 1 forward, …
#[derive(Clone, Debug)]
pub struct RecurrentState<B: Backend> {
    /// `[num_layers * directions, batch, hidden_size]`
    pub hidden: Tensor<B, 3>,
    /// The same of an LSTM's cells; `None` for every other cell.
    pub cell: Option<Tensor<B, 3>>,
}

/// A [`RecurrentState`] off its device, for checkpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecurrentStateData {
    /// `[num_layers * directions, batch, hidden_size]`
    pub hidden: TensorData,
    /// The same of an LSTM's cells.
    pub cell: Option<TensorData>,
}

impl<B: Backend> RecurrentState<B> {
    /// The same numbers without their history, so that no gradient flows back through them.
    pub fn detach(self) -> Self {
        self.map(Tensor::detach)
    }

    /// The states of the sequences with these indices, in this order and as often as they are named: what a beam
    /// search keeps of its hypotheses.
    ///
    /// # Shapes
    /// - indices: `[new batch]`
    pub fn select(self, indices: Tensor<B, 1, Int>) -> Self {
        self.map(|tensor| tensor.select(1, indices.clone()))
    }

    /// On another device.
    pub fn to_device(self, device: &B::Device) -> Self {
        self.map(|tensor| tensor.to_device(device))
    }

    /// Off the device.
    pub fn into_data(self) -> RecurrentStateData {
        RecurrentStateData { hidden: self.hidden.into_data(), cell: self.cell.map(Tensor::into_data) }
    }

    /// Back on a device.
    ///
    /// # Panics
    /// When the data do not have three dimensions.
    pub fn from_data(data: RecurrentStateData, device: &B::Device) -> Self {
        Self {
            hidden: Tensor::from_data(data.hidden, device),
            cell: data.cell.map(|cell| Tensor::from_data(cell, device)),
        }
    }

    /// How many sequences it belongs to.
    pub fn batch_size(&self) -> usize {
        let [_, batch, _] = self.hidden.dims();
        batch
    }

    fn map(self, change: impl Fn(Tensor<B, 3>) -> Tensor<B, 3>) -> Self {
        Self { hidden: change(self.hidden), cell: self.cell.map(change) }
    }

    /// One by one: `[batch, hidden]` each.
    pub(super) fn split(self, cell: Cell) -> Vec<(Tensor<B, 2>, Option<Tensor<B, 2>>)> {
        let hidden = rows(self.hidden).into_iter();
        match self.cell.filter(|_| cell.has_cell_state()) {
            Some(cells) => hidden.zip(rows(cells).into_iter().map(Some)).collect(),
            None => hidden.map(|hidden| (hidden, None)).collect(),
        }
    }

    /// From `[batch, hidden]` each.
    pub(super) fn join(states: Vec<(Tensor<B, 2>, Option<Tensor<B, 2>>)>) -> Self {
        let (hidden, cells): (Vec<_>, Vec<_>) = states
            .into_iter()
            .map(|(hidden, cell)| (hidden.unsqueeze::<3>(), cell.map(Tensor::unsqueeze::<3>)))
            .unzip();
        let cells: Option<Vec<_>> = cells.into_iter().collect();
        Self { hidden: join(hidden, 0), cell: cells.map(|cells| join(cells, 0)) }
    }
}

impl<B: AutodiffBackend> RecurrentState<B> {
    /// The same numbers on the backend without gradients.
    pub fn inner(self) -> RecurrentState<B::InnerBackend> {
        RecurrentState { hidden: self.hidden.inner(), cell: self.cell.map(Tensor::inner) }
    }

    /// The same numbers on the backend with gradients, as constants.
    pub fn from_inner(state: RecurrentState<B::InnerBackend>) -> Self {
        Self { hidden: Tensor::from_inner(state.hidden), cell: state.cell.map(Tensor::from_inner) }
    }
}

/// The `[batch, hidden]` states of `[rows, batch, hidden]`.
fn rows<B: Backend>(states: Tensor<B, 3>) -> Vec<Tensor<B, 2>> {
    let [rows, batch, hidden] = states.dims();
    if rows == 1 {
        // No slice, whose gradient would be copied.
        return vec![states.reshape([batch, hidden])];
    }
    (0..rows).map(|row| states.clone().narrow(0, row, 1).reshape([batch, hidden])).collect()
}
