//! `train`: from one config file to a trained model.

use std::process::ExitCode;

use generative::task::{
    autoencoder::AutoencoderJob, diffusion::DiffusionJob, encoder_classification::EncoderClassificationJob,
    gan::GanJob, vae::VaeJob, vq_vae::VqVaeJob,
};
use sequence::task::{
    classification::ClassificationJob, forecast::ForecastJob, language_model::LanguageModelJob,
    speech_classification::SpeechClassificationJob, speech_recognition::SpeechRecognitionJob,
    translation::TranslationJob,
};
use train::{Jobs, job};
use transformer::task::{
    decision::DecisionJob, image_classification::VitClassificationJob, language_model::GptJob,
    masked_language_model::MaskedLanguageModelJob, text_classification::BertClassificationJob,
    token_classification::TokenClassificationJob, translation::TransformerTranslationJob,
};
use vision_transfer::task::image_classification::ImageClassificationJob;

/// Every job that a config can name, one line each.
const JOBS: Jobs = Jobs(&[
    job::<LanguageModelJob>(),
    job::<ClassificationJob>(),
    job::<ForecastJob>(),
    job::<TranslationJob>(),
    job::<SpeechClassificationJob>(),
    job::<SpeechRecognitionJob>(),
    job::<ImageClassificationJob>(),
    job::<GptJob>(),
    job::<MaskedLanguageModelJob>(),
    job::<BertClassificationJob>(),
    job::<TokenClassificationJob>(),
    job::<TransformerTranslationJob>(),
    job::<DecisionJob>(),
    job::<VitClassificationJob>(),
    job::<DiffusionJob>(),
    job::<GanJob>(),
    job::<AutoencoderJob>(),
    job::<VaeJob>(),
    job::<VqVaeJob>(),
    job::<EncoderClassificationJob>(),
]);

fn main() -> ExitCode {
    train::main(&JOBS)
}
