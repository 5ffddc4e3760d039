use crate::SplitMix64;
use crate::text::tokenizer::{Tokenizer, WordBounds};
use crate::text::windows::IGNORE_TARGET;
use std::ops::Range;

/// Of the chosen tokens, the share behind the mask, and the share that is replaced by any token; the rest are kept.
const HIDDEN: f64 = 0.8;
const REPLACED: f64 = 0.1;

/// Chooses the tokens of a window that are to be guessed, and hides them.
#[derive(Debug)]
pub(super) struct Masking {
    mask: u32,
    rate: f64,
    /// Of each token, whether it is special and so never chosen.
    is_special: Vec<bool>,
    /// What a token may be replaced by: all that are not special.
    ordinary: Vec<u32>,
    /// Where whole words are chosen, what belongs to one.
    bounds: Option<WordBounds>,
}

impl Masking {
    /// Hides behind `mask`, a token of `tokenizer`.
    pub fn new(tokenizer: &Tokenizer, mask: u32, rate: f64, whole_words: bool) -> Self {
        let is_special: Vec<bool> =
            (0..tokenizer.vocab_size() as u32).map(|token| tokenizer.is_special(token)).collect();
        let ordinary = (0u32..).zip(&is_special).filter(|(_, special)| !**special).map(|(token, _)| token).collect();
        let bounds = whole_words.then(|| WordBounds::of(tokenizer));
        Self { mask, rate, is_special, ordinary, bounds }
    }

    /// Hides tokens of `window` in place, and returns what is to be guessed at each place, which is [`IGNORE_TARGET`] elsewhere.
    ///
    /// The chosen are `rate` of the tokens that are not special, rounded, and at least one; fewer where only longer words are left.
    pub fn hide(&self, window: &mut [u32], rng: &mut SplitMix64) -> Vec<i32> {
        let mut units = self.units(window);
        let count: usize = units.iter().map(Range::len).sum();
        let mut wanted = ((count as f64 * self.rate).round() as usize).max(1);
        let mut targets = vec![IGNORE_TARGET; window.len()];
        let mut chosen_any = false;
        // Fisher and Yates' shuffle, as far as it is needed.
        for next in 0..units.len() {
            if wanted == 0 {
                break;
            }
            let drawn = next + rng.below(units.len() - next);
            units.swap(next, drawn);
            let unit = units[next].clone();
            if unit.len() > wanted && (chosen_any || next + 1 < units.len()) {
                continue;
            }
            wanted = wanted.saturating_sub(unit.len());
            chosen_any = true;
            for place in unit {
                targets[place] = window[place] as i32;
                window[place] = self.instead_of(window[place], rng);
            }
        }
        targets
    }

    /// The places that are chosen together: single tokens, or words.
    fn units(&self, window: &[u32]) -> Vec<Range<usize>> {
        let mut units: Vec<Range<usize>> = Vec::new();
        for (place, token) in window.iter().enumerate() {
            if self.is_special.get(*token as usize).is_none_or(|special| *special) {
                continue;
            }
            let joins = |bounds: &WordBounds| place > 0 && bounds.joins(window[place - 1], *token);
            match units.last_mut() {
                Some(unit) if unit.end == place && self.bounds.as_ref().is_some_and(joins) => unit.end += 1,
                _ => units.push(place..place + 1),
            }
        }
        units
    }

    fn instead_of(&self, token: u32, rng: &mut SplitMix64) -> u32 {
        let drawn = rng.unit();
        if drawn < HIDDEN {
            self.mask
        } else if drawn < HIDDEN + REPLACED {
            self.ordinary[rng.below(self.ordinary.len())]
        } else {
            token
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::tokenizer::{SpecialRole, TokenizerConfig, WordPieceConfig};
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
        let config = WordPieceConfig { vocab_size: 300, ..WordPieceConfig::default() };
        Tokenizer::train(&TokenizerConfig::WordPiece(config), &crate::text::stories::text()[..20_000]).unwrap()
    });

    fn masking(rate: f64, whole_words: bool) -> Masking {
        Masking::new(&TOKENIZER, TOKENIZER.special().mask.unwrap(), rate, whole_words)
    }

    fn is_chosen(targets: &[i32], place: usize) -> bool {
        targets[place] != IGNORE_TARGET
    }

    #[test]
    fn the_chosen_are_hidden_replaced_and_kept_by_their_shares() {
        let masking = masking(0.15, false);
        let before: Vec<u32> = (0..20_000).map(|place| 5 + place % 200).collect();
        let mut window = before.clone();
        let targets = masking.hide(&mut window, &mut SplitMix64::new(1));
        let chosen: Vec<usize> = (0..before.len()).filter(|place| is_chosen(&targets, *place)).collect();
        assert_eq!(chosen.len(), 3000);
        let share =
            |wanted: &dyn Fn(usize) -> bool| chosen.iter().filter(|place| wanted(**place)).count() as f64 / 3000.0;
        assert!((share(&|place| window[place] == masking.mask) - 0.8).abs() < 0.03);
        assert!((share(&|place| window[place] == before[place]) - 0.1).abs() < 0.02);
    }

    #[test]
    fn a_tokenizer_without_a_mask_is_given_one() {
        let tokenizer = Tokenizer::train(&TokenizerConfig::default(), "abc").unwrap();
        let tokenizer = tokenizer.with_special(SpecialRole::Mask).unwrap();
        let mask = tokenizer.special().mask.unwrap();
        let mut window = vec![0; 50];
        Masking::new(&tokenizer, mask, 0.5, false).hide(&mut window, &mut SplitMix64::new(0));
        assert!(window.contains(&mask));
    }

    proptest! {
        #[test]
        fn special_tokens_are_never_chosen_nor_drawn(
            before in proptest::collection::vec(0u32..300, 0..80), rate in 0.01f64..0.99, seed in any::<u64>(),
            whole_words in any::<bool>(),
        ) {
            let masking = masking(rate, whole_words);
            let mut window = before.clone();
            let targets = masking.hide(&mut window, &mut SplitMix64::new(seed));
            prop_assert_eq!(targets.len(), before.len());
            for (place, token) in before.iter().enumerate() {
                if is_chosen(&targets, place) {
                    prop_assert_eq!(targets[place], *token as i32);
                    prop_assert!(*token >= 5 && (window[place] == masking.mask || window[place] >= 5));
                } else {
                    prop_assert_eq!(window[place], *token);
                }
            }
            let ordinary = before.iter().filter(|token| **token >= 5).count();
            let chosen = (0..before.len()).filter(|place| is_chosen(&targets, *place)).count();
            let wanted = ((ordinary as f64 * rate).round() as usize).max(1).min(ordinary);
            if whole_words {
                prop_assert!(chosen > 0 || ordinary == 0);
                for unit in masking.units(&before) {
                    prop_assert!(unit.clone().all(|place| is_chosen(&targets, place) == is_chosen(&targets, unit.start)));
                }
            } else {
                prop_assert_eq!(chosen, wanted);
            }
        }
    }
}
