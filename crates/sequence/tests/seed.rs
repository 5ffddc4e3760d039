//! Alone in its process: burn's seed is global to it, and other tests draw numbers at the same time.

use burn::{
    backend::Flex,
    tensor::{Tensor, backend::Backend},
};
use sequence::language_model::{LanguageModel, LanguageModelConfig};

#[test]
fn the_seed_decides_the_weights() {
    type B = Flex;
    let device = Default::default();
    let logits = |seed| {
        B::seed(&device, seed);
        let model: LanguageModel<B> = LanguageModelConfig::default().init(7, &device);
        // Whatever is drawn between the model's making and its first use must not matter.
        B::seed(&device, 99);
        let tokens = Tensor::zeros([1, 2], &device);
        model.forward(tokens, None).0.into_data()
    };
    assert_eq!(logits(1), logits(1));
    assert_ne!(logits(1), logits(2));
}
