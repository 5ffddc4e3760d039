//! LoRA: small trainable additions to frozen weights ([Hu et al. 2021](https://arxiv.org/abs/2106.09685)).
//!
//! A projection `W x` becomes `W x + alpha / rank · B A x` with `A` and `B` of a small rank, which alone are trained. The names of the
//! frozen weights stay what they were (those of a checkpoint of the model without LoRA), those of the additions end in `.lora.a` and
//! `.lora.b`. The addition to a packed projection of queries, keys and values has one `A` for the three.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Tensor, backend::Backend},
};
use layers::{
    dropout::Dropout,
    initializer::{Fans, Initializer},
    projection::linear_transposed,
};
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use crate::{
    attention::{CrossAttention, MultiHeadAttention},
    bert::{Bert, BertForMaskedLm, BertForSequenceClassification, BertForTokenClassification},
    block::Block,
    decision::DecisionTransformer,
    feed_forward::FeedForward,
    gpt::Gpt,
    projection::Projection,
    seq2seq::{DecoderBlock, Seq2Seq},
    sizes,
    vit::Vit,
};

/// What is added, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct LoraConfig {
    /// The rank of additions. Default: 8.
    pub rank: usize,
    /// Additions are multiplied with `alpha / rank`. Default: 16.
    pub alpha: f64,
    /// Probability of dropping a number before an addition in training. Default: 0.
    pub dropout: f64,
    /// Which projections get an addition: patterns over their names, in which `*` stands for anything. Default: `["*.attn.qkv"]`.
    pub targets: Vec<String>,
    /// What else is trained: patterns over the names of parameters, such as `["classifier.*"]` for a new head. Default: none.
    pub trainable: Vec<String>,
}

/// An addition to a projection.
#[derive(Module, Debug)]
pub struct LoraAdapter<B: Backend> {
    /// `[rank, in]`
    pub a: Param<Tensor<B, 2>>,
    /// `[out, rank]`; 0 before training.
    pub b: Param<Tensor<B, 2>>,
    scale: f64,
    dropout: Dropout,
}

/// A pattern fits nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no {what} of this model is called \"{pattern}\"; there are {}", .names.join(", "))]
pub struct NoSuchTarget {
    /// `projection` or `parameter`.
    pub what: &'static str,
    /// What was asked for.
    pub pattern: String,
    /// What there is: some of it.
    pub names: Vec<String>,
}

/// A model that knows its projections.
pub trait Projections<B: Backend>: Module<B> {
    /// Every projection that may get an addition, with its name: that of its weight without `.weight`.
    fn projections(&mut self) -> Vec<(String, &mut Projection<B>)>;
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, dropout: 0.0, targets: vec!["*.attn.qkv".to_string()], trainable: Vec::new() }
    }
}

impl LoraConfig {
    /// The values that can never work: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        sizes::at_least_one(&mut wrong, &[("rank", self.rank)]);
        sizes::positive(&mut wrong, &[("alpha", self.alpha)]);
        sizes::probabilities(&mut wrong, &[("dropout", self.dropout)]);
        if self.targets.is_empty() {
            wrong.push(("targets", "must name a projection".to_string()));
        }
        wrong
    }

    /// Freezes the model and adds to its projections. It computes what it did before, until it is trained.
    ///
    /// # Errors
    /// [`NoSuchTarget`] when a pattern of `targets` or `trainable` fits nothing.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) finds something.
    pub fn add_to<B: Backend, M: Projections<B>>(&self, model: M, device: &B::Device) -> Result<M, NoSuchTarget> {
        let wrong = self.validate();
        assert!(wrong.is_empty(), "impossible LoRA config: {wrong:?}");
        let mut freeze = Freeze { path: Vec::new(), names: Vec::new(), trainable: patterns(&self.trainable) };
        let mut model = model.map(&mut freeze);
        check("parameter", &self.trainable, &freeze.names)?;
        let mut projections = model.projections();
        let names: Vec<String> = projections.iter().map(|(name, _)| name.clone()).collect();
        check("projection", &self.targets, &names)?;
        let targets = patterns(&self.targets);
        for (name, projection) in &mut projections {
            if targets.iter().any(|target| target.matches(name)) {
                projection.lora = Some(self.adapter(projection.weight.dims(), device));
            }
        }
        Ok(model)
    }

    fn adapter<B: Backend>(&self, [outputs, inputs]: [usize; 2], device: &B::Device) -> LoraAdapter<B> {
        let fans = Fans { fan_in: inputs, fan_out: self.rank };
        LoraAdapter {
            a: Param::from_tensor(Initializer::UniformFanIn.weight([self.rank, inputs], fans, device)),
            b: Param::from_tensor(Tensor::zeros([outputs, self.rank], device)),
            scale: self.alpha / self.rank as f64,
            dropout: Dropout::new(self.dropout),
        }
    }
}

/// The model without additions that computes what `model` computes outside of training: they become part of its weights.
pub fn merge<B: Backend, M: Projections<B>>(mut model: M) -> M {
    for (_, projection) in model.projections() {
        if let Some(lora) = projection.lora.take() {
            let change = lora.change();
            projection.weight = projection.weight.clone().map(|weight| {
                let is_trained = weight.is_require_grad();
                (weight + change).detach().set_require_grad(is_trained)
            });
        }
    }
    model
}

fn patterns(texts: &[String]) -> Vec<WildMatch> {
    texts.iter().map(|text| WildMatch::new(text)).collect()
}

/// That every pattern fits a name.
fn check(what: &'static str, texts: &[String], names: &[String]) -> Result<(), NoSuchTarget> {
    const SHOWN: usize = 8;
    match texts.iter().find(|text| !names.iter().any(|name| WildMatch::new(text).matches(name))) {
        Some(pattern) => {
            let names = names.iter().take(SHOWN).cloned().collect();
            Err(NoSuchTarget { what, pattern: pattern.clone(), names })
        }
        None => Ok(()),
    }
}

/// Takes gradients from all parameters but some.
struct Freeze {
    path: Vec<String>,
    /// Of the parameters that were met.
    names: Vec<String>,
    trainable: Vec<WildMatch>,
}

impl<B: Backend> ModuleMapper<B> for Freeze {
    fn enter_module(&mut self, name: &str, container: &str) {
        if !container.starts_with("Enum:") {
            self.path.push(name.to_string());
        }
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        if !container.starts_with("Enum:") {
            self.path.pop();
        }
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let name = self.path.join(".");
        let is_trained = self.trainable.iter().any(|pattern| pattern.matches(&name));
        self.names.push(name);
        param.set_require_grad(is_trained)
    }
}

impl<B: Backend> LoraAdapter<B> {
    /// What is added.
    ///
    /// # Shapes
    /// - input: `[.., in]`
    /// - output: `[.., out]`
    pub fn forward<const D: usize>(&self, input: Tensor<B, D>) -> Tensor<B, D> {
        let small = linear_transposed(self.dropout.forward(input), self.a.val(), None); // [.., rank]
        linear_transposed(small, self.b.val(), None) * self.scale
    }

    /// What is added to the weight: `[out, in]`
    fn change(&self) -> Tensor<B, 2> {
        self.b.val().matmul(self.a.val()) * self.scale
    }
}

/// A list of named projections that grows.
type Found<'a, B> = Vec<(String, &'a mut Projection<B>)>;

impl<B: Backend> MultiHeadAttention<B> {
    fn name_projections<'a>(&'a mut self, path: &str, found: &mut Found<'a, B>) {
        found.push((format!("{path}.qkv"), &mut self.qkv));
        found.push((format!("{path}.proj"), &mut self.proj));
    }
}

impl<B: Backend> CrossAttention<B> {
    fn name_projections<'a>(&'a mut self, path: &str, found: &mut Found<'a, B>) {
        let Self { q, k, v, proj, .. } = self;
        found.extend(
            [("q", q), ("k", k), ("v", v), ("proj", proj)].map(|(name, part)| (format!("{path}.{name}"), part)),
        );
    }
}

impl<B: Backend> FeedForward<B> {
    fn name_projections<'a>(&'a mut self, path: &str, found: &mut Found<'a, B>) {
        found.push((format!("{path}.fc1"), &mut self.fc1));
        found.push((format!("{path}.fc2"), &mut self.fc2));
    }
}

impl<B: Backend> Block<B> {
    fn name_projections<'a>(&'a mut self, path: &str, found: &mut Found<'a, B>) {
        self.attn.name_projections(&format!("{path}.attn"), found);
        self.mlp.name_projections(&format!("{path}.mlp"), found);
    }
}

impl<B: Backend> DecoderBlock<B> {
    fn name_projections<'a>(&'a mut self, path: &str, found: &mut Found<'a, B>) {
        self.attn.name_projections(&format!("{path}.attn"), found);
        self.cross.name_projections(&format!("{path}.cross"), found);
        self.mlp.name_projections(&format!("{path}.mlp"), found);
    }
}

fn of_blocks<'a, B: Backend>(path: &str, blocks: &'a mut [Block<B>], found: &mut Found<'a, B>) {
    for (index, block) in blocks.iter_mut().enumerate() {
        block.name_projections(&format!("{path}.{index}"), found);
    }
}

impl<B: Backend> Projections<B> for Gpt<B> {
    fn projections(&mut self) -> Vec<(String, &mut Projection<B>)> {
        let mut found = Vec::new();
        of_blocks("blocks", &mut self.blocks, &mut found);
        found.extend(self.lm_head.as_mut().map(|head| ("lm_head".to_string(), head)));
        found
    }
}

impl<B: Backend> Projections<B> for Seq2Seq<B> {
    fn projections(&mut self) -> Vec<(String, &mut Projection<B>)> {
        let mut found = Vec::new();
        of_blocks("encoder.layers", &mut self.encoder.layers, &mut found);
        for (index, block) in self.decoder.layers.iter_mut().enumerate() {
            block.name_projections(&format!("decoder.layers.{index}"), &mut found);
        }
        found.extend(self.output.as_mut().map(|output| ("output".to_string(), output)));
        found
    }
}

/// Models all of whose projections are in one stack of blocks.
macro_rules! projections_of_blocks {
    ($($model:ident at $path:literal: $($field:ident).+;)+) => {
        $(impl<B: Backend> Projections<B> for $model<B> {
            fn projections(&mut self) -> Vec<(String, &mut Projection<B>)> {
                let mut found = Vec::new();
                of_blocks($path, &mut self.$($field).+, &mut found);
                found
            }
        })+
    };
}

projections_of_blocks! {
    Vit at "blocks": blocks;
    DecisionTransformer at "blocks": blocks;
    Bert at "blocks": blocks;
    BertForMaskedLm at "bert.blocks": bert.blocks;
    BertForSequenceClassification at "bert.blocks": bert.blocks;
    BertForTokenClassification at "bert.blocks": bert.blocks;
}
