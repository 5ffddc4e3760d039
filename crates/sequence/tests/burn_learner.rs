//! burn's own training traits.

use burn::{
    backend::{Autodiff, Flex},
    data::dataloader::batcher::Batcher,
    module::AutodiffModule,
    optim::{AdamWConfig, Optimizer},
    tensor::{Distribution, Int, Tensor},
    train::{InferenceStep, TrainStep},
};
use data::text::windows::{RandomWindows, TextBatches};
use sequence::{
    classifier::ClassifierConfig,
    language_model::{LanguageModel, LanguageModelConfig},
    speech_classifier::SpeechClassifierConfig,
    task::burn_learner::{LanguageModelBatch, LanguageModelBatcher, RecordingBatch, TextClassBatch, TranslationBatch},
    translator::TranslatorConfig,
};

type B = Autodiff<Flex>;

#[test]
fn steps_of_burns_learner_train() {
    let device = Default::default();
    let config = LanguageModelConfig { embedding_size: 8, hidden_size: 16, ..Default::default() };
    let mut model: LanguageModel<B> = config.init(5, &device);
    let tokens = (0..300u32).map(|i| i * i % 5).collect();
    let windows = RandomWindows::new(tokens, 1, 12, Some(4), 0).unwrap();
    let items: Vec<_> = (0..4).map(|index| windows.batch(0, index)).collect();

    let batch: LanguageModelBatch<B> = LanguageModelBatcher.batch(items.clone(), &device);
    assert_eq!(batch.inputs.dims(), [4, 12]);
    let rows: Vec<i32> = items.iter().flat_map(|item| item.targets.clone()).collect();
    assert_eq!(batch.targets.to_data().iter::<i32>().collect::<Vec<_>>(), rows);

    let mut optimizer = AdamWConfig::new().init();
    let mut losses = Vec::new();
    for _ in 0..40 {
        let output = TrainStep::step(&model, batch.clone());
        assert_eq!(output.item.logits.dims(), [4, 12, 5]);
        losses.push(output.item.loss.into_data().iter::<f64>().sum::<f64>());
        model = optimizer.step(1e-2, model, output.grads);
    }
    assert!(losses[39] < losses[0] * 0.8, "{losses:?}");

    let batch: LanguageModelBatch<Flex> = LanguageModelBatcher.batch(items, &device);
    let output = InferenceStep::step(&model.valid(), batch);
    let loss: f64 = output.loss.into_data().iter::<f64>().sum();
    assert!(loss < losses[0]);
}

/// Steps of burn's learner on one batch, with burn's AdamW: the loss falls.
macro_rules! learns {
    ($model:expr, $batch:expr) => {{
        let (mut model, batch) = ($model, $batch);
        let mut optimizer = AdamWConfig::new().init();
        let mut losses = Vec::new();
        for _ in 0..60 {
            let output = TrainStep::step(&model, batch.clone());
            losses.push(output.item.loss.into_data().iter::<f64>().sum::<f64>());
            model = optimizer.step(1e-2, model, output.grads);
        }
        assert!(losses[59] < losses[0] * 0.5, "{losses:?}");
    }};
}

#[test]
fn the_other_supervised_models_learn_too() {
    let device = Default::default();
    let tokens = || Tensor::<B, 2, Int>::from_ints([[1, 2, 3, 4], [4, 3, 2, 0], [2, 2, 0, 0]], &device);
    let classes = || Tensor::<B, 1, Int>::from_ints([0, 1, 1], &device);
    let lengths = || vec![4, 3, 2];

    let config = ClassifierConfig { embedding_size: 8, hidden_size: 8, dropout: 0.0, ..Default::default() };
    let batch = TextClassBatch { tokens: tokens(), lengths: lengths(), classes: classes() };
    learns!(config.init::<B>(5, 2, &device), batch);

    let config = SpeechClassifierConfig { hidden_size: 8, dropout: 0.0, ..Default::default() };
    let features = Tensor::random([3, 4, 6], Distribution::Normal(0.0, 1.0), &device);
    let batch = RecordingBatch { features, lengths: lengths(), classes: classes() };
    learns!(config.init::<B>(6, 2, &device), batch);

    let config = TranslatorConfig { embedding_size: 8, hidden_size: 16, dropout: 0.0, ..Default::default() };
    let batch = TranslationBatch {
        sources: tokens(),
        lengths: lengths(),
        inputs: Tensor::from_ints([[5, 1, 2], [5, 3, 5], [5, 5, 5]], &device),
        targets: Tensor::from_ints([[1, 2, 5], [3, 5, -100], [5, -100, -100]], &device),
    };
    learns!(config.init::<B>(5, 6, &device), batch);
}
