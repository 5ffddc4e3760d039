//! Which items come in which batch: the order that all batches of this crate follow.

use crate::split::Parts;
use crate::{SplitMix64, stream_seed};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Items of similar length are gathered among this many batches, drawn at random.
const BUCKET: usize = 50;

/// Epochs whose order is kept: workers that prepare batches ahead reach into the next epoch.
const KEPT_EPOCHS: usize = 2;

/// Deals the items of one part of a data set, each once an epoch. A batch is a pure function of (seed, epoch, index).
/// Cloning is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Dealer {
    part: Arc<[usize]>,
    batch_size: usize,
    order: Order,
    /// Where items of similar length share a batch, their lengths.
    lengths: Option<Lengths>,
    /// Where batches have as many items as fit: these, by place in the items in the order of their lengths.
    filled: Option<Arc<[Range<usize>]>>,
    plans: Arc<Mutex<Plans>>,
}

/// The length of every item of the data set, by epoch.
#[derive(Clone)]
struct Lengths(Arc<dyn Fn(u64) -> Arc<[usize]> + Send + Sync>);

/// The plans of the last few epochs asked for, by epoch, the latest first.
type Plans = VecDeque<(u64, Arc<Plan>)>;

/// In which order the items of a part come.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// The same in every epoch.
    Fixed,
    /// Another in each epoch.
    Shuffled { seed: u64 },
}

/// One epoch: items in order, and where each batch begins and ends among them.
#[derive(Debug)]
struct Plan {
    items: Arc<[usize]>,
    batches: Vec<Range<usize>>,
}

/// The parts of a data set whose batches gather the same way. Cloning is cheap.
#[derive(Debug, Clone)]
pub(crate) struct PartDealers {
    train: Arc<[usize]>,
    validation: Arc<[usize]>,
    test: Arc<[usize]>,
    batch_size: usize,
    gathering: Gathering,
}

/// Which items share a batch.
#[derive(Debug, Clone)]
pub(crate) enum Gathering {
    /// Those that follow each other.
    InOrder,
    /// Those of similar length: see [`Dealer::by_length`].
    ByLength(Arc<[usize]>),
    /// As many of similar length as fit: see [`Dealer::filled`].
    Filled { lengths: Arc<[usize]>, size: fn(usize) -> usize, most: usize },
}

impl PartDealers {
    pub fn new(parts: Parts, batch_size: usize, gathering: Gathering) -> Self {
        let Parts { train, validation, test } = parts;
        Self { train: train.into(), validation: validation.into(), test: test.into(), batch_size, gathering }
    }

    /// Training items, in an order that follows from `seed` and the epoch.
    pub fn train(&self, seed: u64) -> Dealer {
        self.gathered(Dealer::shuffled(self.train.clone(), self.batch_size, seed))
    }

    /// Validation items, in the same order every time.
    pub fn validation(&self) -> Dealer {
        self.fixed(&self.validation)
    }

    /// Test items in the same way; none where no item is kept for a test.
    pub fn test(&self) -> Option<Dealer> {
        (!self.test.is_empty()).then(|| self.fixed(&self.test))
    }

    fn fixed(&self, part: &Arc<[usize]>) -> Dealer {
        self.gathered(Dealer::fixed(part.clone(), self.batch_size))
    }

    fn gathered(&self, dealer: Dealer) -> Dealer {
        match &self.gathering {
            Gathering::InOrder => dealer,
            Gathering::ByLength(lengths) => dealer.by_length(lengths.clone()),
            Gathering::Filled { lengths, size, most } => dealer.filled(lengths.clone(), *size, *most),
        }
    }
}

impl Gathering {
    /// By these lengths, where that is asked for.
    pub fn by_length(asked: bool, lengths: impl Iterator<Item = usize>) -> Self {
        if asked { Self::ByLength(lengths.collect()) } else { Self::InOrder }
    }
}

impl Dealer {
    /// Deals `part` (places of items in the data set) in random order, which follows from `stream_seed(seed, epoch, 0)`.
    pub fn shuffled(part: Arc<[usize]>, batch_size: usize, seed: u64) -> Self {
        Self::new(part, batch_size, Order::Shuffled { seed })
    }

    /// Deals `part` in its own order in every epoch.
    pub fn fixed(part: Arc<[usize]>, batch_size: usize) -> Self {
        Self::new(part, batch_size, Order::Fixed)
    }

    fn new(part: Arc<[usize]>, batch_size: usize, order: Order) -> Self {
        Self { part, batch_size, order, lengths: None, filled: None, plans: Arc::default() }
    }

    /// Gathers items of similar length, so that little of a batch is padding: a shuffled dealer deals such batches in
    /// random order, a fixed one from the shortest item to the longest. `lengths` is by place in the data set.
    pub fn by_length(self, lengths: Arc<[usize]>) -> Self {
        self.by_length_in_epoch(move |_| lengths.clone())
    }

    /// As [`by_length`](Self::by_length) for items that are made anew in each epoch: `lengths` gives those of one. A
    /// fixed dealer asks for epoch 0.
    pub fn by_length_in_epoch(self, lengths: impl Fn(u64) -> Arc<[usize]> + Send + Sync + 'static) -> Self {
        Self { lengths: Some(Lengths(Arc::new(lengths))), plans: Arc::default(), ..self }
    }

    /// As [`by_length`](Self::by_length) with as many items in a batch as fit, whatever `batch_size`: their number times the
    /// largest of their sizes is at most `most`, but one item always fits. `size` gives an item's from its length, so that the batches
    /// of every epoch are of the same lengths, and as many; which items of a length share one changes.
    pub fn filled(self, lengths: Arc<[usize]>, size: fn(usize) -> usize, most: usize) -> Self {
        let mut sorted: Vec<usize> = self.part.iter().map(|item| lengths[*item]).collect();
        sorted.sort_unstable();
        let mut batches: Vec<Range<usize>> = Vec::new();
        let mut largest = 0;
        for (place, length) in sorted.into_iter().enumerate() {
            largest = size(length).max(largest);
            match batches.last_mut() {
                Some(batch) if (batch.len() + 1).saturating_mul(largest) <= most => batch.end = place + 1,
                _ => {
                    batches.push(place..place + 1);
                    largest = size(length);
                }
            }
        }
        Self { filled: Some(batches.into()), ..self.by_length(lengths) }
    }

    /// Batches in an epoch, the same in each.
    pub fn num_batches(&self) -> usize {
        match &self.filled {
            Some(batches) => batches.len(),
            None => self.part.len().div_ceil(self.batch_size),
        }
    }

    /// Items in an epoch, the same in each.
    pub fn num_items(&self) -> usize {
        self.part.len()
    }

    /// The items of batch `index` (below [`num_batches`](Self::num_batches)) of `epoch` (from 0): `batch_size` of them,
    /// but fewer in one batch of an epoch where they do not divide evenly.
    ///
    /// # Panics
    /// If `index` is not below `num_batches`: that is an error of the calling code.
    pub fn batch(&self, epoch: u64, index: usize) -> Vec<usize> {
        assert!(index < self.num_batches(), "batch {index} of {}", self.num_batches());
        let plan = self.plan(epoch);
        plan.items[plan.batches[index].clone()].to_vec()
    }

    fn plan(&self, epoch: u64) -> Arc<Plan> {
        let epoch = match self.order {
            Order::Fixed => 0,
            Order::Shuffled { .. } => epoch,
        };
        // A panic elsewhere leaves whole plans behind, so a poisoned lock is as good as any.
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, plan)) = plans.iter().find(|(planned, _)| *planned == epoch) {
            return plan.clone();
        }
        let plan = Arc::new(match self.order {
            Order::Fixed => self.fixed_plan(),
            Order::Shuffled { seed } => self.shuffled_plan(seed, epoch),
        });
        plans.truncate(KEPT_EPOCHS - 1);
        plans.push_front((epoch, plan.clone()));
        plan
    }

    fn fixed_plan(&self) -> Plan {
        let items = match &self.lengths {
            Some(Lengths(lengths)) => {
                let lengths = lengths(0);
                let mut items = self.part.to_vec();
                items.sort_by_key(|item| lengths[*item]);
                items.into()
            }
            None => self.part.clone(),
        };
        Plan { items, batches: self.ranges() }
    }

    fn shuffled_plan(&self, seed: u64, epoch: u64) -> Plan {
        let mut rng = SplitMix64::new(stream_seed(seed, epoch, 0));
        let mut items = self.part.to_vec();
        shuffle(&mut items, &mut rng);
        let mut batches = self.ranges();
        if let Some(Lengths(lengths)) = &self.lengths {
            let lengths = lengths(epoch);
            // Filled batches are what they are among all items in order.
            let bucket = if self.filled.is_some() { items.len() } else { BUCKET.saturating_mul(self.batch_size) };
            for bucket in items.chunks_mut(bucket.max(1)) {
                bucket.sort_by_key(|item| lengths[*item]);
            }
            shuffle(&mut batches, &mut rng);
        }
        Plan { items: items.into(), batches }
    }

    fn ranges(&self) -> Vec<Range<usize>> {
        if let Some(batches) = &self.filled {
            return batches.to_vec();
        }
        let end = |start: usize| start.saturating_add(self.batch_size).min(self.part.len());
        (0..self.part.len()).step_by(self.batch_size).map(|start| start..end(start)).collect()
    }
}

impl std::fmt::Debug for Lengths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lengths")
    }
}

/// Fisher and Yates' shuffle.
fn shuffle<T>(items: &mut [T], rng: &mut SplitMix64) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.below(last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(lengths: &[usize]) -> Arc<[usize]> {
        (0..lengths.len()).collect()
    }

    fn epoch_of(dealer: &Dealer, epoch: u64) -> Vec<Vec<usize>> {
        (0..dealer.num_batches()).map(|index| dealer.batch(epoch, index)).collect()
    }

    #[test]
    fn length_buckets_leave_little_padding() {
        let mut rng = SplitMix64::new(0);
        let lengths: Vec<usize> = (0..4000).map(|_| 1 + rng.below(100)).collect();
        let padded = |dealer: Dealer| -> usize {
            let longest = |batch: &Vec<usize>| batch.iter().map(|item| lengths[*item]).max().unwrap();
            epoch_of(&dealer, 0).iter().map(|batch| batch.len() * longest(batch)).sum()
        };
        let dealer = Dealer::shuffled(whole(&lengths), 32, 1);
        let used: usize = lengths.iter().sum();
        let by_length = padded(dealer.clone().by_length(lengths.clone().into()));
        assert!(by_length < used * 106 / 100, "{by_length} for {used}");
        assert!(padded(dealer.clone()) > used * 180 / 100, "{} for {used}", padded(dealer));
    }

    #[test]
    fn batches_come_in_no_order_of_length_and_change_with_epoch_and_seed() {
        let lengths: Arc<[usize]> = (1..=400).collect();
        let deal =
            |seed, epoch| epoch_of(&Dealer::shuffled(whole(&lengths), 10, seed).by_length(lengths.clone()), epoch);
        let first = deal(1, 0);
        assert!(!first.is_sorted_by_key(|batch| batch.iter().max().copied()));
        assert_eq!(first, deal(1, 0));
        assert_ne!(first, deal(1, 1));
        assert_ne!(first, deal(2, 0));
    }

    #[test]
    fn a_fixed_dealer_goes_by_part_or_by_length() {
        let dealer = Dealer::fixed([4, 1, 3].into(), 2);
        assert_eq!(epoch_of(&dealer, 5), [vec![4, 1], vec![3]]);
        let by_length = dealer.by_length([0, 9, 0, 2, 5].into());
        assert_eq!(epoch_of(&by_length, 5), [vec![3, 4], vec![1]]);
    }

    proptest! {
        #[test]
        fn filled_batches_are_full_and_as_many_in_each_epoch(
            lengths in proptest::collection::vec(1usize..30, 1..300), most in 1usize..200, seed in any::<u64>(),
        ) {
            let shuffled = Dealer::shuffled(whole(&lengths), 7, seed).filled(lengths.clone().into(), |length| length + 1, most);
            let cost = |batch: &[usize]| batch.len() * batch.iter().map(|item| lengths[*item] + 1).max().unwrap_or(0);
            for epoch in 0..3 {
                let dealt = epoch_of(&shuffled, epoch);
                prop_assert!(dealt.iter().all(|batch| cost(batch) <= most || batch.len() == 1));
                let mut seen = dealt.concat();
                seen.sort_unstable();
                prop_assert_eq!(&*seen, &*whole(&lengths));
            }
            // One after another no two batches fit into one.
            let fixed = Dealer::fixed(whole(&lengths), 7).filled(lengths.clone().into(), |length| length + 1, most);
            let dealt = epoch_of(&fixed, 0);
            prop_assert_eq!(dealt.len(), shuffled.num_batches());
            for pair in dealt.windows(2) {
                prop_assert!(cost(&[pair[0].clone(), vec![pair[1][0]]].concat()) > most);
            }
        }

        #[test]
        fn every_item_comes_once_an_epoch(
            lengths in proptest::collection::vec(1usize..30, 1..300), batch_size in 1usize..9, by_length in any::<bool>(),
            seed in any::<u64>(), epoch in any::<u64>(),
        ) {
            let shuffled = Dealer::shuffled(whole(&lengths), batch_size, seed);
            let fixed = Dealer::fixed(whole(&lengths), batch_size);
            for dealer in [shuffled, fixed] {
                let dealer = if by_length { dealer.by_length(lengths.clone().into()) } else { dealer };
                let dealt = epoch_of(&dealer, epoch);
                let mut seen = dealt.concat();
                seen.sort_unstable();
                prop_assert_eq!(&*seen, &*whole(&lengths));
                // Other epochs between, another order and a clone change nothing.
                for other in 0..3 {
                    dealer.batch(other, 0);
                }
                for index in (0..dealer.num_batches()).rev() {
                    prop_assert_eq!(&dealer.clone().batch(epoch, index), &dealt[index]);
                }
            }
        }
    }
}
