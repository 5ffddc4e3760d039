//! Batches prepared ahead of the step, in an order that does not depend on the number of threads.

use std::{
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

use crate::{error::TaskError, task::Batches};

/// How many batches each worker keeps ready.
const READY_PER_WORKER: usize = 4;

/// The endless sequence of training batches from some position on.
///
/// Worker `w` of `n` makes the batches whose position is `w` modulo `n`, and they are taken in turn, so the sequence is the
/// same for every `n`.
pub struct BatchStream<T> {
    batches: Batches<T>,
    position: u64,
    workers: Vec<Receiver<Result<T, TaskError>>>,
}

impl<T: Send + 'static> BatchStream<T> {
    /// The batches from `position` (counted over all epochs) on, prepared by `workers` threads, or on demand when 0.
    pub fn new(batches: Batches<T>, position: u64, workers: usize) -> Self {
        let receivers = (0..workers as u64)
            .map(|worker| {
                let (sender, receiver) = sync_channel(READY_PER_WORKER);
                let batches = batches.clone();
                let stride = workers as u64;
                // The first position from `position` on that is `worker` modulo `stride`.
                let first = position + (worker + stride - position % stride) % stride;
                // The thread ends when the receiver is gone.
                thread::spawn(move || {
                    for position in (first..).step_by(workers) {
                        if sender.send(get(&batches, position)).is_err() {
                            return;
                        }
                    }
                });
                receiver
            })
            .collect();
        Self { batches, position, workers: receivers }
    }

    /// Batches taken since the beginning of the run.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether the next batch is the first of an epoch.
    pub fn at_epoch_start(&self) -> bool {
        self.position.is_multiple_of(self.batches.per_epoch())
    }

    /// The next batch.
    pub fn next_batch(&mut self) -> Result<T, TaskError> {
        let position = self.position;
        self.position += 1;
        match self.workers.len() as u64 {
            0 => get(&self.batches, position),
            workers => self.workers[(position % workers) as usize]
                .recv()
                .unwrap_or_else(|_| Err("a thread that prepares batches stopped unexpectedly".into())),
        }
    }
}

fn get<T: Send + 'static>(batches: &Batches<T>, position: u64) -> Result<T, TaskError> {
    batches.get(position / batches.per_epoch(), position % batches.per_epoch())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_the_same_for_any_number_of_workers_and_after_a_restart() {
        let batches = Batches::new(5, |epoch, index| Ok((epoch, index)));
        let take = |workers, position, count| {
            let mut stream = BatchStream::new(batches.clone(), position, workers);
            (0..count).map(|_| stream.next_batch().unwrap()).collect::<Vec<_>>()
        };
        let expected = take(0, 0, 13);
        assert_eq!(expected[6], (1, 1));
        for workers in [1, 2, 3, 7] {
            assert_eq!(take(workers, 0, 13), expected);
            assert_eq!(take(workers, 4, 9), expected[4..]);
        }
    }
}
