//! A codebook: each vector becomes the nearest of a fixed number of vectors, which follow what they stand for.

use burn::{
    module::{Module, Param, RunningState},
    tensor::{Distribution, IndexingUpdateOp, Int, Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};

/// A code that stands for fewer vectors than this is one that nothing is near to: its mean says nothing.
const LEAST_COUNT: f64 = 1e-5;

/// How the vectors of a codebook are learned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CodebookUpdate {
    /// Each follows the mean of what is nearest to it, without gradients (van den Oord et al., appendix A.1).
    #[default]
    Ema,
    /// By gradients of their distance to what is nearest to them.
    Loss,
}

/// What a [`Codebook`] is like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CodebookConfig {
    /// Vectors. Default: 512.
    pub codes: usize,
    /// Numbers in each. Default: 64.
    pub code_size: usize,
    /// How they are learned. Default: `ema`.
    pub update: CodebookUpdate,
    /// Part of the old mean that is kept at each step, with `ema`. Default: 0.99.
    pub decay: f64,
    /// With `ema`, a code that stands for fewer vectors than this in the running mean of batches becomes a vector of the batch drawn
    /// at random ([Dhariwal et al. 2020](https://arxiv.org/abs/2005.00341)). 0: never. Default: 1.
    pub restart_below: f64,
}

impl Default for CodebookConfig {
    fn default() -> Self {
        Self { codes: 512, code_size: 64, update: CodebookUpdate::default(), decay: 0.99, restart_below: 1.0 }
    }
}

/// Vectors that pictures are made of, and how they follow what they stand for.
#[derive(Module, Debug)]
pub struct Codebook<B: Backend> {
    /// `[codes, code_size]`, where they are learned by gradients.
    pub vectors: Option<Param<Tensor<B, 2>>>,
    /// Where they follow means: those, and what they are made of.
    pub means: Option<Means<B>>,
}

/// Vectors that follow the mean of what is nearest to them, in training steps only.
#[derive(Module, Debug)]
pub struct Means<B: Backend> {
    /// `[codes, code_size]`
    pub vectors: RunningState<Tensor<B, 2>>,
    /// `[codes]`: how many vectors each stands for in a batch.
    pub counts: RunningState<Tensor<B, 1>>,
    /// `[codes, code_size]`: the sum of them.
    pub sums: RunningState<Tensor<B, 2>>,
    decay: f64,
    restart_below: f64,
}

/// What became of vectors.
#[derive(Debug, Clone)]
pub struct Quantized<B: Backend> {
    /// `[rows, code_size]`: the nearest vectors of the codebook; gradients go through to what they stand for
    /// (the straight-through estimator).
    pub vectors: Tensor<B, 2>,
    /// `[rows]`: their numbers.
    pub codes: Tensor<B, 1, Int>,
    /// `[1]`: the mean squared distance, whose gradient moves what was quantised (the commitment).
    pub commitment: Tensor<B, 1>,
    /// `[1]`: the same, whose gradient moves the codebook; none where it learns without gradients.
    pub codebook: Option<Tensor<B, 1>>,
}

impl CodebookConfig {
    /// The values that can never work: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.codes < 2 {
            wrong.push(("codes", "must be at least 2".to_string()));
        }
        if self.code_size == 0 {
            wrong.push(("code_size", "must be at least 1".to_string()));
        }
        if !(0.0..1.0).contains(&self.decay) {
            wrong.push(("decay", "must be at least 0 and below 1".to_string()));
        }
        if !(self.restart_below >= 0.0 && self.restart_below.is_finite()) {
            wrong.push(("restart_below", "must be a number that is not negative".to_string()));
        }
        wrong
    }

    /// A codebook of random vectors, drawn at this call: uniform within ±1/codes, as the paper's own code draws them, where they are
    /// learned by gradients; else normal.
    pub fn init<B: Backend>(&self, device: &B::Device) -> Codebook<B> {
        let Self { codes, code_size, update, decay, restart_below } = *self;
        let bound = 1.0 / codes as f64;
        let shape = [codes, code_size];
        match update {
            CodebookUpdate::Loss => {
                let vectors = Tensor::random(shape, Distribution::Uniform(-bound, bound), device);
                Codebook { vectors: Some(Param::from_tensor(vectors)), means: None }
            }
            CodebookUpdate::Ema => {
                let vectors = Tensor::<B, 2>::random(shape, Distribution::Normal(0.0, 1.0), device);
                let means = Means {
                    vectors: RunningState::new(vectors.clone()),
                    counts: RunningState::new(Tensor::ones([codes], device)),
                    sums: RunningState::new(vectors),
                    decay,
                    restart_below,
                };
                Codebook { vectors: None, means: Some(means) }
            }
        }
    }
}

impl<B: Backend> Codebook<B> {
    /// Puts the nearest vector in the place of each; in a training step a codebook without gradients then follows them.
    ///
    /// # Shapes
    /// - rows: `[rows, code_size]`
    pub fn quantize(&self, rows: Tensor<B, 2>) -> Quantized<B> {
        let vectors = self.all();
        let codes = nearest(rows.clone().detach(), vectors.clone().detach());
        let chosen = vectors.select(0, codes.clone()); // [rows, code_size]
        let codebook = self.vectors.as_ref().map(|_| (chosen.clone() - rows.clone().detach()).square().mean());
        let chosen = chosen.detach();
        if let Some(means) = self.means.as_ref().filter(|_| B::ad_enabled(&rows.device())) {
            means.follow(rows.clone().detach(), codes.clone());
        }
        let commitment = (rows.clone() - chosen.clone()).square().mean();
        let vectors = rows.clone() + (chosen - rows).detach();
        Quantized { vectors, codes, commitment, codebook }
    }

    /// The vectors with these numbers.
    ///
    /// # Shapes
    /// - codes: `[rows]`
    /// - output: `[rows, code_size]`
    pub fn look_up(&self, codes: Tensor<B, 1, Int>) -> Tensor<B, 2> {
        self.all().select(0, codes)
    }

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.all().dims()[0]
    }

    /// Whether there is none, which no config allows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `[codes, code_size]`
    fn all(&self) -> Tensor<B, 2> {
        match (&self.vectors, &self.means) {
            (Some(vectors), _) => vectors.val(),
            (None, Some(means)) => means.vectors.value_sync(),
            (None, None) => unreachable!("a codebook learns in one of the two ways"),
        }
    }
}

impl<B: Backend> Means<B> {
    /// `rows`: `[rows, code_size]`, `codes`: `[rows]`
    fn follow(&self, rows: Tensor<B, 2>, codes: Tensor<B, 1, Int>) {
        let device = rows.device();
        let [count, code_size] = rows.dims();
        let old_counts = self.counts.value_sync().detach();
        let [all] = old_counts.dims();
        let counted = Tensor::<B, 1>::zeros([all], &device).select_assign(
            0,
            codes.clone(),
            Tensor::ones([count], &device),
            IndexingUpdateOp::Add,
        );
        let summed = Tensor::<B, 2>::zeros([all, code_size], &device).select_assign(
            0,
            codes,
            rows.clone(),
            IndexingUpdateOp::Add,
        );
        let mixed = 1.0 - self.decay;
        let counts = old_counts * self.decay + counted * mixed;
        let sums = self.sums.value_sync().detach() * self.decay + summed * mixed;
        // Dead codes begin anew where there are vectors, counted as often as it takes to live.
        let drawn = Tensor::<B, 1>::random([all], Distribution::Uniform(0.0, count as f64), &device).int();
        let anew = rows.select(0, drawn.clamp(0, count as i64 - 1)); // [codes, code_size]
        let is_dead = counts.clone().lower_elem(self.restart_below); // [codes]
        let counts = counts.mask_fill(is_dead.clone(), self.restart_below.max(LEAST_COUNT));
        let sums = sums.mask_where(
            is_dead.unsqueeze_dim::<2>(1).expand([all, code_size]),
            anew * self.restart_below.max(LEAST_COUNT),
        );
        let vectors = sums.clone() / counts.clone().clamp_min(LEAST_COUNT).unsqueeze_dim::<2>(1);
        // Those that nothing was near to for long, and that do not begin anew, stay where they were.
        let is_forgotten = counts.clone().lower_elem(LEAST_COUNT).unsqueeze_dim::<2>(1).expand([all, code_size]);
        let vectors = vectors.mask_where(is_forgotten, self.vectors.value_sync().detach());
        self.vectors.update(vectors);
        self.counts.update(counts);
        self.sums.update(sums);
        // burn keeps an update beside the value until the next one: whoever visits the module (a checkpoint) would see the older.
        self.vectors.value_sync();
        self.counts.value_sync();
        self.sums.value_sync();
    }
}

/// The number of the nearest vector of each row: `[rows]`.
fn nearest<B: Backend>(rows: Tensor<B, 2>, vectors: Tensor<B, 2>) -> Tensor<B, 1, Int> {
    // ‖r‖² is the same for all vectors.
    let lengths = vectors.clone().square().sum_dim(1).transpose(); // [1, codes]
    let distances = lengths - rows.matmul(vectors.transpose()) * 2.0; // [rows, codes]
    distances.argmin(1).squeeze_dim(1)
}

/// How many codes are in use, if all were used alike: the exponential of the entropy of their shares.
///
/// # Shapes
/// - codes: `[rows]`, below `all`
/// - output: `[1]`
pub fn perplexity<B: Backend>(codes: Tensor<B, 1, Int>, all: usize) -> Tensor<B, 1> {
    let [rows] = codes.dims();
    let device = codes.device();
    let ones = Tensor::ones([rows], &device);
    let counts = Tensor::<B, 1>::zeros([all], &device).select_assign(0, codes, ones, IndexingUpdateOp::Add);
    let shares = counts / rows as f64;
    (shares.clone() * shares.clamp_min(f64::from(f32::MIN_POSITIVE)).log()).sum().neg().exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::{Autodiff, Flex};

    type B = Autodiff<Flex>;

    fn codebook(update: CodebookUpdate) -> Codebook<B> {
        codebook_with_restarts(update, 0.2)
    }

    fn codebook_with_restarts(update: CodebookUpdate, restart_below: f64) -> Codebook<B> {
        let config = CodebookConfig { codes: 3, code_size: 2, update, decay: 0.5, restart_below };
        let codebook = config.init::<B>(&Default::default());
        let vectors = Tensor::from_floats([[0.0, 0.0], [1.0, 1.0], [-9.0, 9.0]], &Default::default());
        match codebook {
            Codebook { vectors: Some(_), means: None } => {
                Codebook { vectors: Some(Param::from_tensor(vectors)), means: None }
            }
            Codebook { vectors: None, means: Some(means) } => {
                means.vectors.update(vectors.clone());
                means.sums.update(vectors);
                Codebook { vectors: None, means: Some(means) }
            }
            _ => unreachable!(),
        }
    }

    fn rows() -> Tensor<B, 2> {
        Tensor::from_floats([[0.2, 0.1], [0.8, 1.1], [0.9, 1.2]], &Default::default()).require_grad()
    }

    #[test]
    fn gradients_go_straight_through_and_the_commitment_pulls_to_the_code() {
        for update in [CodebookUpdate::Loss, CodebookUpdate::Ema] {
            let rows = rows();
            let quantized = codebook(update).quantize(rows.clone());
            let codes: Vec<i64> = quantized.codes.to_data().iter::<i64>().collect();
            assert_eq!(codes, [0, 1, 1]);
            let chosen = quantized.vectors.to_data().to_vec::<f32>().unwrap();
            for (found, expected) in chosen.iter().zip([0.0, 0.0, 1.0, 1.0, 1.0, 1.0_f32]) {
                assert!((found - expected).abs() < 1e-6);
            }
            let weights = Tensor::<B, 2>::from_floats([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], &Default::default());
            let gradients = (quantized.vectors * weights.clone()).sum().backward();
            rows.grad(&gradients).unwrap().into_data().assert_eq(&weights.to_data(), true);
            let gradients = quantized.commitment.backward();
            let pull = rows.grad(&gradients).unwrap().into_data().to_vec::<f32>().unwrap();
            // 2 (row - code) / 6
            for (found, expected) in pull.iter().zip([0.2, 0.1, -0.2, 0.1, -0.1, 0.2_f32]) {
                assert!((found - expected / 3.0).abs() < 1e-6, "{found} {expected}");
            }
        }
    }

    #[test]
    fn a_codebook_learns_by_gradients_of_its_own() {
        let codebook = codebook(CodebookUpdate::Loss);
        let rows = rows();
        let gradients = codebook.quantize(rows.clone()).codebook.unwrap().backward();
        assert!(rows.grad(&gradients).is_none(), "the codebook's loss leaves the encoder alone");
        let pull = codebook.vectors.unwrap().val().grad(&gradients).unwrap().into_data().to_vec::<f32>().unwrap();
        // 2 (code - row) / 6, summed over the rows of a code.
        let expected = [-0.2, -0.1, 0.3, -0.3, 0.0, 0.0_f32].map(|value| value / 3.0);
        for (found, expected) in pull.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn means_follow_in_training_and_dead_codes_begin_anew() {
        let codebook = codebook(CodebookUpdate::Ema);
        let rows = rows();
        for _ in 0..4 {
            codebook.quantize(rows.clone());
        }
        let vectors: Vec<f32> = codebook.all().into_data().to_vec().unwrap();
        let values: Vec<f32> = rows.to_data().to_vec().unwrap();
        let is_last = |row: &[f32]| row.iter().zip(&vectors[4..]).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!((0.1..0.3).contains(&vectors[0]), "towards the one row that is near it: {vectors:?}");
        // Halved four times from 1 it would be 0.0625.
        assert!(values.chunks(2).any(is_last), "a row in place of a dead code: {vectors:?}");
        let valid = burn::module::AutodiffModule::valid(&codebook);
        let before: Vec<f32> = valid.all().into_data().to_vec().unwrap();
        valid.quantize(rows.inner());
        assert_eq!(valid.all().into_data().to_vec::<f32>().unwrap(), before, "an evaluation changes nothing");
    }

    #[test]
    fn dead_codes_stay_where_they_are_without_restarts() {
        let codebook = codebook_with_restarts(CodebookUpdate::Ema, 0.0);
        // Long after the running count of the third has fallen below what single precision knows.
        for _ in 0..200 {
            codebook.quantize(rows());
        }
        let vectors: Vec<f32> = codebook.all().into_data().to_vec().unwrap();
        assert!((vectors[0] - 0.2).abs() < 1e-4, "the others follow: {vectors:?}");
        assert!((vectors[4] + 9.0).abs() < 1e-3 && (vectors[5] - 9.0).abs() < 1e-3, "{vectors:?}");
    }

    #[test]
    fn perplexity_counts_codes_in_use() {
        let codes = |codes: [i32; 4]| Tensor::<Flex, 1, Int>::from_ints(codes, &Default::default());
        for (found, expected) in [([0, 1, 2, 3], 4.0), ([1, 1, 1, 1], 1.0), ([0, 0, 2, 2], 2.0_f32)] {
            assert!((perplexity(codes(found), 8).into_scalar() - expected).abs() < 1e-4);
        }
    }
}
