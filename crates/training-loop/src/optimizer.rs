//! Optimisers and parameter groups.
//!
//! The rules are PyTorch's and run as fused updates of `layers::update`; burn's optimisers make about fifteen passes over the
//! memory for the same AdamW step, and have neither per-group settings nor state under stable names.

use std::collections::BTreeMap;

use burn::{
    module::AutodiffModule,
    tensor::{Tensor, TensorData, backend::AutodiffBackend},
};
use layers::update::{self, AdamHyper, RmsPropHyper, RmsPropState, SgdHyper};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use crate::{
    config::{Problems, Validate},
    error::TrainError,
    parameters::{self, ParameterInfo},
    task::OptimizerScope,
    weights::NamedTensors,
};

/// `[optimizer]`: the update rule, with PyTorch's formulas and defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// Adam with decoupled weight decay (arXiv:1711.05101).
    Adamw {
        /// Step size.
        #[serde(default = "default_learning_rate")]
        learning_rate: f64,
        /// Decay of the first and the second moment.
        #[serde(default = "default_betas")]
        betas: [f64; 2],
        /// Added to the denominator.
        #[serde(default = "default_eps")]
        eps: f64,
        /// Fraction of the weight taken off at each step, times the learning rate.
        #[serde(default = "default_adamw_decay")]
        weight_decay: f64,
    },
    /// Adam (arXiv:1412.6980); weight decay is added to the gradient.
    Adam {
        /// Step size.
        #[serde(default = "default_learning_rate")]
        learning_rate: f64,
        /// Decay of the first and the second moment.
        #[serde(default = "default_betas")]
        betas: [f64; 2],
        /// Added to the denominator.
        #[serde(default = "default_eps")]
        eps: f64,
        /// L2 penalty.
        #[serde(default)]
        weight_decay: f64,
    },
    /// Stochastic gradient descent.
    Sgd {
        /// Step size.
        #[serde(default = "default_learning_rate")]
        learning_rate: f64,
        /// How much of the last update is kept.
        #[serde(default)]
        momentum: f64,
        /// How much of the gradient is left out of the momentum.
        #[serde(default)]
        dampening: f64,
        /// Look ahead along the momentum; needs `momentum` above 0 and no `dampening`.
        #[serde(default)]
        nesterov: bool,
        /// L2 penalty.
        #[serde(default)]
        weight_decay: f64,
    },
    /// RMSprop (Hinton's lecture 6e).
    Rmsprop {
        /// Step size.
        #[serde(default = "default_rmsprop_rate")]
        learning_rate: f64,
        /// Decay of the mean square.
        #[serde(default = "default_alpha")]
        alpha: f64,
        /// Added to the denominator.
        #[serde(default = "default_eps")]
        eps: f64,
        /// How much of the last update is kept.
        #[serde(default)]
        momentum: f64,
        /// Divide by the standard deviation rather than the root mean square.
        #[serde(default)]
        centered: bool,
        /// L2 penalty.
        #[serde(default)]
        weight_decay: f64,
    },
}

fn default_learning_rate() -> f64 {
    1e-3
}
fn default_rmsprop_rate() -> f64 {
    1e-2
}
fn default_betas() -> [f64; 2] {
    [0.9, 0.999]
}
fn default_eps() -> f64 {
    1e-8
}
fn default_alpha() -> f64 {
    0.99
}
fn default_adamw_decay() -> f64 {
    1e-2
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::Adamw {
            learning_rate: default_learning_rate(),
            betas: default_betas(),
            eps: default_eps(),
            weight_decay: default_adamw_decay(),
        }
    }
}

impl OptimizerConfig {
    /// The base learning rate, before schedule and parameter groups.
    pub fn learning_rate(&self) -> f64 {
        match *self {
            Self::Adamw { learning_rate, .. }
            | Self::Adam { learning_rate, .. }
            | Self::Sgd { learning_rate, .. }
            | Self::Rmsprop { learning_rate, .. } => learning_rate,
        }
    }

    fn weight_decay(&self) -> f64 {
        match *self {
            Self::Adamw { weight_decay, .. }
            | Self::Adam { weight_decay, .. }
            | Self::Sgd { weight_decay, .. }
            | Self::Rmsprop { weight_decay, .. } => weight_decay,
        }
    }
}

impl Validate for OptimizerConfig {
    fn validate(&self, problems: &mut Problems) {
        let below_one = |value: f64| (0.0..1.0).contains(&value);
        problems.check(
            self.learning_rate() > 0.0 && self.learning_rate().is_finite(),
            "learning_rate",
            "must be above 0",
        );
        problems.check(self.weight_decay() >= 0.0, "weight_decay", "must not be negative");
        match self {
            Self::Adamw { betas, eps, .. } | Self::Adam { betas, eps, .. } => {
                problems.check(betas.iter().all(|&beta| below_one(beta)), "betas", "must be at least 0 and below 1");
                problems.check(*eps > 0.0, "eps", "must be above 0");
            }
            Self::Sgd { momentum, dampening, nesterov, .. } => {
                problems.check(below_one(*momentum), "momentum", "must be at least 0 and below 1");
                problems.check((0.0..=1.0).contains(dampening), "dampening", "must be between 0 and 1");
                problems.check(
                    !nesterov || (*momentum > 0.0 && *dampening == 0.0),
                    "nesterov",
                    "needs `momentum` above 0 and `dampening` 0",
                );
            }
            Self::Rmsprop { alpha, eps, momentum, .. } => {
                problems.check(below_one(*alpha), "alpha", "must be at least 0 and below 1");
                problems.check(*eps > 0.0, "eps", "must be above 0");
                problems.check(below_one(*momentum), "momentum", "must be at least 0 and below 1");
            }
        }
    }
}

/// One entry of `[[parameter_groups]]`: settings for the parameters whose path matches. Entries apply in order, and each sets only the keys
/// that it names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParameterGroup {
    /// Pattern over dotted parameter paths, `*` for any characters: `"embedding.*"`, `"*bias*"`.
    pub parameters: String,
    /// Multiplies the learning rate.
    #[serde(default)]
    pub lr_factor: Option<f64>,
    /// Replaces the weight decay of the optimiser; 0 turns it off.
    #[serde(default)]
    pub weight_decay: Option<f64>,
    /// Leaves the parameters as they are: no gradient, no optimiser state.
    #[serde(default)]
    pub frozen: Option<bool>,
    /// Begins to train frozen parameters after this many steps (gradual unfreezing, arXiv:1801.06146).
    #[serde(default)]
    pub unfreeze_at_step: Option<u64>,
    /// Pulls the parameters towards the values that they start from, with this strength: `strength / 2 · |w - w₀|²` is added to
    /// the loss (L2-SP, arXiv:1802.01483). Weight decay, which pulls them towards 0, is best turned off then.
    #[serde(default)]
    pub l2_sp: Option<f64>,
}

impl Validate for ParameterGroup {
    fn validate(&self, problems: &mut Problems) {
        problems.check(!self.parameters.is_empty(), "parameters", "is empty: give a pattern such as \"*bias*\"");
        problems.check(self.lr_factor.is_none_or(|v| v >= 0.0), "lr_factor", "must not be negative");
        problems.check(self.weight_decay.is_none_or(|v| v >= 0.0), "weight_decay", "must not be negative");
        problems.check(self.l2_sp.is_none_or(|v| v >= 0.0), "l2_sp", "must not be negative");
    }
}

/// The settings of one parameter, after all groups.
#[derive(Debug, Clone, PartialEq)]
struct Setting {
    lr_factor: f64,
    weight_decay: Option<f64>,
    frozen: bool,
    unfreeze_at_step: Option<u64>,
    l2_sp: f64,
}

impl Default for Setting {
    fn default() -> Self {
        Self { lr_factor: 1.0, weight_decay: None, frozen: false, unfreeze_at_step: None, l2_sp: 0.0 }
    }
}

impl Setting {
    /// Sets what `group` names.
    fn set(&mut self, group: &ParameterGroup) {
        self.lr_factor = group.lr_factor.unwrap_or(self.lr_factor);
        self.weight_decay = group.weight_decay.or(self.weight_decay);
        self.frozen = group.frozen.unwrap_or(self.frozen);
        self.unfreeze_at_step = group.unfreeze_at_step.or(self.unfreeze_at_step);
        self.l2_sp = group.l2_sp.unwrap_or(self.l2_sp);
    }
}

/// Which parameters train, and with what settings.
#[derive(Debug, Clone)]
pub struct ParameterPlan {
    parameters: Vec<ParameterInfo>,
    settings: Vec<Setting>,
}

impl ParameterPlan {
    /// Applies the groups of the task, then those of the config, to `parameters`.
    ///
    /// # Errors
    /// When a pattern matches nothing, as it is a misspelling, or when nothing is left to train.
    pub fn new(
        parameters: Vec<ParameterInfo>,
        of_task: &[ParameterGroup],
        of_config: &[ParameterGroup],
    ) -> Result<Self, TrainError> {
        let mut settings = vec![Setting::default(); parameters.len()];
        let of_task = of_task.iter().map(|group| (group, "task".to_string()));
        let of_config = of_config.iter().enumerate();
        let of_config = of_config.map(|(place, group)| (group, format!("parameter_groups.{place}.parameters")));
        for (group, key) in of_task.chain(of_config) {
            let pattern = WildMatch::new(&group.parameters);
            let matched: Vec<usize> =
                (0..parameters.len()).filter(|index| pattern.matches(&parameters[*index].path)).collect();
            if matched.is_empty() {
                let names: Vec<_> = parameters.iter().map(|p| p.path.as_str()).take(12).collect();
                let message = format!("\"{}\" matches no parameter; there are: {}", group.parameters, names.join(", "));
                return Err(TrainError::Config { key, message });
            }
            matched.into_iter().for_each(|index| settings[index].set(group));
        }
        let plan = Self { parameters, settings };
        if !(0..plan.parameters.len()).any(|index| plan.parameters[index].trainable && !plan.settings[index].frozen) {
            return Err(TrainError::Config {
                key: "parameter_groups".into(),
                message: "every parameter is frozen: nothing would be trained".into(),
            });
        }
        Ok(plan)
    }

    /// All parameters and buffers of the model, in order.
    pub fn parameters(&self) -> &[ParameterInfo] {
        &self.parameters
    }

    /// Whether parameter `index` trains in the step after `step` completed ones.
    pub fn trains(&self, index: usize, step: u64) -> bool {
        let setting = &self.settings[index];
        self.parameters[index].trainable && (!setting.frozen || setting.unfreeze_at_step.is_some_and(|at| step >= at))
    }

    /// Whether parameters begin to train exactly after `step` completed steps.
    pub fn unfreezes_at(&self, step: u64) -> bool {
        self.settings.iter().any(|setting| setting.frozen && setting.unfreeze_at_step == Some(step))
    }

    /// Elements of the parameters that train in the step after `step` completed ones, and of all parameters.
    pub fn count(&self, step: u64) -> (usize, usize) {
        let trains = |index: &usize| self.trains(*index, step);
        let size = |index: usize| self.parameters[index].num_elements();
        let all = 0..self.parameters.len();
        (
            all.clone().filter(trains).map(size).sum(),
            all.filter(|&index| self.parameters[index].trainable).map(size).sum(),
        )
    }
}

/// The optimiser state of one parameter: named tensors as PyTorch calls them, and the number of its updates.
#[derive(Debug, Clone)]
struct State<B: burn::tensor::backend::Backend> {
    updates: u64,
    tensors: Vec<Tensor<B, 1>>,
    /// The value before the first update, where L2-SP pulls towards it.
    anchor: Option<Tensor<B, 1>>,
}

impl<B: burn::tensor::backend::Backend> State<B> {
    fn new() -> Self {
        Self { updates: 0, tensors: Vec::new(), anchor: None }
    }

    /// `gradient` with that of `strength / 2 · |value - anchor|²`.
    fn pulled(&mut self, value: &Tensor<B, 1>, gradient: Tensor<B, 1>, strength: f64) -> Tensor<B, 1> {
        let anchor = self.anchor.get_or_insert_with(|| value.clone());
        gradient + (value.clone() - anchor.clone()).mul_scalar(strength)
    }
}

/// The name of a state's anchor in a checkpoint.
const ANCHOR: &str = "anchor";

/// An update rule with its state, for the parameters of one [`OptimizerScope`].
#[derive(Debug, Clone)]
pub struct Optimizer<B: AutodiffBackend> {
    config: OptimizerConfig,
    scope: OptimizerScope,
    owned: Vec<bool>,
    state: Vec<State<B::InnerBackend>>,
}

impl<B: AutodiffBackend> Optimizer<B> {
    /// An optimiser for the parameters of `plan` that `scope` names.
    pub fn new(config: OptimizerConfig, scope: OptimizerScope, plan: &ParameterPlan) -> Self {
        let pattern = WildMatch::new(scope.parameters);
        let owned = plan.parameters().iter().map(|p| p.trainable && pattern.matches(&p.path)).collect::<Vec<_>>();
        let state = owned.iter().map(|_| State::new()).collect();
        Self { config, scope, owned, state }
    }

    /// What it owns.
    pub fn scope(&self) -> &OptimizerScope {
        &self.scope
    }

    /// Whether it updates parameter `index`.
    pub fn owns(&self, index: usize) -> bool {
        self.owned[index]
    }

    /// The base learning rate.
    pub fn learning_rate(&self) -> f64 {
        self.config.learning_rate()
    }

    /// Updates every parameter of `module` that has a gradient. `lr_scale` is the factor of the schedule.
    pub fn step<M: AutodiffModule<B>>(
        &mut self,
        module: M,
        mut gradients: Vec<Option<Tensor<B::InnerBackend, 1>>>,
        lr_scale: f64,
        plan: &ParameterPlan,
    ) -> M {
        let has_gradient: Vec<bool> = gradients.iter().map(Option::is_some).collect();
        let Self { config, state, .. } = self;
        parameters::update(
            module,
            |index| has_gradient[index],
            |index, value| {
                let Some(gradient) = gradients[index].take() else { return value };
                let setting = &plan.settings[index];
                let lr = config.learning_rate() * lr_scale * setting.lr_factor;
                let weight_decay = setting.weight_decay.unwrap_or(config.weight_decay());
                let gradient = match setting.l2_sp {
                    strength if strength > 0.0 => state[index].pulled(&value, gradient, strength),
                    _ => gradient,
                };
                apply_rule(config, lr, weight_decay, value, gradient, &mut state[index])
            },
        )
    }

    /// The state by `<parameter>/<tensor>`, for a checkpoint.
    pub fn to_named(&self, plan: &ParameterPlan) -> NamedTensors {
        let mut named = NamedTensors::new();
        for (parameter, state) in plan.parameters().iter().zip(&self.state) {
            if state.updates == 0 {
                continue;
            }
            named.insert(format!("{}/step", parameter.path), TensorData::new(vec![state.updates as i64], [1]));
            for (slot, tensor) in state.tensors.iter().enumerate() {
                named.insert(format!("{}/{slot}", parameter.path), tensor.to_data());
            }
            if let Some(anchor) = &state.anchor {
                named.insert(format!("{}/{ANCHOR}", parameter.path), anchor.to_data());
            }
        }
        named
    }

    /// Restores [`to_named`](Self::to_named). The message says what does not fit.
    pub fn load_named(&mut self, named: &NamedTensors, plan: &ParameterPlan, device: &B::Device) -> Result<(), String> {
        let mut by_parameter: BTreeMap<&str, Vec<(&str, &TensorData)>> = BTreeMap::new();
        for (name, data) in named {
            let (path, slot) = name.rsplit_once('/').ok_or_else(|| format!("{name} is not an optimiser state"))?;
            by_parameter.entry(path).or_default().push((slot, data));
        }
        for (index, parameter) in plan.parameters().iter().enumerate() {
            let mut state = State::new();
            // Names are sorted, so the slots come in their order, and the words after them.
            for (slot, data) in by_parameter.remove(parameter.path.as_str()).unwrap_or_default() {
                if slot == "step" {
                    state.updates = data.iter::<i64>().next().unwrap_or(0) as u64;
                } else if data.shape.num_elements() == parameter.num_elements() {
                    let tensor = Tensor::from_data(data.clone(), device);
                    if slot == ANCHOR { state.anchor = Some(tensor) } else { state.tensors.push(tensor) }
                } else {
                    return Err(format!("the optimiser state of {} has another size", parameter.path));
                }
            }
            self.state[index] = state;
        }
        match by_parameter.keys().next() {
            Some(path) => Err(format!("the optimiser state names {path}, which is not in the model")),
            None => Ok(()),
        }
    }
}

/// One update of one parameter.
fn apply_rule<B: burn::tensor::backend::Backend>(
    config: &OptimizerConfig,
    lr: f64,
    weight_decay: f64,
    value: Tensor<B, 1>,
    gradient: Tensor<B, 1>,
    state: &mut State<B>,
) -> Tensor<B, 1> {
    let mut tensors = std::mem::take(&mut state.tensors).into_iter();
    state.updates += 1;
    match *config {
        OptimizerConfig::Adamw { betas: [beta1, beta2], eps, .. }
        | OptimizerConfig::Adam { betas: [beta1, beta2], eps, .. } => {
            let decoupled = matches!(config, OptimizerConfig::Adamw { .. });
            let hyper = AdamHyper {
                lr,
                beta1,
                beta2,
                eps,
                weight_decay: if decoupled { weight_decay } else { 0.0 },
                l2: if decoupled { 0.0 } else { weight_decay },
                step: state.updates,
                ..Default::default()
            };
            let first = tensors.next().unwrap_or_else(|| value.zeros_like());
            let second = tensors.next().unwrap_or_else(|| value.zeros_like());
            let (value, first, second) = update::adamw(value, gradient, first, second, &hyper);
            state.tensors = vec![first, second];
            value
        }
        OptimizerConfig::Sgd { momentum, dampening, nesterov, .. } => {
            let hyper = SgdHyper { lr, momentum, dampening, nesterov, weight_decay, ..Default::default() };
            let (value, buffer) = update::sgd(value, gradient, tensors.next(), &hyper);
            state.tensors = buffer.into_iter().collect();
            value
        }
        OptimizerConfig::Rmsprop { alpha, eps, momentum, centered, .. } => {
            let hyper = RmsPropHyper { lr, alpha, eps, momentum, centered, weight_decay, ..Default::default() };
            let before = match tensors.next() {
                None => RmsPropState::new(&value, &hyper),
                Some(square_average) => RmsPropState {
                    square_average,
                    gradient_average: if centered { tensors.next() } else { None },
                    momentum_buffer: if momentum > 0.0 { tensors.next() } else { None },
                },
            };
            let (value, after) = update::rmsprop(value, gradient, before, &hyper);
            state.tensors = [Some(after.square_average), after.gradient_average, after.momentum_buffer]
                .into_iter()
                .flatten()
                .collect();
            value
        }
    }
}
