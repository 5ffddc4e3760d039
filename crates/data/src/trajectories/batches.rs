//! Batches of windows over episodes.

use crate::dealing::Dealer;
use std::ops::Range;
use std::sync::Arc;

/// One batch of windows: runs of steps of one episode each, padded at the end to the longest. Values are scaled.
///
/// # Shapes
/// `observations` is row-major `[batch_size, seq_len, observation_size]`; `returns_to_go`, `actions` and `timesteps` are
/// `[batch_size, seq_len]`; `lengths` and `episodes` are `[batch_size]`.
#[derive(Debug, Clone, PartialEq)]
pub struct TrajectoryBatch {
    /// What is gained from each step on. Places at and after a row's length hold 0, here and below.
    pub returns_to_go: Vec<f32>,
    /// What was seen before each action.
    pub observations: Vec<f32>,
    /// What was done.
    pub actions: Vec<i32>,
    /// The number of each step in its episode, from 0.
    pub timesteps: Vec<i32>,
    /// Steps of each row that are no padding: from 1 to `seq_len`.
    pub lengths: Vec<i32>,
    /// The place of each row's episode in the source.
    pub episodes: Vec<usize>,
    /// Windows.
    pub batch_size: usize,
    /// Steps a row: the length of the longest.
    pub seq_len: usize,
    /// Numbers in an observation.
    pub observation_size: usize,
}

/// The steps of all episodes, one after the other, scaled.
#[derive(Debug)]
pub(super) struct Steps {
    /// Row-major `[steps, observation_size]`.
    pub observations: Vec<f32>,
    pub returns_to_go: Vec<f32>,
    pub actions: Vec<i32>,
    /// The first step of each episode, and after them the number of all steps.
    pub bounds: Vec<usize>,
    pub observation_size: usize,
}

/// Deals the windows of one part of the episodes. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct TrajectoryBatches {
    steps: Arc<Steps>,
    /// Deals the steps with which windows begin.
    dealer: Dealer,
    context_len: usize,
}

impl TrajectoryBatches {
    /// A window that begins with each step of these episodes, each once an epoch, in an order that follows from `seed`.
    ///
    /// So an episode is seen in proportion to its length, and begins anywhere in it, as the paper draws them.
    pub(super) fn training(
        steps: Arc<Steps>,
        episodes: &[usize],
        context_len: usize,
        batch_size: usize,
        seed: u64,
    ) -> Self {
        let starts = episodes.iter().flat_map(|episode| steps.episode(*episode)).collect();
        Self { steps, dealer: Dealer::shuffled(starts, batch_size, seed), context_len }
    }

    /// Windows that do not overlap and cover these episodes, in the order of the source.
    pub(super) fn scoring(steps: Arc<Steps>, episodes: &[usize], context_len: usize, batch_size: usize) -> Self {
        let starts = episodes.iter().flat_map(|episode| steps.episode(*episode).step_by(context_len)).collect();
        Self { steps, dealer: Dealer::fixed(starts, batch_size), context_len }
    }

    /// Batches in an epoch, the same in each; at least 1.
    pub fn num_batches(&self) -> usize {
        self.dealer.num_batches()
    }

    /// Windows in an epoch, the same in each.
    pub fn num_windows(&self) -> usize {
        self.dealer.num_items()
    }

    /// Batch `index` (below [`num_batches`](Self::num_batches)) of `epoch` (from 0). The last batch of an epoch may have fewer than
    /// `batch_size` windows.
    ///
    /// # Panics
    /// If `index` is not below `num_batches`: that is an error of the calling code.
    pub fn batch(&self, epoch: u64, index: usize) -> TrajectoryBatch {
        self.steps.batch(&self.dealer.batch(epoch, index), self.context_len)
    }
}

impl Steps {
    /// The steps of an episode.
    fn episode(&self, episode: usize) -> Range<usize> {
        self.bounds[episode]..self.bounds[episode + 1]
    }

    /// The windows that begin with the steps `starts`: as long as `context_len`, or to the end of their episode.
    fn batch(&self, starts: &[usize], context_len: usize) -> TrajectoryBatch {
        let episodes: Vec<usize> =
            starts.iter().map(|start| self.bounds.partition_point(|bound| bound <= start) - 1).collect();
        let windows: Vec<Range<usize>> = starts
            .iter()
            .zip(&episodes)
            .map(|(start, episode)| *start..self.bounds[episode + 1].min(start.saturating_add(context_len)))
            .collect();
        let seq_len = windows.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        let timesteps = windows.iter().zip(&episodes).map(|(window, episode)| {
            let first = self.bounds[*episode];
            (window.start - first) as i32..(window.end - first) as i32
        });
        TrajectoryBatch {
            returns_to_go: padded(
                windows.iter().map(|window| self.returns_to_go[window.clone()].iter().copied()),
                seq_len,
            ),
            observations: self.padded_observations(&windows, seq_len),
            actions: padded(windows.iter().map(|window| self.actions[window.clone()].iter().copied()), seq_len),
            timesteps: padded(timesteps, seq_len),
            lengths: windows.iter().map(|window| window.len() as i32).collect(),
            batch_size: windows.len(),
            seq_len,
            observation_size: self.observation_size,
            episodes,
        }
    }

    /// `[windows, seq_len, observation_size]`.
    fn padded_observations(&self, windows: &[Range<usize>], seq_len: usize) -> Vec<f32> {
        let size = self.observation_size;
        let rows =
            windows.iter().map(|window| self.observations[window.start * size..window.end * size].iter().copied());
        padded(rows, seq_len * size)
    }
}

/// All rows, each filled up to `width` at its end.
fn padded<T: Default>(rows: impl Iterator<Item = impl Iterator<Item = T>>, width: usize) -> Vec<T> {
    rows.flat_map(|row| row.chain(std::iter::repeat_with(T::default)).take(width)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Step `s` of all has the action `s`, the return to go `-s` and the observation `(s, s + 0.5)`.
    fn steps(lengths: &[usize]) -> Arc<Steps> {
        let mut bounds = vec![0];
        lengths.iter().for_each(|length| bounds.push(bounds[bounds.len() - 1] + length));
        let all = 0..bounds[lengths.len()];
        Arc::new(Steps {
            observations: all.clone().flat_map(|step| [step as f32, step as f32 + 0.5]).collect(),
            returns_to_go: all.clone().map(|step| -(step as f32)).collect(),
            actions: all.map(|step| step as i32).collect(),
            bounds,
            observation_size: 2,
        })
    }

    fn dealt(batches: &TrajectoryBatches, epoch: u64) -> Vec<TrajectoryBatch> {
        (0..batches.num_batches()).map(|index| batches.batch(epoch, index)).collect()
    }

    /// The first step and the length of each window, after a look at everything in it.
    fn windows(batch: &TrajectoryBatch, steps: &Steps, context_len: usize) -> Vec<(usize, usize)> {
        let width = batch.seq_len;
        assert_eq!(batch.lengths.iter().max().copied(), Some(width as i32));
        assert!(batch.observations.len() == 2 * batch.batch_size * width && width <= context_len);
        let window = |row: usize| {
            let length = batch.lengths[row] as usize;
            let first = batch.actions[row * width] as usize;
            let episode = steps.episode(batch.episodes[row]);
            assert!(episode.contains(&first) && length == context_len.min(episode.end - first));
            for place in 0..width {
                let (at, step) = (row * width + place, first + place);
                let expected = if place < length {
                    (step as i32, (step - episode.start) as i32, -(step as f32), [step as f32, step as f32 + 0.5])
                } else {
                    (0, 0, 0.0, [0.0, 0.0])
                };
                let observation = [batch.observations[2 * at], batch.observations[2 * at + 1]];
                let found = (batch.actions[at], batch.timesteps[at], batch.returns_to_go[at], observation);
                assert_eq!(found, expected);
            }
            (first, length)
        };
        (0..batch.batch_size).map(window).collect()
    }

    proptest! {
        #[test]
        fn a_training_window_begins_with_every_step_once_an_epoch(
            lengths in proptest::collection::vec(1usize..30, 2..20), context_len in 1usize..25, batch_size in 1usize..9,
            seed in any::<u64>(), epoch in any::<u64>(),
        ) {
            let steps = steps(&lengths);
            let episodes: Vec<usize> = (1..lengths.len()).collect();
            let batches = TrajectoryBatches::training(steps.clone(), &episodes, context_len, batch_size, seed);
            let batches_dealt = dealt(&batches, epoch);
            let mut starts: Vec<usize> =
                batches_dealt.iter().flat_map(|batch| windows(batch, &steps, context_len)).map(|(first, _)| first).collect();
            starts.sort_unstable();
            prop_assert_eq!(starts, (lengths[0]..steps.bounds[lengths.len()]).collect::<Vec<_>>());
            // Other epochs between, another order and a clone change nothing.
            dealt(&batches, epoch.wrapping_add(1));
            for index in (0..batches.num_batches()).rev() {
                prop_assert_eq!(&batches.clone().batch(epoch, index), &batches_dealt[index]);
            }
        }

        #[test]
        fn scoring_windows_cover_every_step_once(
            lengths in proptest::collection::vec(1usize..30, 1..20), context_len in 1usize..25, batch_size in 1usize..9,
        ) {
            let steps = steps(&lengths);
            let episodes: Vec<usize> = (0..lengths.len()).collect();
            let batches = TrajectoryBatches::scoring(steps.clone(), &episodes, context_len, batch_size);
            let covered: Vec<usize> = dealt(&batches, 0)
                .iter()
                .flat_map(|batch| windows(batch, &steps, context_len))
                .flat_map(|(first, length)| first..first + length)
                .collect();
            prop_assert_eq!(covered, (0..steps.bounds[lengths.len()]).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_order_follows_from_seed_and_epoch() {
        let batches = |seed| TrajectoryBatches::training(steps(&[40, 20]), &[0, 1], 5, 8, seed);
        assert_eq!(dealt(&batches(1), 0), dealt(&batches(1), 0));
        assert_ne!(dealt(&batches(1), 0), dealt(&batches(2), 0));
        assert_ne!(dealt(&batches(1), 0), dealt(&batches(1), 1));
    }
}
