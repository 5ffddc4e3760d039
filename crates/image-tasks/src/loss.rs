//! The loss of a batch of pictures, of one label or several each, mixed or not.

use burn::tensor::{
    Int, Tensor, TensorData,
    activation::{sigmoid, softmax},
    backend::{AutodiffBackend, Backend},
};
use classification::ClassificationLoss;
use data::image::{ImageBatch, ImageData, Labels};
use layers::loss::binary_cross_entropy;
use training_loop::{error::TaskError, task::StepOutput};

use crate::ImageOptions;

/// What is minimised.
#[derive(Debug, Clone)]
pub(crate) enum Loss {
    /// Each picture is of one class.
    OneLabel(ClassificationLoss),
    /// Each picture has any number of labels.
    SeveralLabels { class_weights: Option<Vec<f32>> },
}

impl Loss {
    pub fn new(options: &ImageOptions, images: &ImageData) -> Result<Self, TaskError> {
        let options = options.classification();
        let counts: Vec<usize> = images.facts.classes.iter().map(|class| class.train).collect();
        if !images.multi_label() {
            return Ok(Self::OneLabel(options.loss(&counts)?));
        }
        if options.focal_gamma > 0.0 || options.label_smoothing > 0.0 {
            return Err("`task.focal_gamma` and `task.label_smoothing` are for pictures of one class each".into());
        }
        Ok(Self::SeveralLabels { class_weights: options.class_weights.of(&counts)? })
    }

    /// The loss of pictures as they are.
    ///
    /// # Shapes
    /// - logits: `[batch, classes]`
    pub fn step<B: AutodiffBackend>(&self, logits: Tensor<B, 2>, labels: &Labels) -> StepOutput<B> {
        let [items, _] = logits.dims();
        match (self, labels) {
            (Self::OneLabel(loss), Labels::Classes(classes)) => {
                let classes = class_tensor(classes, &logits.device());
                loss.step(logits, classes)
            }
            _ => StepOutput::new(self.of(logits, labels), items),
        }
    }

    /// The loss of a batch whose pictures may be mixed with others of it.
    pub fn mixed_step<B: AutodiffBackend>(&self, logits: Tensor<B, 2>, batch: &ImageBatch) -> StepOutput<B> {
        let Some(mix) = &batch.mix else { return self.step(logits, &batch.labels) };
        let partners = batch.labels.select(&mix.partners);
        let own = self.of(logits.clone(), &batch.labels).mul_scalar(mix.lambda);
        let others = self.of(logits, &partners).mul_scalar(1.0 - mix.lambda);
        // How much of a mixed picture is right is no accuracy, so none is shown.
        StepOutput::new(own + others, batch.batch_size)
    }

    /// The mean of the probabilities of each picture's views, as logits: `[batch · views, classes]` → `[batch, classes]`.
    pub fn averaged<B: Backend>(&self, logits: Tensor<B, 2>, views: usize) -> Tensor<B, 2> {
        if views == 1 {
            return logits;
        }
        let [rows, classes] = logits.dims();
        let of_pictures = |probabilities: Tensor<B, 2>| {
            probabilities.reshape([rows / views, views, classes]).mean_dim(1).reshape([rows / views, classes])
        };
        // What is surely so has a logit without end.
        let log = |probabilities: Tensor<B, 2>| probabilities.clamp_min(f32::MIN_POSITIVE).log();
        match self {
            Self::OneLabel(_) => log(of_pictures(softmax(logits, 1))),
            Self::SeveralLabels { .. } => {
                log(of_pictures(sigmoid(logits.clone()))) - log(of_pictures(sigmoid(logits.neg())))
            }
        }
    }

    fn of<B: Backend>(&self, logits: Tensor<B, 2>, labels: &Labels) -> Tensor<B, 1> {
        let device = logits.device();
        match (self, labels) {
            (Self::OneLabel(loss), Labels::Classes(classes)) => loss.of(logits, class_tensor(classes, &device)),
            (Self::SeveralLabels { class_weights }, Labels::Multi { there, .. }) => {
                let there = Tensor::from_data(TensorData::new(there.clone(), logits.shape()), &device);
                binary_cross_entropy(logits, there, class_weights.as_deref())
            }
            _ => unreachable!("a source deals labels of one kind, and the loss was made for it"),
        }
    }
}

fn class_tensor<B: Backend>(classes: &[i32], device: &B::Device) -> Tensor<B, 1, Int> {
    Tensor::from_data(TensorData::new(classes.to_vec(), [classes.len()]), device)
}
