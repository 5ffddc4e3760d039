//! Which tensors of a file go into a network, and what becomes of the others.

use std::collections::BTreeMap;

use burn::{
    module::ParamId,
    tensor::{TensorData, backend::Backend},
};
use burn_store::TensorSnapshot;
use state_dict::{LoadOutcome, LoadRow, StateDict};

use super::{fit::Fit, names::Names};

/// What a load does, or why there can be none.
#[derive(Default)]
pub(super) struct Plan {
    /// What becomes of every tensor: those of the network in its order, then what else is in the file.
    pub rows: Vec<LoadRow>,
    /// What goes into the network, under its names and in its float type.
    pub snapshots: Vec<TensorSnapshot>,
    /// What is missing, of another shape or too many, one sentence each. With any of them nothing is loaded.
    pub problems: Vec<String>,
}

impl Plan {
    /// Compares the names and shapes of a network's `own` tensors with those of a file.
    pub fn new<B: Backend>(names: &Names, own: Vec<(String, Vec<usize>)>, tensors: StateDict) -> Self {
        let mut found: BTreeMap<String, TensorData> =
            tensors.into_iter().filter_map(|(name, data)| Some((names.ours(&name)?, data))).collect();
        let head_fits = own
            .iter()
            .filter(|(name, _)| names.is_head(name))
            .all(|(name, shape)| found.get(name).is_some_and(|data| Fit::of(names, name, data, shape).is_some()));
        let mut plan = Self::default();
        for (name, shape) in own {
            match found.remove(&name) {
                data if names.is_head(&name) && !head_fits => plan.keep(name, shape, data),
                Some(data) => plan.replace::<B>(names, name, shape, data),
                None => plan.problems.push(format!("{name} {shape:?} is missing")),
            }
        }
        for (name, data) in found {
            plan.leave(names, name, data);
        }
        plan
    }

    /// A tensor of a head that stays as it is, whatever the file has in its place.
    fn keep(&mut self, name: String, shape: Vec<usize>, data: Option<TensorData>) {
        let outcome = if data.is_some() { LoadOutcome::Replaced } else { LoadOutcome::Missing };
        let in_file = data.map(|data| data.shape.to_vec());
        self.rows.push(LoadRow { name, in_file, in_network: Some(shape), outcome });
    }

    /// A tensor of the network in whose place that of the file goes, if it fits.
    fn replace<B: Backend>(&mut self, names: &Names, name: String, shape: Vec<usize>, data: TensorData) {
        let in_file = data.shape.to_vec();
        let Some(fit) = Fit::of(names, &name, &data, &shape) else {
            self.problems.push(format!("{name} should be {shape:?}, found {in_file:?}"));
            return;
        };
        match fit.apply::<B>(data, &shape) {
            Ok(data) => {
                let path = name.split('.').map(str::to_string).collect();
                self.snapshots.push(TensorSnapshot::from_data(data, path, Vec::new(), ParamId::new()));
                let (in_file, in_network) = (Some(in_file), Some(shape));
                self.rows.push(LoadRow { name, in_file, in_network, outcome: fit.outcome() });
            }
            Err(message) => self.problems.push(format!("{name} {message}")),
        }
    }

    /// A tensor of the file for which the network has no place.
    fn leave(&mut self, names: &Names, name: String, data: TensorData) {
        let shape = data.shape.to_vec();
        if names.is_trunk(&name) {
            self.problems.push(format!("{name} {shape:?} is not in the network"));
        }
        self.rows.push(LoadRow { name, in_file: Some(shape), in_network: None, outcome: LoadOutcome::Unused });
    }
}
