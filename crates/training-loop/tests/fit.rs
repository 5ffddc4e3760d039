//! The loop on a small regression with dropout: what it promises about resuming, accumulation, optimisers and bad numbers.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

use burn::{
    backend::{Autodiff, Flex, NdArray},
    module::{AutodiffModule, Module, Param},
    nn::{Dropout, DropoutConfig, Linear, LinearConfig},
    tensor::{
        Tensor, TensorData, activation,
        backend::{AutodiffBackend, Backend},
    },
};
use training_loop::{
    average::Average,
    checkpoint::{self, Checkpoint},
    config::{EarlyStoppingConfig, Every, TrainingConfig},
    error::{TaskError, TrainError},
    event::{Event, Observer, Outcome, StopReason},
    fit::{Fit, Interrupt, LoopConfig, Start, fit, read_weights},
    lr_scheduler::LrSchedulerConfig,
    optimizer::{OptimizerConfig, ParameterGroup},
    run_folder::RunFolder,
    task::{Batches, InnerModel, OptimizerScope, Scores, Splits, StepContext, StepOutput, Task},
    weights::NamedTensors,
};

/// burn's seeds are global to the process: runs that are compared must not overlap.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[derive(Module, Debug)]
struct Net<B: Backend> {
    first: Linear<B>,
    second: Linear<B>,
    shift: Param<Tensor<B, 1>>,
    dropout: Dropout,
}

impl<B: Backend> Net<B> {
    fn new(device: &B::Device, dropout: f64) -> Self {
        B::seed(device, 3);
        let net = Self {
            first: LinearConfig::new(3, 8).init(device),
            second: LinearConfig::new(8, 1).init(device),
            shift: Param::from_tensor(Tensor::zeros([1], device)),
            dropout: DropoutConfig::new(dropout).init(),
        };
        // burn draws initial weights when they are first looked at.
        training_loop::parameters::values(&net);
        net
    }

    fn forward(&self, input: Tensor<B, 2>) -> Tensor<B, 2> {
        let hidden = self.dropout.forward(activation::tanh(self.first.forward(input)));
        self.second.forward(hidden) + self.shift.val().unsqueeze()
    }
}

#[derive(Clone, Debug)]
struct Rows {
    input: Vec<f32>,
    target: Vec<f32>,
}

/// Rows `from..to` of a fixed function of three inputs.
fn rows(from: u64, to: u64) -> Rows {
    let mut rows = Rows { input: Vec::new(), target: Vec::new() };
    for row in from..to {
        let x = [(row as f32 * 0.7).sin(), (row as f32 * 1.3).cos(), (row as f32 * 0.1).sin()];
        rows.input.extend(x);
        rows.target.push(x[0] * x[1] + 0.5 * x[2]);
    }
    rows
}

/// Regression whose steps also depend on a number carried from step to step.
struct Regression {
    carried: f32,
    scopes: Vec<OptimizerScope>,
    explode_at: Option<u64>,
    groups: Vec<ParameterGroup>,
}

impl Regression {
    fn new() -> Self {
        Self { carried: 0.0, scopes: vec![OptimizerScope::all()], explode_at: None, groups: Vec::new() }
    }
}

fn mean_squared_error<B: Backend>(output: Tensor<B, 2>, target: Vec<f32>, device: &B::Device) -> Tensor<B, 1> {
    let rows = target.len();
    let target = Tensor::<B, 2>::from_data(TensorData::new(target, [rows, 1]), device);
    (output - target).powi_scalar(2).mean()
}

impl<B: AutodiffBackend> Task<B> for Regression {
    type Model = Net<B>;
    type Batch = Rows;

    fn optimizers(&self) -> Vec<OptimizerScope> {
        self.scopes.clone()
    }

    fn parameter_groups(&self) -> Vec<ParameterGroup> {
        self.groups.clone()
    }

    fn training_step(
        &mut self,
        model: &Net<B>,
        batch: Rows,
        context: &StepContext<'_, B>,
    ) -> Result<StepOutput<B>, TaskError> {
        let items = batch.target.len();
        let input = Tensor::<B, 2>::from_data(TensorData::new(batch.input, [items, 3]), context.device);
        let input = input + self.carried;
        self.carried = 0.5 * self.carried + 0.01;
        let mut loss = mean_squared_error(model.forward(input), batch.target, context.device);
        if self.explode_at == Some(context.step) {
            loss = loss * f32::NAN;
        }
        Ok(StepOutput::new(loss, items))
    }

    fn evaluate(
        &mut self,
        model: &InnerModel<B, Self>,
        batches: &mut dyn Iterator<Item = Result<Rows, TaskError>>,
        device: &B::Device,
    ) -> Result<Scores, TaskError> {
        let mut sum = 0.0;
        let mut count = 0.0;
        for batch in batches {
            let batch = batch?;
            let items = batch.target.len();
            let input = Tensor::from_data(TensorData::new(batch.input, [items, 3]), device);
            let loss = mean_squared_error::<B::InnerBackend>(model.forward(input), batch.target, device);
            sum += loss.into_data().iter::<f64>().sum::<f64>();
            count += 1.0;
        }
        Ok(Scores::from([("loss".into(), sum / count)]))
    }

    fn state(&self) -> NamedTensors {
        BTreeMap::from([("carried".into(), TensorData::new(vec![self.carried], [1]))])
    }

    fn load_state(&mut self, state: NamedTensors, _: &B::Device) -> Result<(), TaskError> {
        self.carried = state["carried"].iter::<f32>().next().ok_or("no carried number")?;
        Ok(())
    }
}

const ROWS: u64 = 40;

fn splits(batch_size: u64) -> Splits<Rows> {
    let train = Batches::new(ROWS.div_ceil(batch_size), move |epoch, index| {
        let from = index * batch_size;
        Ok(rows(from + 1000 * epoch, (from + batch_size).min(ROWS) + 1000 * epoch))
    });
    let validation = Batches::new(2, |_, index| Ok(rows(5000 + 20 * index, 5020 + 20 * index)));
    Splits { train, validation: Some(validation), test: None }
}

/// Everything on that a resumed run could lose.
fn demanding() -> LoopConfig {
    LoopConfig {
        training: TrainingConfig {
            max_steps: Some(29),
            gradient_accumulation_steps: 3,
            clip_norm: Some(0.5),
            ema_decay: Some(0.9),
            validate_every: Every::Steps(4),
            checkpoint_every: Every::Steps(5),
            log_every: Every::Steps(3),
            keep_last: 3,
            early_stopping: Some(EarlyStoppingConfig { patience: 6, min_delta: 1e-3 }),
            ..Default::default()
        },
        lr_scheduler: LrSchedulerConfig::Plateau {
            warmup_steps: 5,
            factor: 0.5,
            patience: 1,
            threshold: 1e-2,
            cooldown: 1,
            min_factor: 0.0,
        },
        optimizer: OptimizerConfig::Adamw { learning_rate: 0.02, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01 },
        parameter_groups: vec![ParameterGroup {
            parameters: "second.*".into(),
            l2_sp: Some(0.1),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Asks the loop to stop after a number of steps, as Ctrl-C does.
struct StopAt(u64, Interrupt);

impl Observer for StopAt {
    fn on_event(&mut self, event: &Event<'_>) {
        if let Event::Step { step } = event
            && *step == self.0
        {
            self.1.set();
        }
    }
}

struct Run<'a> {
    config: &'a LoopConfig,
    folder: &'a Path,
    start: Start,
    stop_at: Option<u64>,
    batch_size: u64,
    dropout: f64,
    task: Regression,
}

impl<'a> Run<'a> {
    fn new(config: &'a LoopConfig, folder: &'a Path) -> Self {
        Self {
            config,
            folder,
            start: Start::Scratch,
            stop_at: None,
            batch_size: 7,
            dropout: 0.3,
            task: Regression::new(),
        }
    }

    fn go<B: AutodiffBackend>(self) -> Result<(Net<B>, Outcome), TrainError> {
        let device = B::Device::default();
        let run = if self.folder.join("config.toml").exists() {
            RunFolder::open(self.folder)?
        } else {
            let run = RunFolder::create(self.folder)?;
            run.write("config.toml", b"")?;
            run
        };
        let interrupt = Interrupt::default();
        let mut observer = StopAt(self.stop_at.unwrap_or(u64::MAX), interrupt.clone());
        let job = Fit {
            task: self.task,
            model: Net::<B>::new(&device, self.dropout),
            splits: splits(self.batch_size),
            config: self.config,
            device: &device,
            run: &run,
            start: self.start,
            interrupt,
        };
        fit(job, &mut observer).map(|(_, model, outcome)| (model, outcome))
    }
}

/// The weights, to the bit.
fn bits<B: AutodiffBackend>(model: &Net<B>) -> Vec<u32> {
    let named = training_loop::weights::collect::<B, _>(model);
    named.values().flat_map(|data| data.iter::<f32>().map(f32::to_bits).collect::<Vec<_>>()).collect()
}

/// The metrics of a run without what a clock decides.
fn metrics(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let without_clock = |line: &str| {
        let mut row: serde_json::Value = serde_json::from_str(line).unwrap();
        row["seconds"].take();
        let metrics = row["metrics"].as_object_mut().unwrap();
        metrics.retain(|name, _| !name.ends_with("per_second"));
        row.to_string()
    };
    text.lines().map(without_clock).collect()
}

fn resuming_gives_the_same_bits<B: AutodiffBackend>() {
    let _alone = alone();
    let config = demanding();
    let whole = tempfile::tempdir().unwrap();
    let (expected, outcome) = Run::new(&config, whole.path()).go::<B>().unwrap();
    assert_eq!(outcome.reason, StopReason::Finished);

    // A kill leaves the folder as it is after the last complete checkpoint: a run stopped at step 13 without its checkpoint
    // of step 13, and with lines in metrics.jsonl that come after its checkpoint, the last one torn.
    let killed = tempfile::tempdir().unwrap();
    Run { stop_at: Some(13), ..Run::new(&config, killed.path()) }.go::<B>().unwrap();
    fs::remove_dir_all(killed.path().join("checkpoints/step-13")).unwrap();
    let mut text = fs::read_to_string(killed.path().join("metrics.jsonl")).unwrap();
    text.push_str("{\"step\":13,\"epo");
    fs::write(killed.path().join("metrics.jsonl"), text).unwrap();

    let last = checkpoint::find(killed.path(), "last").unwrap();
    assert!(Checkpoint::load(&last).unwrap().state.step < 13);
    let (resumed, _) = Run { start: Start::Resume(last), ..Run::new(&config, killed.path()) }.go::<B>().unwrap();
    assert_eq!(bits(&resumed), bits(&expected));
    assert_eq!(metrics(killed.path()), metrics(whole.path()));

    // And after Ctrl-C, in the middle of an epoch and of a log window.
    let stopped = tempfile::tempdir().unwrap();
    let (_, outcome) = Run { stop_at: Some(11), ..Run::new(&config, stopped.path()) }.go::<B>().unwrap();
    assert_eq!((outcome.reason, outcome.step), (StopReason::Interrupted, 11));
    let start = Start::Resume(outcome.checkpoint);
    let (resumed, _) = Run { start, ..Run::new(&config, stopped.path()) }.go::<B>().unwrap();
    assert_eq!(bits(&resumed), bits(&expected));
    assert_eq!(metrics(stopped.path()), metrics(whole.path()));
}

#[test]
fn resuming_gives_the_same_bits_on_flex() {
    resuming_gives_the_same_bits::<Autodiff<Flex>>();
}

#[test]
fn resuming_gives_the_same_bits_on_ndarray() {
    resuming_gives_the_same_bits::<Autodiff<NdArray>>();
}

#[test]
fn resuming_a_finished_run_changes_nothing() {
    let _alone = alone();
    let config = demanding();
    let folder = tempfile::tempdir().unwrap();
    let (first, outcome) = Run::new(&config, folder.path()).go::<Autodiff<Flex>>().unwrap();
    let before = metrics(folder.path());
    let start = Start::Resume(outcome.checkpoint);
    let (second, again) = Run { start, ..Run::new(&config, folder.path()) }.go::<Autodiff<Flex>>().unwrap();
    assert_eq!(again.step, outcome.step);
    assert_eq!(bits(&first), bits(&second));
    assert_eq!(metrics(folder.path()), before);
}

fn plain(max_steps: u64) -> LoopConfig {
    LoopConfig {
        training: TrainingConfig { max_steps: Some(max_steps), validate_every: Every::Never, ..Default::default() },
        optimizer: OptimizerConfig::Sgd {
            learning_rate: 0.1,
            momentum: 0.9,
            dampening: 0.0,
            nesterov: true,
            weight_decay: 0.0,
        },
        ..Default::default()
    }
}

fn weights<B: AutodiffBackend>(model: &Net<B>) -> Vec<f32> {
    let named = training_loop::weights::collect::<B, _>(model);
    named.values().flat_map(|data| data.iter::<f32>().collect::<Vec<_>>()).collect()
}

/// 40 rows in batches of 12 or in windows of three batches of 4: the last window of an epoch is one batch of 4.
#[test]
fn accumulation_equals_the_large_batch_also_in_the_tail_of_an_epoch() {
    let _alone = alone();
    let mut config = plain(12);
    let run = |config: &LoopConfig, batch_size| {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run { batch_size, dropout: 0.0, ..Run::new(config, folder.path()) };
        // What is carried from one micro-batch to the next would differ by design.
        run.task.carried = 0.02;
        run.go::<Autodiff<Flex>>().unwrap()
    };
    let (large, outcome) = run(&config, 12);
    assert_eq!(outcome.epoch, 3.0);
    config.training.gradient_accumulation_steps = 3;
    let (accumulated, outcome) = run(&config, 4);
    assert_eq!(outcome.epoch, 3.0);
    for (a, b) in weights(&large).iter().zip(weights(&accumulated)) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

#[test]
fn each_optimizer_steps_its_own_parameters() {
    let _alone = alone();
    let mut config = plain(4);
    let frozen_rate = OptimizerConfig::Sgd {
        learning_rate: 1e-30,
        momentum: 0.0,
        dampening: 0.0,
        nesterov: false,
        weight_decay: 0.0,
    };
    config.optimizers.insert("critic".into(), frozen_rate);
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(&config, folder.path());
    run.task.scopes = vec![
        OptimizerScope { name: "critic", parameters: "first.*", updates: 2 },
        OptimizerScope { name: "generator", parameters: "se*", updates: 1 },
    ];
    let before = Net::<Autodiff<Flex>>::new(&Default::default(), 0.3);
    let (after, outcome) = run.go::<Autodiff<Flex>>().unwrap();
    let unchanged = |a: &Tensor<_, 2>, b: &Tensor<_, 2>| a.to_data() == b.to_data();
    assert!(unchanged(&before.first.weight.val(), &after.first.weight.val()));
    assert!(!unchanged(&before.second.weight.val(), &after.second.weight.val()));
    // No scope names it.
    assert_eq!(after.shift.val().to_data(), before.shift.val().to_data());
    // Three micro-batches of seven rows a step.
    assert_eq!(outcome.epoch, 12.0 / 6.0);
    let last = metrics(folder.path());
    assert!(last.last().unwrap().contains("lr_critic"), "{last:?}");
}

#[test]
fn frozen_parameters_stay_until_they_are_unfrozen() {
    let _alone = alone();
    let group = |unfreeze_at_step| ParameterGroup {
        parameters: "first.*".into(),
        frozen: Some(true),
        unfreeze_at_step,
        ..Default::default()
    };
    let before = Net::<Autodiff<Flex>>::new(&Default::default(), 0.3).first.weight.val().to_data();
    for (unfreeze_at_step, moves) in [(None, false), (Some(6), false), (Some(5), true)] {
        let mut config = plain(6);
        config.parameter_groups = vec![group(unfreeze_at_step)];
        let folder = tempfile::tempdir().unwrap();
        let (after, outcome) = Run::new(&config, folder.path()).go::<Autodiff<Flex>>().unwrap();
        assert_eq!(after.first.weight.val().to_data() != before, moves, "{unfreeze_at_step:?}");
        let state = &Checkpoint::load(&outcome.checkpoint).unwrap().tensors["optimizer-main"];
        assert_eq!(state.keys().any(|name| name.starts_with("first.")), moves, "no state for what does not train");
    }
}

#[test]
fn l2_sp_pulls_towards_the_start() {
    let _alone = alone();
    let after = |steps: u64, l2_sp: Option<f64>| {
        let mut config = plain(steps);
        config.optimizer = OptimizerConfig::Sgd {
            learning_rate: 0.1,
            momentum: 0.0,
            dampening: 0.0,
            nesterov: false,
            weight_decay: 0.0,
        };
        config.parameter_groups =
            vec![ParameterGroup { parameters: "first.weight".into(), l2_sp, ..Default::default() }];
        let folder = tempfile::tempdir().unwrap();
        let (model, _) = Run::new(&config, folder.path()).go::<Autodiff<Flex>>().unwrap();
        model.first.weight.val().into_data().iter::<f32>().collect::<Vec<_>>()
    };
    let start = Net::<Autodiff<Flex>>::new(&Default::default(), 0.3).first.weight.val().into_data();
    let [one, free, pulled] = [after(1, Some(2.0)), after(2, None), after(2, Some(2.0))];
    // At the start nothing pulls; then the rate times the strength times the distance.
    assert_eq!(one, after(1, None));
    for (((start, one), free), pulled) in start.iter::<f32>().zip(one).zip(free).zip(pulled) {
        let expected = free - 0.1 * 2.0 * (one - start);
        assert!((pulled - expected).abs() < 1e-6, "{pulled} is not {expected}");
    }
}

/// A task with a policy of its own: everything but the last layer is frozen.
#[test]
fn the_groups_of_a_config_win_over_those_of_the_task() {
    let _alone = alone();
    let frozen = |parameters: &str, frozen| ParameterGroup {
        parameters: parameters.into(),
        frozen: Some(frozen),
        ..Default::default()
    };
    let before = Net::<Autodiff<Flex>>::new(&Default::default(), 0.3);
    for (of_config, moves) in [(vec![], false), (vec![frozen("first.*", false)], true)] {
        let mut config = plain(2);
        config.parameter_groups = of_config;
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::new(&config, folder.path());
        run.task.groups = vec![frozen("*", true), frozen("second.*", false)];
        let (after, _) = run.go::<Autodiff<Flex>>().unwrap();
        assert_eq!(after.first.weight.val().to_data() != before.first.weight.val().to_data(), moves);
        assert_ne!(after.second.weight.val().to_data(), before.second.weight.val().to_data());
        assert_eq!(after.shift.val().to_data(), before.shift.val().to_data());
    }
}

#[test]
fn a_pattern_that_matches_nothing_names_the_parameters() {
    let mut config = plain(1);
    config.parameter_groups = vec![ParameterGroup { parameters: "frist.*".into(), ..Default::default() }];
    let folder = tempfile::tempdir().unwrap();
    let error = Run::new(&config, folder.path()).go::<Autodiff<Flex>>().unwrap_err().to_string();
    assert!(error.contains("parameter_groups.0.parameters") && error.contains("first.weight"), "{error}");
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_keeps_the_good_checkpoint() {
    let _alone = alone();
    let mut config = plain(20);
    config.training.checkpoint_every = Every::Steps(4);
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(&config, folder.path());
    run.task.explode_at = Some(9);
    let error = run.go::<Autodiff<Flex>>().unwrap_err();
    let TrainError::NonFinite { step, ref last_good, .. } = error else { panic!("{error}") };
    assert_eq!(step, 10);
    let last_good = last_good.clone().unwrap();
    assert!(last_good.ends_with("step-8"), "{}", last_good.display());
    Checkpoint::load(&last_good).unwrap();
}

#[test]
fn a_damaged_checkpoint_is_refused_and_the_one_before_it_offered() {
    let _alone = alone();
    let mut config = plain(12);
    config.training.checkpoint_every = Every::Steps(4);
    let folder = tempfile::tempdir().unwrap();
    let (_, outcome) = Run::new(&config, folder.path()).go::<Autodiff<Flex>>().unwrap();
    let refused = || match Checkpoint::load(&outcome.checkpoint).unwrap_err() {
        TrainError::Checkpoint { message, previous, .. } => (message, previous.unwrap()),
        other => panic!("{other}"),
    };
    let file = outcome.checkpoint.join("model.safetensors");
    let good = fs::read(&file).unwrap();
    // Truncated, altered, gone.
    fs::write(&file, &good[..good.len() - 1]).unwrap();
    assert!(refused().0.contains("model.safetensors"));
    let mut altered = good.clone();
    *altered.last_mut().unwrap() ^= 1;
    fs::write(&file, altered).unwrap();
    let (message, previous) = refused();
    assert!(message.contains("checksum"), "{message}");
    assert!(previous.ends_with("step-8"));
    fs::remove_file(&file).unwrap();
    assert!(refused().0.contains("model.safetensors"));
    let (_, outcome) =
        Run { start: Start::Resume(previous), ..Run::new(&config, folder.path()) }.go::<Autodiff<Flex>>().unwrap();
    assert_eq!(outcome.step, 12);
    Checkpoint::load(&outcome.checkpoint).unwrap();
}

#[test]
fn an_existing_run_is_refused_and_a_second_process_too() {
    let config = plain(1);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("something"), "mine").unwrap();
    let error = Run::new(&config, folder.path()).go::<Autodiff<Flex>>().unwrap_err();
    assert!(matches!(error, TrainError::RunExists(_)), "{error}");
    assert_eq!(fs::read_to_string(folder.path().join("something")).unwrap(), "mine");

    fs::write(folder.path().join("config.toml"), "").unwrap();
    let _held = RunFolder::open(folder.path()).unwrap();
    assert!(RunFolder::open(folder.path()).unwrap_err().to_string().contains("another process"));
}

#[test]
fn only_the_newest_and_the_best_checkpoints_are_kept() {
    let _alone = alone();
    let mut config = demanding();
    config.training.keep_last = 1;
    let folder = tempfile::tempdir().unwrap();
    let (_, outcome) = Run::new(&config, folder.path()).go::<Autodiff<Flex>>().unwrap();
    let kept: Vec<PathBuf> = fs::read_dir(folder.path().join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    let best = checkpoint::find(folder.path(), "best").unwrap();
    assert!(kept.contains(&best) && kept.contains(&outcome.checkpoint));
    assert!(kept.len() <= 2, "{kept:?}");
    assert!(best.ends_with(format!("step-{}", outcome.best.unwrap().1)));
}

#[test]
fn other_weights_are_refused_by_name_and_shape() {
    let _alone = alone();
    let config = plain(1);
    let folder = tempfile::tempdir().unwrap();
    let (model, _) = Run::new(&config, folder.path()).go::<Autodiff<Flex>>().unwrap();
    let mut named = training_loop::weights::collect::<Flex, _>(&model.valid());
    named.insert("first.bias".into(), TensorData::zeros::<f32, _>([2]));
    named.remove("second.weight");
    let file = folder.path().join("other.safetensors");
    fs::write(&file, training_loop::weights::to_safetensors(&named).unwrap()).unwrap();
    let other = tempfile::tempdir().unwrap();
    let error =
        Run { start: Start::Weights(file), ..Run::new(&config, other.path()) }.go::<Autodiff<Flex>>().unwrap_err();
    let message = error.to_string();
    assert!(message.contains("first.bias should be [8], found [2]"), "{message}");
    assert!(message.contains("second.weight [8, 1] is missing"), "{message}");
}

/// Large steps that jump about, and the mean of the last three checkpoints.
fn averaging(max_steps: u64) -> LoopConfig {
    let training = TrainingConfig {
        max_steps: Some(max_steps),
        validate_every: Every::Steps(4),
        checkpoint_every: Every::Steps(5),
        keep_last: 1,
        average_last: 3,
        ..Default::default()
    };
    LoopConfig { training, ..plain(max_steps) }
}

/// The steps that were averaged, and the weights.
fn averaged(folder: &Path, outcome: Outcome) -> (Average, NamedTensors) {
    let path = checkpoint::find(folder, "average").unwrap();
    let average = outcome.average.unwrap();
    assert_eq!(average.checkpoint, path);
    (average, read_weights(&path).unwrap())
}

fn values(named: &NamedTensors) -> Vec<f32> {
    named.values().flat_map(|data| data.iter::<f32>().collect::<Vec<_>>()).collect()
}

#[test]
fn the_last_checkpoints_are_averaged_at_the_end() {
    let _alone = alone();
    let config = averaging(28);
    let folder = tempfile::tempdir().unwrap();
    let (model, outcome) = Run::new(&config, folder.path()).go::<Autodiff<Flex>>().unwrap();
    let single = Checkpoint::load(&outcome.checkpoint).unwrap().state.best.unwrap();
    let best = outcome.best;
    let last = outcome.checkpoint.clone();
    let (average, mean) = averaged(folder.path(), outcome);

    // The two that were due and the one of the end, though only one is kept otherwise.
    assert_eq!(average.steps, [20, 25, 28]);
    let each: Vec<Vec<f32>> = average
        .steps
        .iter()
        .map(|step| values(&read_weights(&folder.path().join(format!("checkpoints/step-{step}"))).unwrap()))
        .collect();
    for (index, mean) in values(&mean).into_iter().enumerate() {
        let expected = each.iter().map(|weights| f64::from(weights[index])).sum::<f64>() / 3.0;
        assert!((f64::from(mean) - expected).abs() < 1e-6, "{mean} is not {expected}");
    }
    // What is trained goes on is the last checkpoint, not the mean.
    assert_eq!(weights(&model), each[2]);
    assert_eq!(checkpoint::find(folder.path(), "last").unwrap(), last);

    // These weights are better than any single checkpoint, and are what a run is asked for.
    let scores = average.scores.clone().unwrap();
    assert!(scores.metrics["loss"] < single.value, "{} and {}", scores.metrics["loss"], single.value);
    assert!(average.is_best);
    assert_eq!(best, Some((scores.metrics["loss"], 28)));
    assert_eq!(checkpoint::find(folder.path(), "best").unwrap(), average.checkpoint);
    let line = metrics(folder.path()).pop().unwrap();
    assert!(line.contains("\"split\":\"average\""), "{line}");
    let page = fs::read_to_string(folder.path().join("report/average.json")).unwrap();
    assert!(page.contains("steps 20, 25, 28") && page.contains(&format!("step-{}", single.step)), "{page}");
}

#[test]
fn a_run_that_was_interrupted_ends_with_the_same_average() {
    let _alone = alone();
    let config = averaging(28);
    let whole = tempfile::tempdir().unwrap();
    let (_, outcome) = Run::new(&config, whole.path()).go::<Autodiff<Flex>>().unwrap();
    let (expected, mean) = averaged(whole.path(), outcome);

    // Stopped between two checkpoints that are averaged: the one of the interruption is none of them.
    let stopped = tempfile::tempdir().unwrap();
    let (_, outcome) = Run { stop_at: Some(22), ..Run::new(&config, stopped.path()) }.go::<Autodiff<Flex>>().unwrap();
    assert_eq!((outcome.reason, outcome.average), (StopReason::Interrupted, None));
    let start = Start::Resume(outcome.checkpoint);
    let (_, outcome) = Run { start, ..Run::new(&config, stopped.path()) }.go::<Autodiff<Flex>>().unwrap();
    let (average, resumed) = averaged(stopped.path(), outcome);
    assert_eq!((average.steps, average.is_best), (expected.steps, expected.is_best));
    assert_eq!(values(&resumed), values(&mean));
    assert_eq!(metrics(stopped.path()), metrics(whole.path()));

    // Killed at the very end, or asked again.
    let start = Start::Resume(checkpoint::find(stopped.path(), "last").unwrap());
    let (_, outcome) = Run { start, ..Run::new(&config, stopped.path()) }.go::<Autodiff<Flex>>().unwrap();
    assert_eq!(values(&averaged(stopped.path(), outcome).1), values(&mean));
    assert_eq!(metrics(stopped.path()), metrics(whole.path()));
}

#[test]
fn the_average_of_a_run_that_goes_on_is_none_any_more() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let (_, outcome) = Run::new(&averaging(28), folder.path()).go::<Autodiff<Flex>>().unwrap();
    let single = Checkpoint::load(&outcome.checkpoint).unwrap().state.best.unwrap();
    let (average, _) = averaged(folder.path(), outcome);

    let from_average = Start::Resume(average.checkpoint);
    let longer = averaging(40);
    let error =
        Run { start: from_average, ..Run::new(&longer, folder.path()) }.go::<Autodiff<Flex>>().unwrap_err().to_string();
    assert!(error.contains("averaged weights") && error.contains("--init-from"), "{error}");

    let start = Start::Resume(checkpoint::find(folder.path(), "last").unwrap());
    Run { start, stop_at: Some(30), ..Run::new(&longer, folder.path()) }.go::<Autodiff<Flex>>().unwrap();
    let error = checkpoint::find(folder.path(), "average").unwrap_err().to_string();
    assert!(error.contains("training.average_last"), "{error}");
    assert!(checkpoint::find(folder.path(), "best").unwrap().ends_with(format!("step-{}", single.step)));
    assert!(!folder.path().join("report/average.json").exists());

    let start = Start::Resume(checkpoint::find(folder.path(), "last").unwrap());
    let (_, outcome) = Run { start, ..Run::new(&longer, folder.path()) }.go::<Autodiff<Flex>>().unwrap();
    assert_eq!(averaged(folder.path(), outcome).0.steps, [30, 35, 40]);
}

#[test]
fn a_run_without_validation_is_its_average() {
    let _alone = alone();
    let mut config = averaging(12);
    config.training.validate_every = Every::Never;
    let folder = tempfile::tempdir().unwrap();
    let (_, outcome) = Run::new(&config, folder.path()).go::<Autodiff<Flex>>().unwrap();
    assert_eq!(outcome.best, None);
    let (average, _) = averaged(folder.path(), outcome);
    assert_eq!((average.steps.as_slice(), average.scores, average.is_best), ([5, 10, 12].as_slice(), None, true));
    assert_eq!(checkpoint::find(folder.path(), "best").unwrap(), average.checkpoint);

    // One checkpoint alone has none.
    let folder = tempfile::tempdir().unwrap();
    config.training.max_steps = Some(3);
    let (_, outcome) = Run::new(&config, folder.path()).go::<Autodiff<Flex>>().unwrap();
    assert_eq!(outcome.average, None);
    assert!(checkpoint::find(folder.path(), "average").is_err());
}
