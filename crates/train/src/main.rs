//! `train`: from one config file to a trained model.

use std::process::ExitCode;

use sequence::task::{
    classification::ClassificationJob, forecast::ForecastJob, language_model::LanguageModelJob,
    speech_classification::SpeechClassificationJob, speech_recognition::SpeechRecognitionJob,
    translation::TranslationJob,
};
use train::{Jobs, job};

/// Every job that a config can name, one line each.
const JOBS: Jobs = Jobs(&[
    job::<LanguageModelJob>(),
    job::<ClassificationJob>(),
    job::<ForecastJob>(),
    job::<TranslationJob>(),
    job::<SpeechClassificationJob>(),
    job::<SpeechRecognitionJob>(),
]);

fn main() -> ExitCode {
    train::main(&JOBS)
}
