//! The training loop.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use burn::{
    module::AutodiffModule,
    tensor::{Tensor, TensorData, backend::AutodiffBackend},
};

use crate::{
    average::{self, Average},
    checkpoint::{self, AVERAGE, Best, Checkpoint, LoopState},
    config::{Problems, TrainingConfig, Validate},
    error::{TaskError, TrainError},
    event::{Event, Observer, Outcome, StopReason},
    lr_scheduler::{LrScheduler, LrSchedulerConfig},
    optimizer::{Optimizer, OptimizerConfig, ParameterGroup, ParameterPlan},
    parameters,
    preparation::{Activity, Preparation},
    run_folder::{MetricsRow, RunFolder},
    stream::BatchStream,
    task::{InnerModel, Splits, StepContext, Task},
    weights::{self, NamedTensors},
    window::{LOSS, Pending},
};

/// The blocks of a config file that the loop reads.
#[derive(Debug, Clone, Default)]
pub struct LoopConfig {
    /// `[training]`
    pub training: TrainingConfig,
    /// `[optimizer]`
    pub optimizer: OptimizerConfig,
    /// `[optimizers.<name>]`: another rule for one of several optimisers.
    pub optimizers: BTreeMap<String, OptimizerConfig>,
    /// `[[parameter_groups]]`
    pub parameter_groups: Vec<ParameterGroup>,
    /// `[lr_scheduler]`
    pub lr_scheduler: LrSchedulerConfig,
}

impl Validate for LoopConfig {
    fn validate(&self, problems: &mut Problems) {
        problems.nested("training", |problems| self.training.validate(problems));
        problems.nested("optimizer", |problems| self.optimizer.validate(problems));
        problems.nested("lr_scheduler", |problems| {
            self.lr_scheduler.validate(problems);
            problems.check(
                !self.lr_scheduler.needs_total_steps() || self.training.epochs.is_some() || self.training.max_steps.is_some(),
                "kind",
                "this schedule must know where it ends: set training.max_steps or training.epochs, or its `decay_steps`",
            );
            problems.check(
                !matches!(self.lr_scheduler, LrSchedulerConfig::Plateau { .. })
                    || self.training.validate_every != crate::config::Every::Never,
                "kind",
                "plateau looks at the validation: set training.validate_every",
            );
        });
        for (name, optimizer) in &self.optimizers {
            problems.nested(&format!("optimizers.{name}"), |problems| optimizer.validate(problems));
        }
        for (position, group) in self.parameter_groups.iter().enumerate() {
            problems.nested(&format!("parameter_groups.{position}"), |problems| group.validate(problems));
        }
    }
}

/// Where the weights come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// The model as it was initialised.
    Scratch,
    /// Go on where this checkpoint ends: weights, optimisers, schedules, data order and random state.
    Resume(PathBuf),
    /// The weights of this checkpoint or safetensors file, everything else from the beginning.
    Weights(PathBuf),
}

/// Asks a running loop to stop after the step it is in.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What [`fit`] trains, with what and where.
pub struct Fit<'a, B: AutodiffBackend, T: Task<B>> {
    /// The task.
    pub task: T,
    /// Its model.
    pub model: T::Model,
    /// The data.
    pub splits: Splits<T::Batch>,
    /// The settings, checked by [`Validate`].
    pub config: &'a LoopConfig,
    /// Device of the model.
    pub device: &'a B::Device,
    /// Where everything is written.
    pub run: &'a RunFolder,
    /// Where the weights come from.
    pub start: Start,
    /// Stops the loop from outside.
    pub interrupt: Interrupt,
}

/// Trains until the config says stop, and returns the task, the model and how it ended.
///
/// # Errors
/// A checkpoint that cannot be used, a loss that is not finite, a full disk, or whatever the task reports. Every checkpoint that was
/// written stays.
pub fn fit<B: AutodiffBackend, T: Task<B>>(
    fit: Fit<'_, B, T>,
    observer: &mut dyn Observer,
) -> Result<(T, T::Model, Outcome), TrainError> {
    layers::checkpoint::enable::<B>();
    let mut trainer = Trainer::new(fit, observer)?;
    let reason = trainer.train()?;
    let outcome = trainer.finish(reason)?;
    trainer.observer.on_event(&Event::End(&outcome));
    Ok((trainer.task, trainer.model.into_inner(), outcome))
}

/// What a task prepares, told to the observer of the run.
struct Told<'a>(RefCell<&'a mut dyn Observer>);

impl Preparation for Told<'_> {
    fn note(&self, line: &str) {
        self.0.borrow_mut().on_event(&Event::Message(line));
    }

    fn progress(&self, activity: &Activity<'_>) {
        self.0.borrow_mut().on_event(&Event::Preparing(activity));
    }
}

/// A model that is taken out while an optimiser changes it, so that nothing else shares its memory.
struct Slot<M>(Option<M>);

impl<M> Slot<M> {
    const HELD: &'static str = "the model is always put back";

    fn get(&self) -> &M {
        self.0.as_ref().expect(Self::HELD)
    }

    fn replace(&mut self, change: impl FnOnce(M) -> M) {
        self.0 = Some(change(self.0.take().expect(Self::HELD)));
    }

    fn into_inner(self) -> M {
        self.0.expect(Self::HELD)
    }
}

struct Trainer<'a, B: AutodiffBackend, T: Task<B>> {
    task: T,
    model: Slot<T::Model>,
    plan: ParameterPlan,
    optimizers: Vec<(Optimizer<B>, LrScheduler)>,
    ema: Option<Vec<Tensor<B::InnerBackend, 1>>>,
    stream: BatchStream<T::Batch>,
    validation: Option<crate::task::Batches<T::Batch>>,
    state: LoopState,
    pending: Pending<B::InnerBackend>,
    scores: Option<MetricsRow>,
    checkpoint: Option<PathBuf>,
    checkpoint_at: Option<u64>,
    config: &'a TrainingConfig,
    device: &'a B::Device,
    run: &'a RunFolder,
    interrupt: Interrupt,
    observer: &'a mut dyn Observer,
}

impl<'a, B: AutodiffBackend, T: Task<B>> Trainer<'a, B, T> {
    fn new(fit: Fit<'a, B, T>, observer: &'a mut dyn Observer) -> Result<Self, TrainError> {
        let Fit { mut task, mut model, splits, config, device, run, start, interrupt } = fit;
        let training = &config.training;
        checkpoint::sweep(&run.checkpoints());

        let mut splits = splits;
        if let Some(limit) = training.overfit_batches {
            splits.train = splits.train.first(limit);
            splits.validation = Some(splits.train.clone());
        }
        if let (Some(limit), Some(validation)) = (training.limit_validation_batches, &mut splits.validation) {
            *validation = validation.first(limit);
        }
        let batches_per_epoch = splits.train.per_epoch();
        if batches_per_epoch == 0 {
            let error: TaskError = "the training data hold less than one batch: a smaller batch, or more data".into();
            return Err(error.into());
        }

        // burn draws initial weights when they are first looked at, which is here.
        B::seed(device, mix(training.seed, 0, u64::MAX - 1));
        let plan = ParameterPlan::new(parameters::list(&model), &task.parameter_groups(), &config.parameter_groups)?;
        let scopes = task.optimizers();
        let updates: u64 = scopes.iter().map(|scope| scope.updates).sum();
        let steps_per_epoch =
            (batches_per_epoch.div_ceil(training.gradient_accumulation_steps) / updates.max(1)).max(1);
        let total_steps = match (training.epochs.map(|epochs| epochs * steps_per_epoch), training.max_steps) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if let Some(unknown) = config.optimizers.keys().find(|name| scopes.iter().all(|scope| scope.name != **name)) {
            let names: Vec<_> = scopes.iter().map(|scope| scope.name).collect();
            return Err(TrainError::Config {
                key: format!("optimizers.{unknown}"),
                message: format!("this task has no such optimiser; it has: {}", names.join(", ")),
            });
        }
        let mut optimizers: Vec<_> = scopes
            .into_iter()
            .map(|scope| {
                let rule = config.optimizers.get(scope.name).unwrap_or(&config.optimizer).clone();
                let scheduler = LrScheduler::new(config.lr_scheduler.clone(), total_steps.unwrap_or(1));
                (Optimizer::new(rule, scope, &plan), scheduler)
            })
            .collect();

        let mut state = LoopState { batches_per_epoch, ..LoopState::default() };
        let mut ema = None;
        let mut resumed_from = None;
        match start {
            Start::Scratch => {}
            Start::Weights(path) => {
                let named = read_weights(&path)?;
                weights::apply::<B, _>(&mut model, &named).map_err(|message| TrainError::Weights { path, message })?;
            }
            Start::Resume(path) => {
                let checkpoint = Checkpoint::load(&path)?;
                ema = resume(
                    &checkpoint,
                    &path,
                    &mut model,
                    &mut task,
                    &mut optimizers,
                    &plan,
                    batches_per_epoch,
                    device,
                )?;
                state = checkpoint.state;
                if path.starts_with(run.root()) {
                    average::discard(run)?;
                    resumed_from = Some(path);
                }
            }
        }
        task.prepare(&model.valid(), device, &Told(RefCell::new(&mut *observer)))?;
        state.metrics_rows = run.rewind_metrics(state.metrics_rows)?;
        if training.ema_decay.is_some() && ema.is_none() {
            ema = Some(parameters::values(&model.valid()));
        }
        let model = parameters::set_trainable(model, |index| plan.trains(index, state.step));
        let stream = BatchStream::new(splits.train, state.batches, training.data_workers);
        let (trainable, all) = plan.count(state.step);
        observer.on_event(&Event::Start { step: state.step, total_steps, steps_per_epoch, trainable, parameters: all });
        Ok(Self {
            task,
            model: Slot(Some(model)),
            plan,
            optimizers,
            ema,
            stream,
            validation: splits.validation,
            checkpoint_at: resumed_from.is_some().then_some(state.step),
            checkpoint: resumed_from,
            state,
            pending: Pending::new(),
            scores: None,
            config: training,
            device,
            run,
            interrupt,
            observer,
        })
    }

    /// Steps until there is a reason to stop.
    fn train(&mut self) -> Result<StopReason, TrainError> {
        loop {
            if let Some(reason) = self.stop_reason() {
                return Ok(reason);
            }
            let finished_epochs = self.step()?;
            let step = self.state.step;
            let checkpoint_is_due = self.config.checkpoint_every.is_due(step, finished_epochs);
            if checkpoint_is_due {
                self.schedule_checkpoint();
            }
            if self.config.log_every.is_due(step, finished_epochs) {
                self.log()?;
            } else if self.pending.is_full() {
                self.read_pending()?;
            }
            if self.config.validate_every.is_due(step, finished_epochs) {
                self.validate()?;
            }
            if checkpoint_is_due {
                self.save_checkpoint()?;
            }
        }
    }

    /// Remembers that this step has a checkpoint, before anything writes it: it is to know of itself.
    fn schedule_checkpoint(&mut self) {
        let scheduled = &mut self.state.scheduled;
        scheduled.push(self.state.step);
        let most = self.config.keep_last.max(self.config.average_last);
        scheduled.drain(..scheduled.len().saturating_sub(most));
    }

    fn stop_reason(&self) -> Option<StopReason> {
        let state = &self.state;
        if self.interrupt.is_set() {
            return Some(StopReason::Interrupted);
        }
        let steps_done = self.config.max_steps.is_some_and(|max| state.step >= max);
        let epochs_done = self.config.epochs.is_some_and(|epochs| state.batches >= epochs * state.batches_per_epoch);
        if steps_done || epochs_done {
            return Some(StopReason::Finished);
        }
        if self.config.early_stopping.as_ref().is_some_and(|stopping| state.bad_validations >= stopping.patience) {
            return Some(StopReason::NoImprovement);
        }
        self.config.max_minutes.is_some_and(|minutes| state.seconds >= minutes * 60.0).then_some(StopReason::TimeIsUp)
    }

    /// One training step: every optimiser makes its updates. Returns the number of finished epochs if it ended one.
    fn step(&mut self) -> Result<Option<u64>, TrainError> {
        let began = Instant::now();
        let epochs_before = self.state.batches / self.state.batches_per_epoch;
        let step = self.state.step;
        if step > 0 && self.plan.unfreezes_at(step) {
            let plan = &self.plan;
            self.model.replace(|model| parameters::set_trainable(model, |index| plan.trains(index, step)));
            let (trainable, _) = self.plan.count(step);
            self.observer.on_event(&Event::Message(&format!("step {step}: {trainable} parameters train from here on")));
        }
        let mut salt = 0;
        for index in 0..self.optimizers.len() {
            for _ in 0..self.optimizers[index].0.scope().updates {
                self.update(index, &mut salt)?;
            }
        }
        self.update_ema();
        self.state.step += 1;
        self.state.window.steps += 1;
        let seconds = began.elapsed().as_secs_f64();
        self.state.seconds += seconds;
        self.state.window.seconds += seconds;
        self.observer.on_event(&Event::Step { step: self.state.step });
        let epochs = self.state.batches / self.state.batches_per_epoch;
        Ok((epochs > epochs_before).then_some(epochs))
    }

    /// One update of one optimiser: gradients of a window of micro-batches, averaged by their items, clipped, applied.
    fn update(&mut self, index: usize, salt: &mut u64) -> Result<(), TrainError> {
        let step = self.state.step;
        let mut sum: Option<Vec<Option<Tensor<B::InnerBackend, 1>>>> = None;
        let (mut items, mut first_items) = (0_usize, 0_usize);
        for micro_batch in 0..self.config.gradient_accumulation_steps {
            // A window never reaches over the end of an epoch: the tail is a smaller window.
            if micro_batch > 0 && self.stream.at_epoch_start() {
                break;
            }
            let batch = self.stream.next_batch()?;
            // Dropout and the like depend on nothing but the seed and the position, so a resumed run draws the same numbers.
            B::seed(self.device, mix(self.config.seed, step, *salt));
            *salt += 1;
            let context = StepContext {
                device: self.device,
                step,
                epoch: self.state.batches / self.state.batches_per_epoch,
                optimizer: self.optimizers[index].0.scope().name,
            };
            self.state.batches = self.stream.position();
            let output = self.task.training_step(self.model.get(), batch, &context)?;
            let weight = output.items as f64;
            self.pending.push(step + 1, LOSS, output.loss.clone().inner(), weight);
            for (name, value) in output.metrics {
                self.pending.push(step + 1, name, value, weight);
            }
            // Relative to the first micro-batch, so that gradients keep their size while they are summed.
            let loss = if micro_batch == 0 {
                first_items = output.items;
                output.loss
            } else {
                output.loss.mul_scalar(weight / first_items.max(1) as f64)
            };
            items += output.items;
            let mut gradients = loss.backward();
            let optimizer = &self.optimizers[index].0;
            let new = parameters::take_gradients(self.model.get(), &mut gradients, |parameter| {
                optimizer.owns(parameter) && self.plan.trains(parameter, step)
            });
            sum = Some(match sum {
                None => new,
                Some(old) => old.into_iter().zip(new).map(add).collect(),
            });
        }
        self.state.items += items as u64;
        self.state.window.items += items as u64;
        let Some(mut gradients) = sum else { return Ok(()) };
        if items != first_items {
            let factor = first_items as f64 / items.max(1) as f64;
            gradients = gradients.into_iter().map(|gradient| gradient.map(|g| g.mul_scalar(factor))).collect();
        }
        let gradients = self.clip(gradients);
        let (optimizer, scheduler) = &mut self.optimizers[index];
        let (lr_scale, plan) = (scheduler.factor(step), &self.plan);
        self.model.replace(|model| optimizer.step(model, gradients, lr_scale, plan));
        Ok(())
    }

    fn clip(
        &mut self,
        mut gradients: Vec<Option<Tensor<B::InnerBackend, 1>>>,
    ) -> Vec<Option<Tensor<B::InnerBackend, 1>>> {
        if let Some(value) = self.config.clip_value {
            gradients = gradients.into_iter().map(|gradient| gradient.map(|g| g.clamp(-value, value))).collect();
        }
        // The norm costs a pass over all gradients: made where it clips or is shown.
        let step = self.state.step + 1;
        if self.config.clip_norm.is_none() && !self.config.log_every.is_due(step, None) {
            return gradients;
        }
        let squares: Vec<_> = gradients.iter().flatten().map(|g| layers::update::sum_squares(g.clone())).collect();
        if squares.is_empty() {
            return gradients;
        }
        let norm = Tensor::cat(squares, 0).sum().sqrt();
        self.pending.push(step, "grad_norm", norm.clone(), 1.0);
        if let Some(max_norm) = self.config.clip_norm {
            // Divided, not multiplied by a reciprocal: NdArray's is good to 12 bits only.
            let factor = (norm.full_like(max_norm) / (norm + 1e-6)).clamp_max(1.0);
            gradients = gradients
                .into_iter()
                .map(|gradient| gradient.map(|g| layers::update::scale_by(g, factor.clone())))
                .collect();
        }
        gradients
    }

    fn update_ema(&mut self) {
        let (Some(decay), Some(ema)) = (self.config.ema_decay, &mut self.ema) else { return };
        let values = parameters::values(&self.model.get().valid());
        let averaged = std::mem::take(ema).into_iter().zip(values).enumerate().map(|(index, (average, value))| {
            // Buffers such as running means are averages already and are taken as they are.
            if self.plan.parameters()[index].trainable { layers::update::lerp_(average, value, decay) } else { value }
        });
        *ema = averaged.collect();
    }

    fn read_pending(&mut self) -> Result<(), TrainError> {
        self.pending.read_into(&mut self.state.window).map_err(|error| match error {
            TrainError::NonFinite { what, step, .. } => {
                TrainError::NonFinite { what, step, last_good: self.checkpoint.clone() }
            }
            other => other,
        })
    }

    /// Writes a line of training metrics and begins a new window.
    fn log(&mut self) -> Result<(), TrainError> {
        self.read_pending()?;
        let window = std::mem::take(&mut self.state.window);
        let mut metrics: BTreeMap<String, f64> =
            window.sums.iter().map(|(name, (sum, weight))| (name.clone(), sum / weight)).collect();
        // The rate that the last step of the window used.
        let last = self.state.step.saturating_sub(1);
        for (optimizer, scheduler) in &self.optimizers {
            let several = self.optimizers.len() > 1;
            let name = if several { format!("lr_{}", optimizer.scope().name) } else { "lr".into() };
            metrics.insert(name, optimizer.learning_rate() * scheduler.factor(last));
        }
        if window.seconds > 0.0 {
            metrics.insert("steps_per_second".into(), window.steps as f64 / window.seconds);
            metrics.insert(format!("{}_per_second", self.task.item_name()), window.items as f64 / window.seconds);
        }
        let row = self.row("train", metrics);
        self.write_row(&row)?;
        self.observer.on_event(&Event::Train(&row));
        Ok(())
    }

    fn write_row(&mut self, row: &MetricsRow) -> Result<(), TrainError> {
        self.state.metrics_rows += 1;
        self.run.append_metrics(row)
    }

    fn row(&self, split: &str, metrics: BTreeMap<String, f64>) -> MetricsRow {
        MetricsRow {
            step: self.state.step,
            epoch: self.state.batches as f64 / self.state.batches_per_epoch as f64,
            split: split.into(),
            seconds: self.state.seconds,
            metrics,
        }
    }

    /// The model as evaluation sees it: without gradients, and averaged where the average is on.
    fn inner_model(&self) -> InnerModel<B, T> {
        let model = self.model.get().valid();
        match &self.ema {
            Some(ema) => parameters::with_values(model, ema.clone()),
            None => model,
        }
    }

    /// Scores the validation data, and tells schedules and early stopping.
    fn validate(&mut self) -> Result<(), TrainError> {
        let Some(batches) = self.validation.clone() else { return Ok(()) };
        // A loss that is not finite must be named by its step, not by a strange score.
        self.read_pending()?;
        let model = self.inner_model();
        // Sampling must not depend on how many random numbers training drew.
        B::seed(self.device, mix(self.config.seed, self.state.step, u64::MAX));
        let scores = self.task.evaluate(&model, &mut batches.iter(), self.device)?;
        let row = self.row("validation", scores);
        self.state.validated_at = Some(self.state.step);
        let is_best = self.judge(&row)?;
        // A checkpoint of this step that is there already knows nothing of this validation.
        self.checkpoint_at = None;
        self.write_row(&row)?;
        self.observer.on_event(&Event::Validation { row: &row, is_best });
        self.scores = Some(row);
        for (name, page) in self.task.pages() {
            self.run.write_page(&name, &page)?;
        }
        for sample in self.task.samples(&model, self.device)? {
            let path = self.run.write_sample(self.state.step, &sample)?;
            self.observer.on_event(&Event::Sample { step: self.state.step, sample: &sample, path: &path });
        }
        drop(model);
        if is_best {
            let path = self.save_checkpoint()?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            checkpoint::point(&self.run.checkpoints(), "best", &name)?;
            self.prune()?;
        }
        Ok(())
    }

    /// Removes the checkpoints that nothing needs any more.
    fn prune(&self) -> Result<(), TrainError> {
        let scheduled = &self.state.scheduled;
        let averaged = &scheduled[scheduled.len().saturating_sub(self.config.average_last)..];
        checkpoint::prune(&self.run.checkpoints(), self.config.keep_last, averaged)
    }

    /// Compares the monitored score with the best so far.
    fn judge(&mut self, row: &MetricsRow) -> Result<bool, TrainError> {
        let Some(&value) = row.metrics.get(&self.config.monitor) else {
            let available: Vec<_> = row.metrics.keys().map(String::as_str).collect();
            return Err(TrainError::UnknownMonitor {
                monitor: self.config.monitor.clone(),
                available: available.join(", "),
            });
        };
        for (_, scheduler) in &mut self.optimizers {
            scheduler.observe(value, self.config.mode);
        }
        let mode = self.config.mode;
        let is_best = value.is_finite() && self.state.best.is_none_or(|best| mode.is_better(value, best.value, 0.0));
        let min_delta = self.config.early_stopping.as_ref().map_or(0.0, |stopping| stopping.min_delta);
        if self.state.stopping_reference.is_none_or(|reference| mode.is_better(value, reference, min_delta)) {
            self.state.stopping_reference = Some(value);
            self.state.bad_validations = 0;
        } else {
            self.state.bad_validations += 1;
        }
        if is_best {
            self.state.best = Some(Best { value, step: self.state.step });
        }
        Ok(is_best)
    }

    /// Writes a checkpoint of this step, unless there is one already.
    fn save_checkpoint(&mut self) -> Result<PathBuf, TrainError> {
        if let (Some(path), true) = (&self.checkpoint, self.checkpoint_at == Some(self.state.step)) {
            return Ok(path.clone());
        }
        self.read_pending()?;
        let mut tensors = BTreeMap::from([("model".to_string(), weights::collect::<B, _>(self.model.get()))]);
        if let Some(bad) = tensors["model"].iter().find(|(_, data)| !is_finite(data)) {
            log::error!("{} holds values that are not finite", bad.0);
            return Err(TrainError::NonFinite {
                what: "a weight",
                step: self.state.step,
                last_good: self.checkpoint.clone(),
            });
        }
        if self.ema.is_some() {
            tensors.insert("ema".into(), weights::collect::<B::InnerBackend, _>(&self.inner_model()));
        }
        for (optimizer, scheduler) in &self.optimizers {
            let name = optimizer.scope().name;
            tensors.insert(format!("optimizer-{name}"), optimizer.to_named(&self.plan));
            self.state.plateau.insert(name.into(), scheduler.state().clone());
        }
        tensors.insert("task".into(), self.task.state());
        let checkpoint = Checkpoint { state: self.state.clone(), tensors };
        let path = checkpoint.save(&self.run.checkpoints())?;
        self.prune()?;
        self.checkpoint = Some(path.clone());
        self.checkpoint_at = Some(self.state.step);
        self.observer.on_event(&Event::Checkpoint { path: &path });
        Ok(path)
    }

    /// The last log line, validation and checkpoint.
    fn finish(&mut self, reason: StopReason) -> Result<Outcome, TrainError> {
        // An interrupted run only saves: whatever else it did now, the run that goes on from here would not do.
        if reason != StopReason::Interrupted {
            if self.state.window.steps > 0 {
                self.log()?;
            }
            if self.config.validate_every != crate::config::Every::Never
                && self.state.validated_at != Some(self.state.step)
            {
                self.validate()?;
            }
        }
        let checkpoint = self.save_checkpoint()?;
        let average = if reason == StopReason::Interrupted { None } else { self.average()? };
        let mut best = self.state.best.map(|best| (best.value, best.step));
        if let Some(scores) =
            average.as_ref().filter(|average| average.is_best).and_then(|average| average.scores.as_ref())
        {
            best = scores.metrics.get(&self.config.monitor).map(|value| (*value, scores.step));
        }
        Ok(Outcome {
            reason,
            step: self.state.step,
            epoch: self.state.batches as f64 / self.state.batches_per_epoch as f64,
            seconds: self.state.seconds,
            best,
            average,
            scores: self.scores.clone(),
            checkpoint,
        })
    }

    /// Averages the last checkpoints, if the config asks for it: scored, saved, and pointed at by `best` if they are.
    fn average(&mut self) -> Result<Option<Average>, TrainError> {
        if self.config.average_last == 0 {
            return Ok(None);
        }
        let mut steps = self.state.scheduled.clone();
        if steps.last() != Some(&self.state.step) {
            steps.push(self.state.step);
        }
        steps.drain(..steps.len().saturating_sub(self.config.average_last));
        let checkpoints = average::checkpoints(self.run, &steps);
        if checkpoints.len() < 2 {
            self.observer.on_event(&Event::Message("training.average_last: one checkpoint alone has no average"));
            return Ok(None);
        }
        let model = average::mean(self.model.get().valid(), self.plan.parameters(), &checkpoints)?;
        let tensors = BTreeMap::from([("model".to_string(), weights::collect::<B::InnerBackend, _>(&model))]);
        let saved = Checkpoint { state: self.state.clone(), tensors };
        let checkpoint = saved.save_as(&self.run.checkpoints(), AVERAGE)?;
        let scores = self.score_average(&model)?;
        let best = self.state.best;
        let is_best = match (&scores, best) {
            (Some(row), Some(best)) => {
                let value = row.metrics.get(&self.config.monitor).copied().unwrap_or(f64::NAN);
                self.config.mode.is_better(value, best.value, 0.0)
            }
            // Nothing was compared: they are what the config asks for.
            (None, None) => true,
            _ => false,
        };
        if is_best {
            checkpoint::point(&self.run.checkpoints(), "best", AVERAGE)?;
        }
        let steps = checkpoints.into_iter().map(|(step, _)| step).collect();
        let average = Average { steps, scores, is_best, checkpoint };
        if average.scores.is_some() {
            let best = best.map(|best| (best.value, best.step));
            self.run.write_page(average::SPLIT, &average::page(&average, &self.config.monitor, best))?;
        }
        self.observer.on_event(&Event::Average(&average));
        Ok(Some(average))
    }

    /// The validation scores of averaged weights, if this run validates: their line is not one of training, which no schedule and no
    /// early stopping hears of.
    fn score_average(&mut self, model: &InnerModel<B, T>) -> Result<Option<MetricsRow>, TrainError> {
        let validates = self.config.validate_every != crate::config::Every::Never;
        let Some(batches) = self.validation.clone().filter(|_| validates) else { return Ok(None) };
        // As for the last single checkpoint.
        B::seed(self.device, mix(self.config.seed, self.state.step, u64::MAX));
        let scores = self.task.evaluate(model, &mut batches.iter(), self.device)?;
        let row = self.row(average::SPLIT, scores);
        self.write_row(&row)?;
        Ok(Some(row))
    }
}

/// Restores everything but the loop's own state from a checkpoint; returns the averaged weights, if there are any.
#[allow(clippy::too_many_arguments)]
fn resume<B: AutodiffBackend, T: Task<B>>(
    checkpoint: &Checkpoint,
    path: &Path,
    model: &mut T::Model,
    task: &mut T,
    optimizers: &mut [(Optimizer<B>, LrScheduler)],
    plan: &ParameterPlan,
    batches_per_epoch: u64,
    device: &B::Device,
) -> Result<Option<Vec<Tensor<B::InnerBackend, 1>>>, TrainError> {
    let unusable = |message: String| TrainError::checkpoint(path, message);
    if average::is_average(path) {
        let message = "it holds averaged weights and no optimiser to go on with: resume from a step, \
                       or start from its weights with --init-from";
        return Err(unusable(message.into()));
    }
    if checkpoint.state.batches_per_epoch != batches_per_epoch {
        return Err(unusable(format!(
            "it was written with {} batches an epoch, and the data now give {batches_per_epoch}; \
             to keep only its weights use --init-from",
            checkpoint.state.batches_per_epoch
        )));
    }
    let tensors =
        |name: &str| checkpoint.tensors.get(name).ok_or_else(|| unusable(format!("{name}.safetensors is missing")));
    let mut ema = None;
    if let Some(averaged) = checkpoint.tensors.get("ema") {
        let mut inner = model.valid();
        weights::apply::<B::InnerBackend, _>(&mut inner, averaged).map_err(unusable)?;
        ema = Some(parameters::values(&inner));
    }
    weights::apply::<B, _>(model, tensors("model")?).map_err(unusable)?;
    for (optimizer, scheduler) in optimizers {
        let name = optimizer.scope().name;
        optimizer.load_named(tensors(&format!("optimizer-{name}"))?, plan, device).map_err(unusable)?;
        scheduler.load_state(checkpoint.state.plateau.get(name).cloned().unwrap_or_default());
    }
    task.load_state(tensors("task")?.clone(), device)?;
    Ok(ema)
}

/// The weights of a checkpoint folder, or of a safetensors file.
pub fn read_weights(path: &Path) -> Result<NamedTensors, TrainError> {
    if !path.is_dir() {
        return weights::read(path);
    }
    let mut checkpoint = Checkpoint::load(path)?;
    let averaged = checkpoint.tensors.remove("ema");
    averaged
        .or_else(|| checkpoint.tensors.remove("model"))
        .ok_or_else(|| TrainError::checkpoint(path, "model.safetensors is missing"))
}

fn is_finite(data: &TensorData) -> bool {
    match data.as_slice::<f32>() {
        Ok(values) => values.iter().all(|value| value.is_finite()),
        Err(_) => data.iter::<f64>().all(f64::is_finite),
    }
}

fn add<B: burn::tensor::backend::Backend>(
    (old, new): (Option<Tensor<B, 1>>, Option<Tensor<B, 1>>),
) -> Option<Tensor<B, 1>> {
    match (old, new) {
        (Some(old), Some(new)) => Some(old + new),
        (old, new) => old.or(new),
    }
}

/// A seed from the run's seed and a position (SplitMix64's finaliser over both).
fn mix(seed: u64, step: u64, salt: u64) -> u64 {
    let mut value = seed;
    for part in [step, salt] {
        value = value.wrapping_add(part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^= value >> 31;
    }
    value
}
