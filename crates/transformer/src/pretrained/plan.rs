//! Which tensors of a file go into a model, and what becomes of the others.

use burn::{
    module::ParamId,
    tensor::{TensorData, backend::Backend},
};
use burn_store::TensorSnapshot;
use state_dict::{LoadOutcome, LoadRow, StateDict};

use super::Pretrained;

/// What a load does, or why there can be none.
#[derive(Default)]
pub(super) struct Plan {
    /// What becomes of every tensor: those of the model in its order, then what else is in the file.
    pub rows: Vec<LoadRow>,
    /// What goes into the model, under its names and in its float type.
    pub snapshots: Vec<TensorSnapshot>,
    /// What is missing, of another shape or too many, one sentence each. With any of them nothing is loaded.
    pub problems: Vec<String>,
}

impl Plan {
    /// Compares the names and shapes of a model's `own` tensors with those of a file.
    pub fn new<B: Backend, M: Pretrained<B>>(model: &M, own: Vec<(String, Vec<usize>)>, tensors: StateDict) -> Self {
        let mut found = model.adapt(tensors);
        let head_of = |name: &str| M::HEADS.iter().find(|head| name.starts_with(*head));
        let fits = |name: &str, shape: &[usize], found: &StateDict| {
            found.get(name).is_some_and(|data| fit(model, name, data, shape).is_some())
        };
        let kept: Vec<&&str> =
            own.iter().filter_map(|(name, shape)| head_of(name).filter(|_| !fits(name, shape, &found))).collect();
        let mut plan = Self::default();
        for (name, shape) in own {
            let is_kept = head_of(&name).is_some_and(|head| kept.contains(&head));
            match found.remove(&name) {
                data if is_kept => plan.keep(name, shape, data),
                None if name.contains(".lora.") => plan.keep(name, shape, None),
                None => plan.problems.push(format!("{name} {shape:?} is missing")),
                Some(data) => plan.replace(model, name, shape, data),
            }
        }
        for (name, data) in found {
            let is_needed = is_of_block(&name) || model.is_needed(&name);
            plan.leave(name, data, is_needed);
        }
        plan
    }

    /// A tensor of the model that stays as it is, whatever the file has in its place.
    fn keep(&mut self, name: String, shape: Vec<usize>, data: Option<TensorData>) {
        let outcome = if data.is_some() { LoadOutcome::Replaced } else { LoadOutcome::Missing };
        let in_file = data.map(|data| data.shape.to_vec());
        self.rows.push(LoadRow { name, in_file, in_network: Some(shape), outcome });
    }

    /// A tensor of the model in whose place that of the file goes, if it fits.
    fn replace<B: Backend, M: Pretrained<B>>(&mut self, model: &M, name: String, shape: Vec<usize>, data: TensorData) {
        let in_file = data.shape.to_vec();
        if !data.dtype.is_float() {
            self.problems.push(format!("{name} holds {:?} and not floats", data.dtype));
            return;
        }
        let Some((data, outcome)) = fit(model, &name, &data, &shape) else {
            self.problems.push(format!("{name} should be {shape:?}, found {in_file:?}"));
            return;
        };
        let path = name.split('.').map(str::to_string).collect();
        let data = data.convert::<B::FloatElem>();
        self.snapshots.push(TensorSnapshot::from_data(data, path, Vec::new(), ParamId::new()));
        self.rows.push(LoadRow { name, in_file: Some(in_file), in_network: Some(shape), outcome });
    }

    /// A tensor of the file for which the model has no place.
    fn leave(&mut self, name: String, data: TensorData, is_needed: bool) {
        let shape = data.shape.to_vec();
        if is_needed {
            self.problems.push(format!("{name} {shape:?} is not in the model"));
        }
        self.rows.push(LoadRow { name, in_file: Some(shape), in_network: None, outcome: LoadOutcome::Unused });
    }
}

/// Whether a name is that of a part of a block.
fn is_of_block(name: &str) -> bool {
    ["blocks.", "encoder.layers.", "decoder.layers."].iter().any(|stack| name.contains(stack))
}

/// `data` as the tensor `name` of `shape`, if it can be.
fn fit<B: Backend, M: Pretrained<B>>(
    model: &M,
    name: &str,
    data: &TensorData,
    shape: &[usize],
) -> Option<(TensorData, LoadOutcome)> {
    if data.shape[..] == *shape {
        return Some((data.clone(), LoadOutcome::Loaded));
    }
    model.fit(name, data, shape)
}
