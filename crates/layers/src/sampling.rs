//! From a row of logits to a token: temperature, top-k, nucleus sampling and the repetition penalty.
//!
//! Host code without tensors, here because every model that generates text shares it. It works on one vector of logits
//! a token, which the caller reads back from the device: unavoidable, since the next step's input depends on the draw.
//!
//! The steps come in this order, which is that of Hugging Face's `generate`: repetition penalty, suppressed tokens,
//! temperature, top-k, top-p. Random numbers are our own, so a seed gives the same text on every machine and with every release of every
//! dependency.

use std::{cmp::Ordering, fmt};

/// How a token is drawn. The default draws from the model's own distribution.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingOptions {
    /// Divides the logits: below 1 safer, above 1 wilder; 0 always takes the likeliest. Default: 1.
    pub temperature: f64,
    /// Draw among the k likeliest tokens only. Default: all.
    pub top_k: Option<usize>,
    /// Draw among the smallest set of likeliest tokens whose probabilities add up to at least this
    /// ([nucleus sampling](https://arxiv.org/abs/1904.09751)). Default: all.
    pub top_p: Option<f64>,
    /// Draw among the tokens that are at least this part as likely as the likeliest
    /// ([min-p sampling](https://arxiv.org/abs/2407.01082)). Default: all.
    pub min_p: Option<f64>,
    /// Lowers the logits of tokens that occurred already: a positive logit is divided by it, a negative one multiplied
    /// ([CTRL](https://arxiv.org/abs/1909.05858), section 4.1). Default: 1, which leaves them.
    pub repetition_penalty: f64,
    /// Tokens that are never drawn, such as padding and the one for unknown words. Default: none.
    pub suppressed: Vec<u32>,
}

impl Default for SamplingOptions {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: None,
            top_p: None,
            min_p: None,
            repetition_penalty: 1.0,
            suppressed: Vec::new(),
        }
    }
}

impl SamplingOptions {
    /// Always the likeliest token.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Checks the values.
    ///
    /// # Errors
    /// [`SamplingError::Option`] with the name of the first value that can never work, and what is allowed.
    pub fn validate(&self) -> Result<(), SamplingError> {
        let wrong = |option, allowed| Err(SamplingError::Option { option, allowed });
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return wrong("temperature", "0 or above");
        }
        if self.top_k == Some(0) {
            return wrong("top_k", "at least 1");
        }
        if !self.top_p.is_none_or(|p| p > 0.0 && p <= 1.0) {
            return wrong("top_p", "above 0 and at most 1");
        }
        if !self.min_p.is_none_or(|p| (0.0..=1.0).contains(&p)) {
            return wrong("min_p", "between 0 and 1");
        }
        if !(self.repetition_penalty > 0.0 && self.repetition_penalty.is_finite()) {
            return wrong("repetition_penalty", "above 0; 1 leaves the logits as they are");
        }
        Ok(())
    }
}

/// Why no token can be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SamplingError {
    /// An option that can never work.
    Option {
        /// Its name.
        option: &'static str,
        /// What it may be.
        allowed: &'static str,
    },
    /// The logits hold NaN or infinity, or are all `-inf`: the model has diverged.
    NotFinite,
}

impl fmt::Display for SamplingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option { option, allowed } => write!(f, "`{option}` must be {allowed}"),
            Self::NotFinite => write!(
                f,
                "the model's output is not a number: its training has diverged, so take an earlier checkpoint"
            ),
        }
    }
}

impl std::error::Error for SamplingError {}

/// A token that may be drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Its number in the vocabulary.
    pub token: u32,
    /// Its probability among the candidates, which add up to 1.
    pub probability: f64,
}

/// Applies the repetition penalty to each of `tokens`, which should hold no token twice; those outside `logits` are
/// passed over.
pub fn penalise(logits: &mut [f32], tokens: impl IntoIterator<Item = u32>, penalty: f64) {
    for token in tokens {
        if let Some(logit) = logits.get_mut(token as usize) {
            let penalty = if *logit > 0.0 { 1.0 / penalty } else { penalty };
            *logit = (f64::from(*logit) * penalty) as f32;
        }
    }
}

/// The tokens that suppression, temperature, top-k, min-p and top-p leave, likeliest first (of equals, the lower number first).
///
/// At temperature 0 there is exactly one.
///
/// # Errors
/// [`SamplingError::NotFinite`] for logits that are NaN or `+inf`, or of which none is left.
pub fn candidates(logits: &[f32], options: &SamplingOptions) -> Result<Vec<Candidate>, SamplingError> {
    if logits.iter().any(|l| l.is_nan() || *l == f32::INFINITY) {
        return Err(SamplingError::NotFinite);
    }
    let mut left: Vec<(u32, f64)> = (0u32..)
        .zip(logits)
        .filter(|(token, logit)| logit.is_finite() && !options.suppressed.contains(token))
        .map(|(token, logit)| (token, f64::from(*logit)))
        .collect();
    let keep = if options.temperature == 0.0 { 1 } else { options.top_k.unwrap_or(left.len()).min(left.len()) };
    if left.is_empty() || keep == 0 {
        return Err(SamplingError::NotFinite);
    }
    // Selecting first makes the sort short where the vocabulary is long.
    if keep < left.len() {
        left.select_nth_unstable_by(keep - 1, likeliest_first);
        left.truncate(keep);
    }
    left.sort_unstable_by(likeliest_first);

    let largest = left[0].1;
    let temperature = if options.temperature == 0.0 { 1.0 } else { options.temperature };
    let mut candidates: Vec<Candidate> = left
        .into_iter()
        .map(|(token, logit)| Candidate { token, probability: ((logit - largest) / temperature).exp() })
        .collect();
    normalise(&mut candidates);
    if let Some(p) = options.min_p {
        let least = p * candidates[0].probability;
        candidates.retain(|candidate| candidate.probability >= least);
        normalise(&mut candidates);
    }
    if let Some(p) = options.top_p {
        let mut sum = 0.0;
        let enough = candidates.iter().position(|candidate| {
            sum += candidate.probability;
            sum >= p
        });
        if let Some(last) = enough {
            candidates.truncate(last + 1);
            normalise(&mut candidates);
        }
    }
    Ok(candidates)
}

fn likeliest_first(a: &(u32, f64), b: &(u32, f64)) -> Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

fn normalise(candidates: &mut [Candidate]) {
    // Never 0: the likeliest weighs 1 before, and something after.
    let sum: f64 = candidates.iter().map(|c| c.probability).sum();
    for candidate in candidates {
        candidate.probability /= sum;
    }
}

/// The candidate at which the running sum of probabilities passes `uniform`, a number in `[0, 1)`; `None` where there
/// are no candidates.
pub fn pick(candidates: &[Candidate], uniform: f64) -> Option<u32> {
    let mut sum = 0.0;
    candidates
        .iter()
        .find(|candidate| {
            sum += candidate.probability;
            uniform < sum
        })
        // Rounding may leave the sum a little below 1.
        .or(candidates.last())
        .map(|candidate| candidate.token)
}

/// Draws token after token: keeps the random state, and which tokens have occurred.
///
/// ```
/// use layers::sampling::{Sampler, SamplingOptions};
///
/// let mut sampler = Sampler::new(SamplingOptions::greedy(), 42)?;
/// assert_eq!(sampler.next(&[0.1, 2.0, -1.0])?, 1);
/// # Ok::<(), layers::sampling::SamplingError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sampler {
    options: SamplingOptions,
    /// Whether each token occurred; as long as the highest that did.
    occurred: Vec<bool>,
    state: u64,
}

impl Sampler {
    /// A sampler whose draws follow from `seed`.
    ///
    /// # Errors
    /// As [`SamplingOptions::validate`].
    pub fn new(options: SamplingOptions, seed: u64) -> Result<Self, SamplingError> {
        options.validate()?;
        Ok(Self { options, occurred: Vec::new(), state: seed })
    }

    /// Counts `tokens` (the prompt) among those that occurred, for the repetition penalty.
    pub fn observe(&mut self, tokens: &[u32]) {
        for token in tokens {
            let token = *token as usize;
            if token >= self.occurred.len() {
                self.occurred.resize(token + 1, false);
            }
            self.occurred[token] = true;
        }
    }

    /// Draws the token that follows, from one logit a token of the vocabulary, and counts it among those that occurred.
    ///
    /// # Errors
    /// [`SamplingError::NotFinite`].
    pub fn next(&mut self, logits: &[f32]) -> Result<u32, SamplingError> {
        let left = if self.options.repetition_penalty == 1.0 {
            candidates(logits, &self.options)?
        } else {
            let mut logits = logits.to_vec();
            let occurred = (0u32..).zip(&self.occurred).filter(|(_, yes)| **yes);
            let penalty = self.options.repetition_penalty;
            penalise(&mut logits, occurred.map(|(token, _)| token), penalty);
            candidates(&logits, &self.options)?
        };
        let token = pick(&left, self.uniform()).ok_or(SamplingError::NotFinite)?;
        self.observe(&[token]);
        Ok(token)
    }

    /// A number in `[0, 1)` with 53 random bits, by SplitMix64 (Steele, Lea and Flood, 2014).
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Probabilities 0.5, 0.25, 0.125 and 0.125, out of order.
    const LOGITS: [f32; 4] = [
        -std::f32::consts::LN_2 * 2.0,
        -std::f32::consts::LN_2 * 3.0,
        -std::f32::consts::LN_2,
        -std::f32::consts::LN_2 * 3.0,
    ];

    fn options(change: impl FnOnce(&mut SamplingOptions)) -> SamplingOptions {
        let mut options = SamplingOptions::default();
        change(&mut options);
        options
    }

    fn tokens(logits: &[f32], options: &SamplingOptions) -> Vec<u32> {
        let found = candidates(logits, options).unwrap();
        let sum: f64 = found.iter().map(|c| c.probability).sum();
        assert!((sum - 1.0).abs() < 1e-12);
        found.into_iter().map(|c| c.token).collect()
    }

    #[test]
    fn probabilities_are_the_softmax_in_order() {
        let found = candidates(&LOGITS, &SamplingOptions::default()).unwrap();
        let expected = [(2, 0.5), (0, 0.25), (1, 0.125), (3, 0.125)];
        for (candidate, (token, probability)) in found.iter().zip(expected) {
            assert_eq!(candidate.token, token);
            assert!((candidate.probability - probability).abs() < 1e-7);
        }
    }

    #[test]
    fn temperature_divides_the_logits() {
        // exp(-ln 2 / 0.5) = 1/4 of what was 1/2: weights 1, 1/4, 1/16, 1/16 over their sum 11/8.
        let found = candidates(&LOGITS, &options(|o| o.temperature = 0.5)).unwrap();
        assert!((found[0].probability - 8.0 / 11.0).abs() < 1e-7);
        assert!((found[1].probability - 2.0 / 11.0).abs() < 1e-7);
        // So low that the exponents overflow without the largest logit taken off first.
        let sharp = candidates(&[1e4, 0.0], &options(|o| o.temperature = 1e-300)).unwrap();
        assert_eq!(sharp[0].probability, 1.0);
    }

    #[test]
    fn suppressed_tokens_are_never_drawn() {
        assert_eq!(tokens(&LOGITS, &options(|o| o.suppressed = vec![2, 3, 9])), [0, 1]);
        let all = candidates(&LOGITS, &options(|o| o.suppressed = vec![0, 1, 2, 3]));
        assert_eq!(all, Err(SamplingError::NotFinite));
    }

    #[test]
    fn top_1_equals_greedy() {
        let mut greedy = Sampler::new(SamplingOptions::greedy(), 1).unwrap();
        let mut top_1 = Sampler::new(options(|o| o.top_k = Some(1)), 2).unwrap();
        let mut noise = Sampler::new(SamplingOptions::default(), 3).unwrap();
        for _ in 0..100 {
            let logits: Vec<f32> = (0..50).map(|_| noise.uniform() as f32).collect();
            let likeliest = (0..50).max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
            let token = greedy.next(&logits).unwrap();
            assert_eq!(Some(token as usize), likeliest);
            assert_eq!(token, top_1.next(&logits).unwrap());
        }
    }

    #[test]
    fn top_k_keeps_the_k_likeliest() {
        assert_eq!(tokens(&LOGITS, &options(|o| o.top_k = Some(2))), [2, 0]);
        assert_eq!(tokens(&LOGITS, &options(|o| o.top_k = Some(3))), [2, 0, 1]);
        assert_eq!(tokens(&LOGITS, &options(|o| o.top_k = Some(99))).len(), 4);
    }

    #[test]
    fn top_p_keeps_the_smallest_set() {
        for (p, expected) in [(0.01, 1), (0.49, 1), (0.51, 2), (0.74, 2), (0.76, 3), (0.9, 4), (1.0, 4)] {
            let kept = tokens(&LOGITS, &options(|o| o.top_p = Some(p)));
            assert_eq!(kept.len(), expected, "top_p {p}");
            assert_eq!(kept[0], 2);
        }
        // After top-k the rest is renormalised first: 0.5 of 0.75 is 0.67.
        let both = options(|o| {
            o.top_k = Some(2);
            o.top_p = Some(0.6);
        });
        assert_eq!(tokens(&LOGITS, &both), [2]);
    }

    #[test]
    fn min_p_keeps_what_is_likely_beside_the_likeliest() {
        // 0.5, 0.25, 0.125, 0.125
        for (p, expected) in [(1.0, 1), (0.51, 1), (0.49, 2), (0.26, 2), (0.24, 4), (0.0, 4)] {
            assert_eq!(tokens(&LOGITS, &options(|o| o.min_p = Some(p))).len(), expected, "min_p {p}");
        }
    }

    #[test]
    fn the_penalty_lowers_what_occurred() {
        let mut logits = [2.0, -2.0, 2.0, 0.0];
        penalise(&mut logits, [0, 1, 3, 77], 2.0);
        assert_eq!(logits, [1.0, -4.0, 2.0, 0.0]);

        let penalised = SamplingOptions { repetition_penalty: 2.0, ..SamplingOptions::greedy() };
        let mut sampler = Sampler::new(penalised, 0).unwrap();
        sampler.observe(&[0]);
        // 3 / 2 is below 2; then 2 / 2 is below 3 / 2; once each was penalised it is not penalised again.
        assert_eq!(sampler.next(&[3.0, 2.0, 0.5]), Ok(1));
        assert_eq!(sampler.next(&[3.0, 2.0, 0.5]), Ok(0));
        assert_eq!(sampler.next(&[3.0, 2.0, 0.5]), Ok(0));
    }

    #[test]
    fn draws_follow_the_distribution() {
        // Chi-square with 3 degrees of freedom: above 16.27 in one of 1,000 runs, and the seed is fixed.
        const DRAWS: usize = 20_000;
        let mut sampler = Sampler::new(SamplingOptions::default(), 7).unwrap();
        let mut counts = [0usize; 4];
        for _ in 0..DRAWS {
            counts[sampler.next(&LOGITS).unwrap() as usize] += 1;
        }
        let chi_square: f64 = counts
            .iter()
            .zip([0.25, 0.125, 0.5, 0.125])
            .map(|(count, probability)| {
                let expected = probability * DRAWS as f64;
                (*count as f64 - expected).powi(2) / expected
            })
            .sum();
        assert!(chi_square < 16.27, "{chi_square}, {counts:?}");
    }

    #[test]
    fn a_seed_gives_one_sequence() {
        let draw = |seed| {
            let mut sampler = Sampler::new(SamplingOptions::default(), seed).unwrap();
            (0..64).map(|_| sampler.next(&LOGITS).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn pick_copes_with_the_ends() {
        let left = candidates(&LOGITS, &SamplingOptions::default()).unwrap();
        assert_eq!(pick(&left, 0.0), Some(2));
        assert_eq!(pick(&left, 0.4999), Some(2));
        assert_eq!(pick(&left, 0.5001), Some(0));
        assert_eq!(pick(&left, 1.0), Some(3));
        assert_eq!(pick(&[], 0.5), None);
    }

    #[test]
    fn diverged_logits_are_refused() {
        let all = SamplingOptions::default();
        for logits in [&[f32::NAN, 1.0][..], &[f32::INFINITY, 1.0], &[f32::NEG_INFINITY; 2], &[]] {
            assert_eq!(candidates(logits, &all), Err(SamplingError::NotFinite));
        }
        // A token ruled out by a mask is no divergence.
        assert_eq!(tokens(&[f32::NEG_INFINITY, 1.0], &all), [1]);
    }

    #[test]
    fn impossible_options_are_named() {
        for (wrong, name) in [
            (options(|o| o.temperature = -1.0), "temperature"),
            (options(|o| o.temperature = f64::NAN), "temperature"),
            (options(|o| o.top_k = Some(0)), "top_k"),
            (options(|o| o.top_p = Some(0.0)), "top_p"),
            (options(|o| o.top_p = Some(1.5)), "top_p"),
            (options(|o| o.min_p = Some(1.5)), "min_p"),
            (options(|o| o.repetition_penalty = 0.0), "repetition_penalty"),
        ] {
            let message = Sampler::new(wrong, 0).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
    }
}
