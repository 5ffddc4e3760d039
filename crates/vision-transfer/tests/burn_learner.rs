//! burn's own training traits.

use burn::{
    backend::{Autodiff, Flex},
    module::AutodiffModule,
    optim::{AdamWConfig, Optimizer},
    tensor::{Distribution, Int, Tensor, backend::Backend},
    train::{InferenceStep, TrainStep},
};
use vision_transfer::{
    network::{Architecture, NetworkConfig},
    task::burn_learner::ImageClassBatch,
};

type B = Autodiff<Flex>;

#[test]
fn steps_of_burns_learner_train() {
    let device = Default::default();
    B::seed(&device, 1);
    let config = NetworkConfig { architecture: Architecture::Resnet8, classes: 3, ..NetworkConfig::default() };
    let mut network = config.init::<B>(&device);
    let batch = ImageClassBatch {
        images: Tensor::random([6, 3, 16, 16], Distribution::Normal(0.0, 1.0), &device),
        classes: Tensor::<B, 1, Int>::from_ints([0, 1, 2, 0, 1, 2], &device),
    };
    let mut optimizer = AdamWConfig::new().init();
    let mut losses = Vec::new();
    for _ in 0..60 {
        let output = TrainStep::step(&network, batch.clone());
        assert_eq!(output.item.output.dims(), [6, 3]);
        losses.push(output.item.loss.into_data().iter::<f64>().sum::<f64>());
        network = optimizer.step(1e-2, network, output.grads);
    }
    assert!(losses[59] < losses[0] * 0.5, "{losses:?}");

    let batch = ImageClassBatch::<Flex> { images: batch.images.inner(), classes: batch.classes.inner() };
    // Without gradients, a network normalises with its running statistics: the same picture twice is the same.
    let once = InferenceStep::step(&network.valid(), batch.clone());
    let again = InferenceStep::step(&network.valid(), batch);
    assert_eq!(once.output.into_data(), again.output.into_data());
    let loss: f64 = once.loss.into_data().iter::<f64>().sum();
    assert!(loss < losses[0], "{loss}");
}
