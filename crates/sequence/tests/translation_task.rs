//! The job `translation`: training steps and evaluation.

use std::sync::{Mutex, PoisonError};

use burn::{
    backend::{Autodiff, Flex},
    module::AutodiffModule,
};
use data::text::parallel::ParallelConfig;
use sequence::{
    task::translation::{ParallelBlock, TeacherForcing, TranslationJob, TranslationOptions, TranslationTask},
    translator::{AttentionKind, TranslatorConfig},
};
use testkit::{TinyOverfit, every_parameter_has_gradient, tiny_overfit};
use training_loop::{
    job::{AssembleContext, Assembled, Blocks, Job},
    task::{StepContext, Task},
};

type B = Autodiff<Flex>;

const KINDS: [AttentionKind; 5] = [
    AttentionKind::None,
    AttentionKind::Bahdanau,
    AttentionKind::LuongDot,
    AttentionKind::LuongGeneral,
    AttentionKind::LuongConcat,
];

fn blocks(attention: AttentionKind) -> Blocks<TranslationJob> {
    Blocks {
        data: ParallelBlock(ParallelConfig { batch_size: 8, ..ParallelConfig::default() }),
        model: TranslatorConfig { attention, embedding_size: 8, hidden_size: 32, dropout: 0.0, ..Default::default() },
        task: TranslationOptions::default(),
    }
}

/// burn's seed is global to the process, so only one test at a time may draw weights.
static DRAWING: Mutex<()> = Mutex::new(());

fn assemble(blocks: &Blocks<TranslationJob>) -> Assembled<B, TranslationTask> {
    let _alone = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
    let device = Default::default();
    let context = AssembleContext::new(&device, 42);
    TranslationJob::assemble::<B>(blocks, &context).unwrap()
}

#[test]
fn memorises_one_batch() {
    for kind in KINDS {
        let Assembled { mut task, model, splits, .. } = assemble(&blocks(kind));
        let batch = splits.train.get(0, 0).unwrap();
        let options = TinyOverfit { steps: 150, learning_rate: 2e-2, bound: 0.1 };
        let (model, _) = tiny_overfit(&mut task, model, || batch.clone(), &Default::default(), options);
        // What it has memorised it also writes, from nothing but the source.
        let mut once = std::iter::once(Ok(batch));
        let scores = Task::<B>::evaluate(&mut task, &model.valid(), &mut once, &Default::default()).unwrap();
        assert!(scores["exact_match"] >= 0.75, "{kind:?}: {scores:?}");
    }
}

#[test]
fn every_parameter_of_every_decoder_has_a_gradient() {
    for kind in KINDS {
        for cell in [layers::recurrent::Cell::Lstm, layers::recurrent::Cell::Gru] {
            let mut blocks = blocks(kind);
            blocks.model.cell = cell;
            blocks.model.num_layers = 2;
            blocks.task.teacher_forcing = TeacherForcing { end: 0.5, ..TeacherForcing::default() };
            let Assembled { mut task, model, splits, .. } = assemble(&blocks);
            let context = StepContext { device: &Default::default(), step: 0, epoch: 0, optimizer: "main" };
            let output = task.training_step(&model, splits.train.get(0, 0).unwrap(), &context).unwrap();
            every_parameter_has_gradient(&model, output.loss);
        }
    }
}

#[test]
fn what_the_decoder_reads_follows_from_the_step() {
    let mut blocks = blocks(AttentionKind::LuongGeneral);
    let loss = |blocks: &Blocks<TranslationJob>, step: u64| {
        let Assembled { mut task, model, splits, .. } = assemble(blocks);
        let context = StepContext { device: &Default::default(), step, epoch: 0, optimizer: "main" };
        let output = task.training_step(&model, splits.train.get(0, 0).unwrap(), &context).unwrap();
        output.loss.into_data().iter::<f64>().sum::<f64>()
    };
    let forced = loss(&blocks, 0);
    assert_eq!(loss(&blocks, 1), forced);
    blocks.task.teacher_forcing = TeacherForcing { start: 1.0, end: 0.0, steps: 10 };
    assert!((loss(&blocks, 0) - forced).abs() < 1e-6, "the first step reads the truth only");
    let sampled = [loss(&blocks, 5), loss(&blocks, 6)];
    assert_ne!(sampled[0], sampled[1]);
    assert_eq!(loss(&blocks, 5), sampled[0]);
}

#[test]
fn a_test_is_searched_with_the_wider_beam() {
    let mut blocks = blocks(AttentionKind::LuongGeneral);
    blocks.task.beam_width = 4;
    let Assembled { mut task, model, splits, .. } = assemble(&blocks);
    let model = model.valid();
    let batch = splits.validation.unwrap().get(0, 0).unwrap();
    let mut pages = || {
        let mut once = std::iter::once(Ok(batch.clone()));
        Task::<B>::evaluate(&mut task, &model, &mut once, &Default::default()).unwrap();
        let pages = Task::<B>::pages(&task);
        Task::<B>::begin_test(&mut task);
        pages["translation"][0].to_string()
    };
    // An untrained model writes another text with a wider beam.
    assert_ne!(pages(), pages());
}
