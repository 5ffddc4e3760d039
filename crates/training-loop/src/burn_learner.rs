//! burn's own training traits, for models that are also to run under burn's learner (`burn::train::SupervisedTraining`).

/// burn's `TrainStep` and `InferenceStep` of a model, for one kind of batch and one of burn's outputs, all generic over the backend:
/// `burn_steps!(Network, ImageClassBatch, ClassificationOutput, predict);` where `predict(&Network<B>, ImageClassBatch<B>)` gives the
/// output of a batch, with its loss. The crate that uses this depends on `burn` with the feature `train`.
#[macro_export]
macro_rules! burn_steps {
    ($model:ident, $batch:ident, $output:ident, $predict:path) => {
        impl<B: burn::tensor::backend::AutodiffBackend> burn::train::TrainStep for $model<B> {
            type Input = $batch<B>;
            type Output = $output<B>;

            fn step(&self, batch: Self::Input) -> burn::train::TrainOutput<Self::Output> {
                let output = $predict(self, batch);
                burn::train::TrainOutput::new(self, output.loss.backward(), output)
            }
        }

        impl<B: burn::tensor::backend::Backend> burn::train::InferenceStep for $model<B> {
            type Input = $batch<B>;
            type Output = $output<B>;

            fn step(&self, batch: Self::Input) -> Self::Output {
                $predict(self, batch)
            }
        }
    };
}
