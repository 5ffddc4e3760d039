//! burn's own training traits.

use burn::{
    backend::{Autodiff, Flex},
    data::dataloader::batcher::Batcher,
    module::AutodiffModule,
    optim::{AdamWConfig, Optimizer},
    train::{InferenceStep, TrainStep},
};
use data::text::windows::{RandomWindows, TextBatches};
use sequence::{
    language_model::{LanguageModel, LanguageModelConfig},
    task::burn_learner::{LanguageModelBatch, LanguageModelBatcher},
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
