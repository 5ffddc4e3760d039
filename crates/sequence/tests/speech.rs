//! The jobs on recordings: the models learn, every weight has a part in it, and padding means nothing.

use burn::{
    backend::{Autodiff, Flex},
    module::AutodiffModule,
    tensor::{Distribution, Tensor, backend::Backend},
};
use data::audio::{SpeechConfig, SpeechStringsConfig, StringsConfig};
use layers::recurrent::Cell;
use sequence::{
    pooling::Pooling,
    speech_classifier::SpeechClassifierConfig,
    speech_recognizer::SpeechRecognizerConfig,
    task::{
        speech_classification::{ClassificationOptions, SpeechBlock, SpeechClassificationJob},
        speech_recognition::{Decoding, SpeechRecognitionJob, SpeechRecognitionOptions, SpeechStringsBlock},
    },
};
use testkit::{TinyOverfit, assert_close, every_parameter_has_gradient, tiny_overfit};
use training_loop::{
    job::{AssembleContext, Assembled, Blocks, Job},
    task::{StepContext, Task},
};

type B = Autodiff<Flex>;

fn assemble<J: Job>(blocks: &Blocks<J>) -> Assembled<B, J::Task<B>> {
    J::assemble::<B>(blocks, &AssembleContext::new(&Default::default(), 42)).unwrap()
}

fn classification(model: SpeechClassifierConfig) -> Blocks<SpeechClassificationJob> {
    Blocks {
        data: SpeechBlock(SpeechConfig { batch_size: 8, ..SpeechConfig::default() }),
        model,
        task: ClassificationOptions::default(),
    }
}

fn recognition(model: SpeechRecognizerConfig) -> Blocks<SpeechRecognitionJob> {
    let strings = StringsConfig { min: 2, max: 3, train: 40, validation: 12, test: 12, ..StringsConfig::default() };
    Blocks {
        data: SpeechStringsBlock(SpeechStringsConfig { batch_size: 6, strings, ..SpeechStringsConfig::default() }),
        model,
        task: SpeechRecognitionOptions { decoding: Decoding::Beam { width: 8 }, ..Default::default() },
    }
}

fn small_classifier() -> SpeechClassifierConfig {
    SpeechClassifierConfig { hidden_size: 24, dropout: 0.0, ..SpeechClassifierConfig::default() }
}

fn small_recognizer() -> SpeechRecognizerConfig {
    SpeechRecognizerConfig { hidden_size: 32, dropout: 0.0, ..SpeechRecognizerConfig::default() }
}

#[test]
fn the_classifier_memorises_one_batch() {
    let Assembled { mut task, model, splits, .. } = assemble(&classification(small_classifier()));
    let batch = splits.train.get(0, 0).unwrap();
    let options = TinyOverfit { steps: 60, learning_rate: 1e-2, bound: 0.05 };
    let (model, _) = tiny_overfit(&mut task, model, || batch.clone(), &Default::default(), options);
    let scores = Task::<B>::evaluate(&mut task, &model.valid(), &mut [Ok(batch)].into_iter(), &Default::default());
    assert_eq!(scores.unwrap()["accuracy"], 1.0);
    let page = Task::<B>::pages(&task)["classification"].to_string();
    for part in ["Confusion", "By class", "By speaker", "Worst mistakes"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn the_recognizer_memorises_one_batch_whatever_the_decoding() {
    let Assembled { mut task, model, splits, .. } = assemble(&recognition(small_recognizer()));
    let batch = splits.train.get(0, 0).unwrap();
    let device = Default::default();
    let options = TinyOverfit { steps: 300, learning_rate: 1e-2, bound: 0.05 };
    let (model, _) = tiny_overfit(&mut task, model, || batch.clone(), &device, options);
    let mut scores = || {
        let mut batches = [Ok(batch.clone())].into_iter();
        Task::<B>::evaluate(&mut task, &model.valid(), &mut batches, &device).unwrap()
    };
    let greedy = scores();
    Task::<B>::begin_test(&mut task);
    let mut batches = [Ok(batch.clone())].into_iter();
    let beam = Task::<B>::evaluate(&mut task, &model.valid(), &mut batches, &device).unwrap();
    assert_eq!(greedy, beam);
    assert_eq!((beam["word_error_rate"], beam["string_accuracy"]), (0.0, 1.0));
    assert!(beam["loss"] < 0.05, "{beam:?}");
    let page = Task::<B>::pages(&task)["recognition"].to_string();
    for part in ["Errors", "What the model hears", "(blank)", "Examples"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn every_parameter_of_the_classifier_gets_a_finite_gradient() {
    for (pooling, cell) in [Pooling::Last, Pooling::Mean, Pooling::Max, Pooling::Attention]
        .into_iter()
        .flat_map(|pooling| [Cell::Lstm, Cell::Gru, Cell::RnnTanh].map(|cell| (pooling, cell)))
    {
        let model = SpeechClassifierConfig { pooling, cell, num_layers: 2, hidden_size: 6, ..small_classifier() };
        let Assembled { mut task, model, splits, .. } = assemble(&classification(model));
        let context = StepContext { device: &Default::default(), step: 0, epoch: 0, optimizer: "main" };
        let output = task.training_step(&model, splits.train.get(0, 0).unwrap(), &context).unwrap();
        every_parameter_has_gradient(&model, output.loss);
    }
}

#[test]
fn every_parameter_of_the_recognizer_gets_a_finite_gradient() {
    for cell in [Cell::Lstm, Cell::Gru] {
        let model = SpeechRecognizerConfig { cell, num_layers: 2, hidden_size: 6, ..small_recognizer() };
        let Assembled { mut task, model, splits, .. } = assemble(&recognition(model));
        let context = StepContext { device: &Default::default(), step: 0, epoch: 0, optimizer: "main" };
        let output = task.training_step(&model, splits.train.get(0, 0).unwrap(), &context).unwrap();
        every_parameter_has_gradient(&model, output.loss);
    }
}

#[test]
fn what_stands_behind_the_end_changes_nothing() {
    let device = Default::default();
    Flex::seed(&device, 1);
    for stack in [1, 2, 3, 4] {
        let lengths = [7, 4];
        let short = Tensor::<Flex, 3>::random([2, 7, 5], Distribution::Default, &device);
        let noise = Tensor::random([2, 4, 5], Distribution::Default, &device);
        let long = Tensor::cat(vec![short.clone(), noise], 1)
            .slice_assign([1..2, 4..7], Tensor::full([1, 3, 5], 9.0, &device));
        let classifier = SpeechClassifierConfig { stack, pooling: Pooling::Attention, ..small_classifier() };
        let classifier = classifier.init::<Flex>(5, 3, &device);
        assert_close(&classifier.forward(long.clone(), &lengths), &classifier.forward(short.clone(), &lengths), 1e-6);
        let recognizer = SpeechRecognizerConfig { stack, ..small_recognizer() }.init::<Flex>(5, 3, &device);
        let (expected, steps) = recognizer.forward(short, &lengths);
        let (actual, also) = recognizer.forward(long, &lengths);
        assert_eq!((&steps, &steps), (&also, &lengths.map(|length: usize| length.div_ceil(stack)).to_vec()));
        for (row, steps) in steps.into_iter().enumerate() {
            let of = |logits: &Tensor<Flex, 3>| logits.clone().slice([row..row + 1, 0..steps]);
            assert_close(&of(&actual), &of(&expected), 1e-6);
        }
        assert_eq!(recognizer.blank(), 3);
    }
}
