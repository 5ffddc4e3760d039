//! The jobs `forecast` and `sequence-classification`: what a training step teaches, and what an evaluation tells.

use burn::{
    backend::{Autodiff, Flex},
    module::AutodiffModule,
};
use sequence::{
    classifier::ClassifierConfig,
    forecaster::{ForecastHead, ForecasterConfig, RecurrentForecaster},
    pooling::Pooling,
    task::{
        classification::{ClassificationJob, ClassificationOptions, LabelledBlock},
        forecast::{ForecastJob, ForecastOptions, SeriesBlock},
    },
};
use testkit::{TinyOverfit, every_parameter_has_gradient, tiny_overfit};
use training_loop::{
    job::{AssembleContext, Assembled, Blocks, Job},
    task::{Scores, StepContext, Task},
};

type B = Autodiff<Flex>;

fn assemble<J: Job>(blocks: &Blocks<J>) -> Assembled<B, J::Task<B>> {
    let device = Default::default();
    let context = AssembleContext::new(&device, 42);
    J::assemble::<B>(blocks, &context).unwrap()
}

/// Every parameter takes part in the loss of one batch.
fn gradients_reach_every_parameter<J: Job>(blocks: &Blocks<J>) {
    let Assembled { mut task, model, splits, .. } = assemble(blocks);
    let context = StepContext { device: &Default::default(), step: 0, epoch: 0, optimizer: "main" };
    let output = task.training_step(&model, splits.train.get(0, 0).unwrap(), &context).unwrap();
    every_parameter_has_gradient(&model, output.loss);
}

/// One batch is learned by heart.
fn memorises<J: Job>(blocks: &Blocks<J>, options: TinyOverfit)
where
    <J::Task<B> as Task<B>>::Batch: Clone,
{
    let Assembled { mut task, model, splits, .. } = assemble(blocks);
    let batch = splits.train.get(0, 0).unwrap();
    tiny_overfit(&mut task, model, || batch.clone(), &Default::default(), options);
}

fn reviews(pooling: Pooling) -> Blocks<ClassificationJob> {
    let mut data = LabelledBlock::default();
    data.0.batch_size = 16;
    let model =
        ClassifierConfig { embedding_size: 16, hidden_size: 16, pooling, dropout: 0.0, ..ClassifierConfig::default() };
    Blocks { data, model, task: ClassificationOptions::default() }
}

fn signals(model: ForecasterConfig, task: ForecastOptions) -> Blocks<ForecastJob> {
    let mut data = SeriesBlock::default();
    (data.0.input_len, data.0.horizon, data.0.batch_size) = (24, 6, 4);
    data.0.covariates = vec!["carrier".to_string()];
    Blocks { data, model, task }
}

fn forecasters() -> Vec<ForecasterConfig> {
    let recurrent = |head| RecurrentForecaster { hidden_size: 32, head, ..Default::default() };
    vec![
        ForecasterConfig::Lstm(recurrent(ForecastHead::Direct)),
        ForecasterConfig::Gru(recurrent(ForecastHead::Autoregressive)),
        ForecasterConfig::Rnn(recurrent(ForecastHead::Direct)),
        ForecasterConfig::Dlinear { kernel_size: 5, individual: true },
        ForecasterConfig::Nlinear { individual: false },
    ]
}

#[test]
fn classifiers_learn_with_every_parameter() {
    for pooling in [Pooling::Last, Pooling::Mean, Pooling::Max, Pooling::Attention] {
        gradients_reach_every_parameter(&reviews(pooling));
    }
}

#[test]
fn classifiers_memorise_one_batch() {
    for pooling in [Pooling::Max, Pooling::Attention] {
        memorises(&reviews(pooling), TinyOverfit { steps: 60, learning_rate: 2e-2, bound: 0.05 });
    }
}

#[test]
fn forecasters_learn_with_every_parameter() {
    for model in forecasters() {
        gradients_reach_every_parameter(&signals(model.clone(), ForecastOptions::default()));
        let quantiles = ForecastOptions { quantiles: vec![0.1, 0.5, 0.9], ..ForecastOptions::default() };
        gradients_reach_every_parameter(&signals(model, quantiles));
    }
}

#[test]
fn forecasters_memorise_one_batch() {
    for model in forecasters() {
        let options = TinyOverfit { steps: 500, learning_rate: 1e-2, bound: 0.02 };
        memorises(&signals(model, ForecastOptions::default()), options);
    }
}

/// They are computed in the first validation, and again only for other windows.
#[test]
fn the_baselines_of_a_part_stay_the_same() {
    let blocks = signals(ForecasterConfig::Nlinear { individual: false }, ForecastOptions::default());
    let Assembled { mut task, model, splits, .. } = assemble(&blocks);
    let model = model.valid();
    let (validation, test) = (splits.validation.unwrap(), splits.test.unwrap());
    let mut baselines = |batches: &training_loop::task::Batches<_>| -> Vec<Option<f64>> {
        let scores: Scores = task.evaluate(&model, &mut batches.iter(), &Default::default()).unwrap();
        ["mse/naive", "mse/seasonal_naive"].map(|name| scores.get(name).copied()).to_vec()
    };
    let first = baselines(&validation);
    assert!(first.iter().all(|score| score.is_some_and(|score| score > 0.0)));
    assert_eq!(baselines(&validation), first);
    let of_test = baselines(&test);
    assert!(of_test[0].is_some() && of_test != first);
    assert_eq!(baselines(&validation), first);
    // Of fewer windows from the same row nothing is known, and then theirs are.
    assert_eq!(baselines(&validation.first(1)), [None, None]);
    let of_few = baselines(&validation.first(1));
    assert!(of_few[0].is_some() && of_few != first);
}
