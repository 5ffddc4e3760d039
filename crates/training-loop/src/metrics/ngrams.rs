//! Runs of n neighbours and how often each occurs.

use std::{collections::HashMap, hash::Hash};

/// Every run of `n` items and how often it occurs; none where there are fewer items.
pub(super) fn count<T: Hash + Eq>(items: &[T], n: usize) -> HashMap<&[T], usize> {
    let mut counts = HashMap::new();
    for run in items.windows(n) {
        *counts.entry(run).or_default() += 1;
    }
    counts
}

/// How many runs of the one are found in the other, each as often as it occurs in both.
pub(super) fn matches<T: Hash + Eq>(a: &HashMap<&[T], usize>, b: &HashMap<&[T], usize>) -> usize {
    a.iter().filter_map(|(run, count)| b.get(run).map(|other| count.min(other))).sum()
}

/// Whether Python's `str.split()` splits here: Unicode's white space, and four of ASCII's separators.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}
