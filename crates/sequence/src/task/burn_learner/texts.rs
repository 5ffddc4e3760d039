//! burn's own training traits for the networks of texts.

use burn::train::{ClassificationOutput, SequenceOutput};
use text_tasks::burn_learner::{
    LanguageModelBatch, TextClassBatch, TranslationBatch, classify, predict_tokens, translate,
};
use training_loop::burn_steps;

use crate::{classifier::Classifier, language_model::LanguageModel, translator::Translator};

burn_steps!(LanguageModel, LanguageModelBatch, SequenceOutput, predict_tokens);
burn_steps!(Classifier, TextClassBatch, ClassificationOutput, classify);
burn_steps!(Translator, TranslationBatch, SequenceOutput, translate);
