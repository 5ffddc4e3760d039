//! burn's own training traits, so that the supervised models also run under burn's learner
//! (`burn::train::SupervisedTraining`): for each, what a batch is on the device, and its loss with burn's kind of output.
//!
//! The CTC recogniser is not among them: burn's learner has no output without a target at each step.

mod classifiers;
mod forecaster;
mod language_model;
mod translator;

pub use classifiers::{RecordingBatch, TextClassBatch};
pub use forecaster::ForecastBatch;
pub use language_model::{LanguageModelBatch, LanguageModelBatcher};
pub use translator::TranslationBatch;

/// [`TrainStep`](burn::train::TrainStep) and [`InferenceStep`](burn::train::InferenceStep) of a model whose `predict` gives burn's
/// output of a batch.
macro_rules! burn_steps {
    ($model:ident, $batch:ident, $output:ident) => {
        impl<B: burn::tensor::backend::AutodiffBackend> burn::train::TrainStep for $model<B> {
            type Input = $batch<B>;
            type Output = $output<B>;

            fn step(&self, batch: Self::Input) -> burn::train::TrainOutput<Self::Output> {
                let output = predict(self, batch);
                burn::train::TrainOutput::new(self, output.loss.backward(), output)
            }
        }

        impl<B: burn::tensor::backend::Backend> burn::train::InferenceStep for $model<B> {
            type Input = $batch<B>;
            type Output = $output<B>;

            fn step(&self, batch: Self::Input) -> Self::Output {
                predict(self, batch)
            }
        }
    };
}
use burn_steps;
