//! How a branch joins what goes around it.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use layers::dropout::{drop_path, dropout};

use crate::norm::Norm;

/// Where the normalisation stands, and what training leaves out of a branch.
#[derive(Module, Clone, Debug)]
pub(crate) struct Residual {
    /// Normalise what goes into the branch (GPT-2, [Xiong et al. 2020](https://arxiv.org/abs/2002.04745)) and not the sum (BERT, the
    /// first transformer).
    pub norm_first: bool,
    /// Probability of dropping a number of the branch in training.
    pub dropout: f64,
    /// Probability of leaving out the branch of a batch entry in training.
    pub drop_path: f64,
}

impl Residual {
    /// The sum of `input` and the branch, with the normalisation in its place.
    ///
    /// # Shapes
    /// - input, output, and what goes into and out of the branch: `[batch, time, width]`
    pub fn join<B: Backend>(
        &self,
        norm: &Norm<B>,
        input: Tensor<B, 3>,
        branch: impl FnOnce(Tensor<B, 3>) -> Tensor<B, 3>,
    ) -> Tensor<B, 3> {
        let output = branch(self.branch_input(norm, input.clone()));
        self.add(norm, input, output)
    }

    /// What the branch reads.
    ///
    /// # Shapes
    /// - input, output: `[batch, time, width]`
    pub fn branch_input<B: Backend>(&self, norm: &Norm<B>, input: Tensor<B, 3>) -> Tensor<B, 3> {
        if self.norm_first { norm.forward(input) } else { input }
    }

    /// What comes out where `output` is that of the branch.
    ///
    /// # Shapes
    /// - input, output: `[batch, time, width]`
    pub fn add<B: Backend>(&self, norm: &Norm<B>, input: Tensor<B, 3>, output: Tensor<B, 3>) -> Tensor<B, 3> {
        let sum = input + drop_path(dropout(output, self.dropout), self.drop_path);
        if self.norm_first { sum } else { norm.forward(sum) }
    }
}
