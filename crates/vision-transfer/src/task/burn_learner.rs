//! burn's own training traits, so that a [`Network`] also runs under burn's learner (`burn::train::SupervisedTraining`), with cross
//! entropy and one class a picture. Every stage trains: the policies of fine-tuning are the job's.

use burn::{
    tensor::{Int, Tensor, backend::Backend},
    train::ClassificationOutput,
};
use layers::loss::{CrossEntropy, cross_entropy};
use training_loop::burn_steps;

use crate::network::Network;

/// Pictures and their classes.
#[derive(Clone, Debug)]
pub struct ImageClassBatch<B: Backend> {
    /// `[batch, channels, height, width]`, with the mean and the standard deviation that the network expects.
    pub images: Tensor<B, 4>,
    /// `[batch]`
    pub classes: Tensor<B, 1, Int>,
}

fn predict<B: Backend>(network: &Network<B>, batch: ImageClassBatch<B>) -> ClassificationOutput<B> {
    let logits = network.forward(batch.images);
    let loss = cross_entropy(logits.clone(), batch.classes.clone(), &CrossEntropy::default());
    ClassificationOutput::new(loss, logits, batch.classes)
}

burn_steps!(Network, ImageClassBatch, ClassificationOutput, predict);
