//! What a language model carries from one window of a text to the next.

use std::{collections::BTreeMap, fmt::Debug};

use burn::tensor::{TensorData, backend::Backend};
use layers::recurrent::{RecurrentState, RecurrentStateData};
use training_loop::error::TaskError;

/// Names of a recurrent state's parts in a checkpoint.
const HIDDEN_STATE: &str = "hidden";
const CELL_STATE: &str = "cell";

/// The state of truncated back-propagation through time: values flow on from window to window, gradients do not. `()` is
/// that of a model which begins each window anew.
pub trait CarriedState<B: Backend>: Clone + Debug + Sized {
    /// How many rows of text it belongs to; none where any number may follow.
    fn batch_size(&self) -> Option<usize>;

    /// The same numbers without their history.
    fn detach(self) -> Self;

    /// Off the device, by name, for a checkpoint.
    fn into_named(self) -> BTreeMap<String, TensorData>;

    /// What [`into_named`](Self::into_named) gave; none from nothing.
    ///
    /// # Errors
    /// When it is not the state of such a model.
    fn from_named(named: BTreeMap<String, TensorData>, device: &B::Device) -> Result<Option<Self>, TaskError>;
}

impl<B: Backend> CarriedState<B> for () {
    fn batch_size(&self) -> Option<usize> {
        None
    }

    fn detach(self) -> Self {}

    fn into_named(self) -> BTreeMap<String, TensorData> {
        BTreeMap::new()
    }

    fn from_named(_: BTreeMap<String, TensorData>, _: &B::Device) -> Result<Option<Self>, TaskError> {
        Ok(None)
    }
}

impl<B: Backend> CarriedState<B> for RecurrentState<B> {
    fn batch_size(&self) -> Option<usize> {
        Some(RecurrentState::batch_size(self))
    }

    fn detach(self) -> Self {
        RecurrentState::detach(self)
    }

    fn into_named(self) -> BTreeMap<String, TensorData> {
        let state = self.into_data();
        let cell = state.cell.map(|cell| (CELL_STATE.to_string(), cell));
        let hidden = (HIDDEN_STATE.to_string(), state.hidden);
        std::iter::once(hidden).chain(cell).collect()
    }

    fn from_named(mut named: BTreeMap<String, TensorData>, device: &B::Device) -> Result<Option<Self>, TaskError> {
        let mut take = |name| named.remove(name).map(|data| data.convert::<B::FloatElem>());
        let (hidden, cell) = (take(HIDDEN_STATE), take(CELL_STATE));
        if [&hidden, &cell].iter().any(|data| data.as_ref().is_some_and(|data| data.rank() != 3)) {
            return Err("the checkpoint's carried state is not one of a recurrent network".into());
        }
        let state = hidden.map(|hidden| RecurrentStateData { hidden, cell });
        Ok(state.map(|state| Self::from_data(state, device)))
    }
}
