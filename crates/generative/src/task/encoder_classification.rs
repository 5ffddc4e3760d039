//! The job `encoder-classification`: which class a picture belongs to, by an encoder that an autoencoder or a VAE has trained.

use std::path::Path;

use burn::tensor::{
    Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use data::image::Statistics;
use image_tasks::{ImageClassificationJob, ImageClassificationTask, ImageFamily, ImageNetwork, ImageSizes, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate, report_problems},
    error::TaskError,
    preparation::Preparation,
    pretrained::{NONE, PretrainedRun, note_weights},
    weights::{self, NamedTensors},
};

use super::parts;
use crate::{
    autoencoder::{CodecConfig, PictureSize},
    encoder_classifier::EncoderClassifier,
};

/// What the names of an encoder's tensors begin with, here and in the runs that trained it.
const ENCODER: &str = "encoder.";

/// The last layer of an encoder, which gives a VAE's means and then its log-variances.
const PROJECTION: &str = "encoder.projection.";

/// What only a conditional VAE has: the vectors of its classes.
const CLASSES: &str = "classes";

/// `job = "encoder-classification"`.
pub type EncoderClassificationJob = ImageClassificationJob<EncoderModelConfig>;

/// Classification of pictures by their codes.
pub type EncoderClassificationTask<B> = ImageClassificationTask<B, EncoderModelConfig>;

/// `[model]`: the layers of the encoder, and where its weights come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EncoderModelConfig {
    /// The layers of the encoder: as the run has them whose weights it starts from.
    #[serde(flatten)]
    pub codec: CodecConfig,
    /// `"none"`, or a run of the job `autoencoder` or `vae`, `"run:NAME"`, whose encoder it starts from.
    pub pretrained: String,
}

impl Default for EncoderModelConfig {
    fn default() -> Self {
        Self { codec: CodecConfig::default(), pretrained: NONE.into() }
    }
}

impl Validate for EncoderModelConfig {
    fn validate(&self, problems: &mut Problems) {
        report_problems(self.codec.validate(), problems);
        let is_run =
            self.pretrained == NONE || self.pretrained.strip_prefix("run:").is_some_and(|name| !name.is_empty());
        problems.check(is_run, "pretrained", "must be \"none\" or a run, \"run:NAME\"");
    }
}

impl ImageFamily for EncoderModelConfig {
    const NAME: &'static str = "encoder-classification";
    const SUMMARY: &'static str =
        "the class of a picture by its code, whose encoder an autoencoder or a VAE trained without labels";
    const EXPLANATION: &'static str =
        "Each picture beside the pixels that its class depends on, red the most (gradient times pixel).";

    type Weights = Option<PretrainedRun>;
    type Model<B: Backend> = EncoderClassifier<B>;
    type Trained<B: AutodiffBackend> = EncoderClassifier<B>;

    fn weights(&self, runs: &Path) -> Result<Self::Weights, TaskError> {
        PretrainedRun::named(&self.pretrained, runs)
    }

    fn no_weights() -> Self::Weights {
        None
    }

    /// Pixels of 0 to 1, as the encoders were trained on.
    fn statistics(_: &Self::Weights) -> Result<Option<Statistics>, TaskError> {
        Ok(Some(Statistics { mean: vec![0.0; 3], std: vec![1.0; 3] }))
    }

    fn check_statistics(run: &Self::Weights, statistics: &Statistics) -> Result<(), TaskError> {
        if run.is_none() || parts::is_unit(statistics) {
            return Ok(());
        }
        Err("`data.normalize`: the encoder of `model.pretrained` learned from pixels of 0 to 1; leave it out, or set it to \"none\"".into())
    }

    fn init<B: Backend>(&self, sizes: ImageSizes, device: &B::Device) -> Result<EncoderClassifier<B>, TaskError> {
        self.codec.check_side(sizes.image_size)?;
        let pictures = PictureSize { channels: sizes.channels, side: sizes.image_size };
        Ok(self.codec.classifier(pictures, sizes.classes, device))
    }

    fn load<B: Backend>(
        &self,
        run: &Self::Weights,
        network: &mut EncoderClassifier<B>,
        progress: &dyn Preparation,
    ) -> Result<(), TaskError> {
        let Some(run) = run else { return Ok(()) };
        let (mut own, loaded) = (weights::collect(network), run.weights()?);
        let lines = replace_encoder(&mut own, loaded).map_err(|problem| {
            let checkpoint = run.checkpoint.display();
            format!(
                "`model.pretrained`: the encoder in {checkpoint} is another one than `[model]` describes: {problem}"
            )
        })?;
        weights::apply(network, &own)?;
        note_weights(progress, &run.checkpoint.display().to_string(), &lines);
        Ok(())
    }

    fn drops(&self) -> bool {
        false
    }
}

/// Puts the encoder of a run in the place of that among `own`, and tells what was done.
fn replace_encoder(own: &mut NamedTensors, mut loaded: NamedTensors) -> Result<Vec<String>, String> {
    let is_conditional = loaded.contains_key(CLASSES);
    loaded.retain(|name, _| name.starts_with(ENCODER));
    if loaded.is_empty() {
        return Err("it has none; a run of the job autoencoder or vae is expected".into());
    }
    if is_conditional {
        return Err(
            "it is that of a conditional VAE, which also sees classes; train one with `model.class_embedding_size = 0`"
                .into(),
        );
    }
    if let Some(name) = loaded.keys().find(|name| !own.contains_key(*name)) {
        return Err(format!("{name} has no place in it"));
    }
    let mut lines = Vec::new();
    for (name, tensor) in own.iter_mut().filter(|(name, _)| name.starts_with(ENCODER)) {
        let Some(found) = loaded.remove(name) else { return Err(format!("{name} is missing")) };
        let (here, there) = (tensor.shape.to_vec(), found.shape.to_vec());
        let is_vae = name.starts_with(PROJECTION) && there[0] == 2 * here[0] && there[1..] == here[1..];
        if here != there && !is_vae {
            return Err(format!("{name} should be {here:?}, found {there:?}"));
        }
        if is_vae {
            lines.push(format!("{name}: the means, {here:?} of {there:?}"));
            let count: usize = here.iter().product();
            let means: Vec<f32> = found.iter::<f32>().take(count).collect();
            *tensor = TensorData::new(means, here).convert_dtype(tensor.dtype);
        } else {
            *tensor = found;
        }
    }
    let kept = own.keys().filter(|name| !name.starts_with(ENCODER)).cloned().collect::<Vec<_>>().join(", ");
    lines.push(format!("the encoder is loaded; random: {kept}"));
    Ok(lines)
}

impl<B: Backend> ImageNetwork<B> for EncoderClassifier<B> {
    fn logits(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        self.forward(images)
    }

    fn features(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        self.code(images)
    }

    fn classify(&self, features: Tensor<B, 2>) -> Tensor<B, 2> {
        self.head.forward(features)
    }

    fn num_features(&self) -> usize {
        self.head.weight.dims()[1]
    }

    /// `convolutions` and `layers`, where there are any, `projection`, and `head`.
    fn stages(&self) -> Vec<Stage> {
        let stage = |name: &str, pattern: String| Stage { name: name.to_string(), patterns: vec![pattern] };
        let of_encoder = |name: &str| stage(name, format!("{ENCODER}{name}.*"));
        let mut stages = Vec::new();
        if !self.encoder.convolutions.is_empty() {
            stages.push(of_encoder("convolutions"));
        }
        if !self.encoder.layers.is_empty() {
            stages.push(of_encoder("layers"));
        }
        stages.push(of_encoder("projection"));
        stages.push(stage("head", "head.*".to_string()));
        stages
    }

    fn explain(&self, images: Tensor<B, 4>, classes: &[usize]) -> Tensor<B, 3> {
        self.saliency(images, classes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], first: f32) -> TensorData {
        let count = shape.iter().product::<usize>();
        TensorData::new((0..count).map(|place| first + place as f32).collect::<Vec<f32>>(), shape.to_vec())
    }

    fn own() -> NamedTensors {
        let named = |name: &str, shape: &[usize]| (name.to_string(), tensor(shape, 0.0));
        NamedTensors::from([
            named("encoder.layers.0.weight", &[3, 4]),
            named("encoder.projection.weight", &[2, 3]),
            named("encoder.projection.bias", &[2]),
            named("head.weight", &[5, 2]),
        ])
    }

    #[test]
    fn the_means_of_a_vae_are_taken_and_its_decoder_is_not() {
        let mut mine = own();
        let mut loaded = own();
        loaded.insert("encoder.projection.weight".into(), tensor(&[4, 3], 100.0));
        loaded.insert("encoder.projection.bias".into(), tensor(&[4], 200.0));
        loaded.insert("decoder.layers.0.weight".into(), tensor(&[1, 1], 7.0));
        let lines = replace_encoder(&mut mine, loaded).unwrap();
        assert!(lines.iter().any(|line| line.contains("the means")), "{lines:?}");
        mine["encoder.projection.weight"].assert_eq(&tensor(&[2, 3], 100.0), true);
        mine["encoder.projection.bias"].assert_eq(&tensor(&[2], 200.0), true);
        mine["head.weight"].assert_eq(&tensor(&[5, 2], 0.0), true);
    }

    #[test]
    fn pixels_are_what_the_encoder_learned_from() {
        let run = Some(PretrainedRun { folder: "runs/vae".into(), checkpoint: "runs/vae/checkpoints/best".into() });
        let of_training = Statistics { mean: vec![0.3], std: vec![0.2] };
        let error = EncoderModelConfig::check_statistics(&run, &of_training).unwrap_err().to_string();
        assert!(error.contains("data.normalize"), "{error}");
        let unit = EncoderModelConfig::statistics(&run).unwrap().unwrap();
        assert!(EncoderModelConfig::check_statistics(&run, &unit).is_ok());
        assert!(EncoderModelConfig::check_statistics(&None, &of_training).is_ok());
    }

    #[test]
    fn another_encoder_is_refused() {
        for (name, shape, expected) in [
            ("encoder.layers.0.weight", vec![3, 9], "should be [3, 4], found [3, 9]"),
            ("encoder.layers.1.weight", vec![3, 3], "encoder.layers.1.weight has no place"),
        ] {
            let mut loaded = own();
            loaded.insert(name.into(), tensor(&shape, 0.0));
            let problem = replace_encoder(&mut own(), loaded).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
        let mut loaded = own();
        loaded.insert("encoder.layers.0.weight".into(), tensor(&[3, 14], 0.0));
        loaded.insert(CLASSES.into(), tensor(&[10, 10], 0.0));
        let problem = replace_encoder(&mut own(), loaded).unwrap_err();
        assert!(problem.contains("conditional VAE") && problem.contains("class_embedding_size"), "{problem}");
        assert!(replace_encoder(&mut own(), NamedTensors::new()).unwrap_err().contains("job autoencoder or vae"));
    }
}
