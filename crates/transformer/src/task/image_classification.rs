//! The job `vit-classification`: which class a picture belongs to, or which labels it has.

use std::{fs, path::Path};

use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};
use data::image::Statistics;
pub use image_tasks::{ImageBlock, ImageOptions};
use image_tasks::{ImageClassificationJob, ImageClassificationTask, ImageFamily, ImageNetwork, ImageSizes, Stage};
use serde::Deserialize;
use training_loop::{error::TaskError, optimizer::ParameterGroup, parameters::ParameterInfo, preparation::Preparation};

use super::start::{Architecture, Source, Start, undecayed};
use crate::{
    HuggingFaceError,
    vit::{Vit, VitConfig},
};

/// `[model]` of the job `vit-classification`.
pub type VitModelConfig = Start<VitConfig>;

/// `job = "vit-classification"`.
pub type VitClassificationJob = ImageClassificationJob<VitModelConfig>;

/// Classification of pictures.
pub type VitClassificationTask<B> = ImageClassificationTask<B, VitModelConfig>;

impl Architecture for VitConfig {
    fn validate(&self) -> Vec<(&'static str, String)> {
        // How large pictures are is not known yet.
        VitConfig { image_size: self.patch_size, ..self.clone() }
            .validate()
            .into_iter()
            .filter(|(key, _)| *key != "image_size")
            .collect()
    }

    fn of_config_file(_: &str) -> Result<Option<Self>, HuggingFaceError> {
        Ok(None)
    }

    fn shape(&self) -> Self {
        Self { activation_checkpointing: false, ..self.clone() }
    }
}

impl ImageFamily for VitModelConfig {
    const NAME: &'static str = "vit-classification";
    const SUMMARY: &'static str =
        "a transformer over patches of pictures (ViT, DeiT) that tells their class or their labels";
    const EXPLANATION: &'static str = "Each picture beside the patches that what is said of it looks at through all layers, red the most (attention rollout).";

    type Weights = Source;
    type Model<B: Backend> = Vit<B>;
    type Trained<B: AutodiffBackend> = Vit<B>;

    fn weights(&self, runs: &Path) -> Result<Source, TaskError> {
        self.source(runs)
    }

    fn no_weights() -> Source {
        Source::Nowhere
    }

    fn statistics(weights: &Source) -> Result<Option<Statistics>, TaskError> {
        match weights {
            Source::Run(run) => image_tasks::statistics_of(run),
            _ => Ok(weights.config_file().and_then(|path| of_timm(&fs::read_to_string(path).ok()?))),
        }
    }

    fn init<B: Backend>(&self, sizes: ImageSizes, device: &B::Device) -> Result<Vit<B>, TaskError> {
        let config = VitConfig { image_size: sizes.image_size, ..self.architecture.clone() };
        if !sizes.image_size.is_multiple_of(config.patch_size) {
            let message = format!(
                "`data.image_size` is {}, which is no multiple of `model.patch_size` ({}): change one of the two",
                sizes.image_size, config.patch_size
            );
            return Err(message.into());
        }
        self.with_lora(config.init(sizes.channels, sizes.classes, device), device)
    }

    fn load<B: Backend>(
        &self,
        weights: &Source,
        network: &mut Vit<B>,
        progress: &dyn Preparation,
    ) -> Result<(), TaskError> {
        weights.load(network, progress)
    }

    fn drops(&self) -> bool {
        let of_lora = self.lora.as_ref().map_or(0.0, |lora| lora.dropout);
        [self.architecture.dropout, self.architecture.drop_path, of_lora].iter().any(|share| *share > 0.0)
    }

    fn parameter_groups(&self, parameters: &[ParameterInfo]) -> Vec<ParameterGroup> {
        undecayed(parameters)
    }
}

/// The mean and the standard deviation of the pictures, in the text of timm's `config.json`.
fn of_timm(text: &str) -> Option<Statistics> {
    #[derive(Deserialize)]
    struct ConfigFile {
        pretrained_cfg: Pictures,
    }
    #[derive(Deserialize)]
    struct Pictures {
        mean: Vec<f32>,
        std: Vec<f32>,
    }
    let ConfigFile { pretrained_cfg: Pictures { mean, std } } = serde_json::from_str(text).ok()?;
    let usable = !mean.is_empty() && mean.len() == std.len() && std.iter().all(|std| *std > 0.0);
    usable.then_some(Statistics { mean, std })
}

impl<B: Backend> ImageNetwork<B> for Vit<B> {
    fn logits(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        self.forward(images)
    }

    fn features(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        self.pooled(self.forward_features(images))
    }

    fn classify(&self, features: Tensor<B, 2>) -> Tensor<B, 2> {
        Vit::classify(self, features)
    }

    fn num_features(&self) -> usize {
        Vit::num_features(self)
    }

    /// `embeddings`, `block1` and so on, and `head`; the last normalisation belongs to the last block.
    fn stages(&self) -> Vec<Stage> {
        let stage = |name: String, patterns: Vec<String>| Stage { name, patterns };
        let token = self.cls_token.as_ref().map(|_| "cls_token".to_string());
        let embeddings = ["pos_embed", "patch_embed.*"].map(str::to_string).into_iter().chain(token).collect();
        let mut stages = vec![stage("embeddings".into(), embeddings)];
        for block in 0..self.blocks.len() {
            let norm = (block + 1 == self.blocks.len()).then(|| "norm.*".to_string());
            let patterns = std::iter::once(format!("blocks.{block}.*")).chain(norm).collect();
            stages.push(stage(format!("block{}", block + 1), patterns));
        }
        stages.push(stage("head".into(), vec!["head.*".into()]));
        stages
    }

    fn explain(&self, images: Tensor<B, 4>, _classes: &[usize]) -> Tensor<B, 3> {
        let maps = self.attention_rollout(images);
        // Attention is shared out among all patches, none of which gets nothing.
        let least = maps.clone().min_dim(2).min_dim(1);
        let maps = maps - least;
        let largest = maps.clone().max_dim(2).max_dim(1);
        maps / largest.clamp_min(f64::from(f32::MIN_POSITIVE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statistics_of_timm_are_found_in_its_config() {
        let text = r#"{ "architecture": "vit_tiny_patch16_224", "num_classes": 1000,
            "pretrained_cfg": { "input_size": [3, 224, 224], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.25, 0.5] } }"#;
        assert_eq!(of_timm(text), Some(Statistics { mean: vec![0.5; 3], std: vec![0.5, 0.25, 0.5] }));
        for other in
            [r#"{ "model_type": "vit" }"#, r#"{ "pretrained_cfg": { "mean": [0.5], "std": [0.0] } }"#, "no JSON"]
        {
            assert_eq!(of_timm(other), None, "{other}");
        }
    }
}
