//! Memorising one batch: the cheapest proof that loss, gradients and update belong together.

use burn::{
    optim::{AdamConfig, GradientsParams, Optimizer},
    tensor::backend::AutodiffBackend,
};
use training_loop::task::{StepContext, Task};

/// How [`tiny_overfit`] trains.
#[derive(Clone, Copy, Debug)]
pub struct TinyOverfit {
    /// Steps, each on the same batch. Default: 200.
    pub steps: u64,
    /// Rate of Adam, never changed. Default: 1e-2.
    pub learning_rate: f64,
    /// What the loss must fall below. Default: 0.1.
    pub bound: f64,
}

impl Default for TinyOverfit {
    fn default() -> Self {
        Self { steps: 200, learning_rate: 1e-2, bound: 0.1 }
    }
}

/// Trains `task` on one batch, asked for anew each step, with burn's own Adam: nothing of the loop under it. Returns
/// the trained model and the loss of each step.
///
/// # Panics
/// When the last loss is not below the bound, or the task has more than one optimiser: what memorising means for those
/// is their own affair.
#[track_caller]
pub fn tiny_overfit<B: AutodiffBackend, T: Task<B>>(
    task: &mut T,
    mut model: T::Model,
    batch: impl Fn() -> T::Batch,
    device: &B::Device,
    options: TinyOverfit,
) -> (T::Model, Vec<f64>) {
    assert_eq!(task.optimizers().len(), 1, "tiny_overfit trains with one optimiser");
    let mut adam = AdamConfig::new().init();
    let mut losses = Vec::new();
    for step in 0..options.steps {
        let context = StepContext { device, step, epoch: step, optimizer: "main" };
        let output = match task.training_step(&model, batch(), &context) {
            Ok(output) => output,
            Err(error) => panic!("step {step}: {error}"),
        };
        losses.push(output.loss.to_data().iter::<f64>().sum());
        let gradients = GradientsParams::from_grads(output.loss.backward(), &model);
        model = adam.step(options.learning_rate, model, gradients);
    }
    let (first, last) = (losses.first(), losses.last());
    assert!(
        last.is_some_and(|loss| *loss < options.bound),
        "after {} steps on one batch the loss went from {first:?} to {last:?}, not below {}",
        options.steps,
        options.bound
    );
    (model, losses)
}
