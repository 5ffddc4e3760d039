//! The job `sequence-classification`: which class a text belongs to.

use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};
pub use text_tasks::classification::{ClassificationOptions, LabelledBlock};
use text_tasks::{
    Texts,
    classification::{TextClassificationJob, TextClassificationTask, TextClassifier, TextClassifierFamily},
};
use training_loop::{error::TaskError, model_block};

use crate::classifier::{Classifier, ClassifierConfig};

model_block!(ClassifierConfig);

/// `job = "sequence-classification"`.
pub type ClassificationJob = TextClassificationJob<ClassifierConfig>;

/// Classification with cross entropy.
pub type ClassificationTask = TextClassificationTask<ClassifierConfig>;

impl TextClassifierFamily for ClassifierConfig {
    const NAME: &'static str = "sequence-classification";
    const SUMMARY: &'static str =
        "an LSTM, GRU or plain recurrent network that tells the class of a text (sentiment, topic)";

    type Model<B: Backend> = Classifier<B>;
    type Trained<B: AutodiffBackend> = Classifier<B>;

    fn init<B: Backend>(
        &self,
        vocab_size: usize,
        classes: usize,
        device: &B::Device,
    ) -> Result<Self::Model<B>, TaskError> {
        Ok(ClassifierConfig::init(self, vocab_size, classes, device))
    }
}

impl<B: Backend> TextClassifier<B> for Classifier<B> {
    fn logits(&self, texts: &Texts<B>) -> Tensor<B, 2> {
        self.forward(texts.tokens.clone(), &texts.lengths)
    }
}
