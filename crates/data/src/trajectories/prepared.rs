use super::artefact::TrajectoryArtefact;
use super::batches::{Steps, TrajectoryBatches};
use super::config::TrajectoryConfig;
use super::facts::{Returns, TrajectoryFacts};
use super::format::read_trajectories;
use crate::{DataError, locate, stream_seed};
use environments::{EnvironmentConfig, Trajectories, Trajectory, collect};
use std::path::PathBuf;
use std::sync::Arc;

/// Episodes that are read or collected, split and scaled: all that training a model of them needs of its data. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct TrajectoryData {
    /// What a model has to keep of its data: scales, sizes and the environment.
    pub artefact: TrajectoryArtefact,
    /// Counts for reports.
    pub facts: TrajectoryFacts,
    steps: Arc<Steps>,
    parts: Arc<Parts>,
    context_len: usize,
    batch_size: usize,
}

/// The places of the episodes in each part, ascending.
#[derive(Debug)]
struct Parts {
    train: Vec<usize>,
    validation: Vec<usize>,
}

/// Where episodes come from.
struct Source {
    /// As the configuration names it.
    name: String,
    /// For messages: the file, or the environment.
    path: PathBuf,
    /// In which a model can be tried.
    environment: Option<EnvironmentConfig>,
    trajectories: Trajectories,
}

impl TrajectoryData {
    /// Reads or collects the episodes, keeps the best of them where the configuration says so, splits them, and takes the scales of
    /// observations and returns from the training part.
    ///
    /// # Errors
    /// [`DataError`] for impossible settings, a file that cannot be read, an environment that is not that of the file, and fewer
    /// than two episodes.
    pub fn load(config: &TrajectoryConfig) -> Result<Self, DataError> {
        config.checked()?;
        let source = Source::read(config)?;
        let parts = parts(config, &source)?;
        let artefact = artefact(config, &source, &parts)?;
        Ok(Self::build(config, source, parts, artefact))
    }

    /// As [`TrajectoryData::load`] with scales that exist already, as when a run is resumed or evaluated: `normalize_observations`
    /// and `return_scale` play no part.
    ///
    /// # Errors
    /// As [`TrajectoryData::load`], and [`DataError::BadTrajectories`] for episodes of other sizes or of more steps.
    pub fn load_with(config: &TrajectoryConfig, artefact: TrajectoryArtefact) -> Result<Self, DataError> {
        config.checked()?;
        let source = Source::read(config)?;
        let parts = parts(config, &source)?;
        let Trajectories { observation_size, num_actions, .. } = source.trajectories;
        let have = [observation_size, num_actions, longest(&source.trajectories)];
        let trained = [artefact.observation_size(), artefact.num_actions, artefact.max_steps];
        if have[..2] != trained[..2] || have[2] > trained[2] {
            let said = |[size, actions, steps]: [usize; 3]| {
                format!("observations of {size} numbers, {actions} actions and at most {steps} steps")
            };
            let message = format!("has {}; the model was trained on {}", said(have), said(trained));
            return Err(DataError::BadTrajectories { path: source.path, message });
        }
        Ok(Self::build(config, source, parts, artefact))
    }

    fn build(config: &TrajectoryConfig, source: Source, parts: Parts, artefact: TrajectoryArtefact) -> Self {
        Self {
            facts: facts(&source, &parts),
            steps: Arc::new(scaled_steps(&source.trajectories, &artefact)),
            artefact,
            parts: Arc::new(parts),
            context_len: config.context_len,
            batch_size: config.batch_size,
        }
    }

    /// Windows of the training part: one that begins with each step, once an epoch, so that an episode is seen in proportion to its
    /// length. Their order follows from `seed`.
    pub fn train_batches(&self, seed: u64) -> TrajectoryBatches {
        TrajectoryBatches::training(self.steps.clone(), &self.parts.train, self.context_len, self.batch_size, seed)
    }

    /// One pass over the validation part, the same every time: windows that do not overlap and hold each step once.
    pub fn validation_batches(&self) -> TrajectoryBatches {
        TrajectoryBatches::scoring(self.steps.clone(), &self.parts.validation, self.context_len, self.batch_size)
    }
}

impl Source {
    fn read(config: &TrajectoryConfig) -> Result<Self, DataError> {
        match &config.path {
            Some(path) => Self::read_file(path, config.environment.clone()),
            None => Self::collect(config),
        }
    }

    fn collect(config: &TrajectoryConfig) -> Result<Self, DataError> {
        let environment = config.environment.clone().unwrap_or_default();
        let trajectories = collect(&environment, &config.collect)?;
        let path = PathBuf::from(format!("episodes of {}", environment.name()));
        Ok(Self { name: "collected".to_owned(), path, environment: Some(environment), trajectories })
    }

    fn read_file(name: &str, given: Option<EnvironmentConfig>) -> Result<Self, DataError> {
        let path = locate(name)?;
        let trajectories = read_trajectories(&path)?;
        let named = || EnvironmentConfig::named(&trajectories.environment);
        let environment = given.or_else(named);
        if let Some(environment) = &environment {
            let world = environment.build()?;
            let sizes = (world.observation_size(), world.num_actions());
            let found = (trajectories.observation_size, trajectories.num_actions);
            if sizes != found {
                let message = format!(
                    "is not of `{}`: that has observations of {} numbers and {} actions, and the file {} and {}. Set \
                     `environment` to the right one, or give the file's own environment another name in its first line",
                    environment.name(),
                    sizes.0,
                    sizes.1,
                    found.0,
                    found.1
                );
                return Err(DataError::BadTrajectories { path, message });
            }
        }
        Ok(Self { name: name.to_owned(), path, environment, trajectories })
    }

    fn episodes(&self) -> &[Trajectory] {
        &self.trajectories.episodes
    }
}

/// The best `filter_top` of the episodes, dealt to both parts by chance.
fn parts(config: &TrajectoryConfig, source: &Source) -> Result<Parts, DataError> {
    let returns: Vec<f64> = source.episodes().iter().map(Trajectory::total_return).collect();
    let mut kept: Vec<usize> = (0..returns.len()).collect();
    kept.sort_by(|a, b| returns[*b].total_cmp(&returns[*a]));
    kept.truncate((returns.len() as f64 * config.filter_top).round().max(1.0) as usize);
    if kept.len() < 2 {
        let message = format!(
            "{} of {} episodes are left; at least one is needed for training and one for validation. Give more, or raise \
             `filter_top`",
            kept.len(),
            returns.len()
        );
        return Err(DataError::BadTrajectories { path: source.path.clone(), message });
    }
    kept.sort_by_key(|episode| stream_seed(config.split_seed, 0, *episode as u64));
    let room = (kept.len() as f64 * config.validation_fraction).round() as usize;
    let mut train = kept.split_off(room.clamp(1, kept.len() - 1));
    let mut validation = kept;
    train.sort_unstable();
    validation.sort_unstable();
    Ok(Parts { train, validation })
}

fn artefact(config: &TrajectoryConfig, source: &Source, parts: &Parts) -> Result<TrajectoryArtefact, DataError> {
    let train: Vec<&Trajectory> = parts.train.iter().map(|episode| &source.episodes()[*episode]).collect();
    let size = source.trajectories.observation_size;
    let (mean, std) = if config.normalize_observations {
        (0..size).map(|column| scale(&train, column, size)).unzip()
    } else {
        (vec![0.0; size], vec![1.0; size])
    };
    let largest = || {
        let returns = train.iter().flat_map(|episode| episode.returns_to_go());
        let largest = returns.fold(0.0, |largest: f32, value| largest.max(value.abs()));
        if largest > 0.0 { largest } else { 1.0 }
    };
    let allowed = match &source.environment {
        Some(environment) => environment.build()?.max_steps(),
        None => 0,
    };
    Ok(TrajectoryArtefact {
        environment: source.environment.clone(),
        num_actions: source.trajectories.num_actions,
        max_steps: longest(&source.trajectories).max(allowed),
        return_scale: config.return_scale.map_or_else(largest, |scale| scale as f32),
        best_return: train.iter().map(|episode| episode.total_return()).fold(f64::NEG_INFINITY, f64::max) as f32,
        mean,
        std,
    })
}

/// Mean and standard deviation (the population's) of one number of the observations. One that never changes, or is only ever 0 or 1,
/// is left alone but for its mean, or at all.
fn scale(episodes: &[&Trajectory], column: usize, size: usize) -> (f32, f32) {
    let values = || {
        let values = episodes.iter().flat_map(|episode| episode.observations.iter().skip(column).step_by(size));
        values.map(|value| f64::from(*value))
    };
    if values().all(|value| value == 0.0 || value == 1.0) {
        return (0.0, 1.0);
    }
    let count = values().count() as f64;
    let mean = values().sum::<f64>() / count;
    let std = (values().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt() as f32;
    let first = values().next().unwrap_or_default();
    // The mean of equal numbers is not quite one of them, so that their deviation is rounding alone.
    let varies = values().any(|value| value != first) && std > 0.0;
    (mean as f32, if varies { std } else { 1.0 })
}

fn scaled_steps(trajectories: &Trajectories, artefact: &TrajectoryArtefact) -> Steps {
    let episodes = &trajectories.episodes;
    let mut bounds = vec![0];
    for episode in episodes {
        bounds.push(bounds[bounds.len() - 1] + episode.num_steps());
    }
    let scaled = |episode: &Trajectory| {
        episode.returns_to_go().into_iter().map(|value| artefact.scale_return(value)).collect::<Vec<f32>>()
    };
    Steps {
        observations: episodes.iter().flat_map(|episode| artefact.scale_observations(&episode.observations)).collect(),
        returns_to_go: episodes.iter().flat_map(scaled).collect(),
        actions: episodes.iter().flat_map(|episode| &episode.actions).map(|action| *action as i32).collect(),
        bounds,
        observation_size: trajectories.observation_size,
    }
}

fn facts(source: &Source, parts: &Parts) -> TrajectoryFacts {
    let episodes = source.episodes();
    let part = |part: &[usize]| part.iter().map(|episode| &episodes[*episode]).collect::<Vec<_>>();
    let [train, validation] = [part(&parts.train), part(&parts.validation)];
    let steps = |part: &[&Trajectory]| part.iter().map(|episode| episode.num_steps()).sum();
    TrajectoryFacts {
        source: source.name.clone(),
        environment: source.trajectories.environment.clone(),
        observation_size: source.trajectories.observation_size,
        num_actions: source.trajectories.num_actions,
        num_episodes: episodes.len(),
        num_steps: source.trajectories.num_steps(),
        num_terminated: episodes.iter().filter(|episode| episode.terminated).count(),
        longest: longest(&source.trajectories),
        num_left_out: episodes.len() - train.len() - validation.len(),
        part_episodes: [train.len(), validation.len()],
        part_steps: [steps(&train), steps(&validation)],
        returns: Returns::of(episodes.iter().map(Trajectory::total_return).collect()),
        train_returns: Returns::of(train.iter().map(|episode| episode.total_return()).collect()),
    }
}

/// Steps of the longest episode.
fn longest(trajectories: &Trajectories) -> usize {
    trajectories.episodes.iter().map(Trajectory::num_steps).max().unwrap_or(0)
}
