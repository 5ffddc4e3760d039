//! The authors' decision transformer, whose blocks are those of GPT-2.

use burn::tensor::backend::Backend;
use state_dict::StateDict;

use super::{
    Pretrained,
    gpt::{GPT2, without_conv1d},
    names::{Table, renamed},
};
use crate::decision::DecisionTransformer;

/// The prediction of an action is a sequence of modules there.
const NAMES: &Table = &[(".predict_action.0.", ".predict_action.")];

impl<B: Backend> Pretrained<B> for DecisionTransformer<B> {
    const FAMILY: &'static str = "decision transformer";
    const HEADS: &'static [&'static str] = &[];

    fn adapt(&self, tensors: StateDict) -> StateDict {
        without_conv1d(renamed(tensors, &[GPT2, NAMES].concat()))
    }
}
