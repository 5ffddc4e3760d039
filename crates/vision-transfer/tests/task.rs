//! The job `image-classification`: what freezing, kept features, mixing and resuming promise.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, MutexGuard},
};

use burn::{
    backend::{Autodiff, Flex},
    module::AutodiffModule,
    tensor::{
        Int, Tensor, TensorData,
        activation::{sigmoid, softmax},
    },
};
use data::image::{
    Image, ImageBatch, ImageConfig, Labels,
    augment::{AugmentConfig, CropConfig, PadConfig, TestViews},
    png,
    shapes::{Domain, pictures},
};
use layers::loss::{CrossEntropy, cross_entropy};
use report::{Body, Picture, PictureBytes, PictureSource, Section};
use testkit::{TinyOverfit, every_parameter_has_gradient, tiny_overfit};
use training_loop::{
    checkpoint::Checkpoint,
    config::{Every, TrainingConfig},
    event::{Event, Observer, Outcome},
    fit::{Fit, Interrupt, LoopConfig, Start, fit},
    job::{AssembleContext, Assembled, Blocks, Job},
    optimizer::OptimizerConfig,
    preparation::{Activity, Preparation},
    run_folder::RunFolder,
    task::{StepContext, Task},
    weights::{self, NamedTensors},
};
use vision_transfer::{
    network::{Architecture, Network, NetworkConfig},
    pretrained,
    task::{
        Batch, ImageModelConfig, ImageOptions,
        fine_tuning::{FineTuning, Unfreeze},
        image_classification::{ImageBlock, ImageClassificationJob, ImageClassificationTask},
    },
};

type B = Autodiff<Flex>;
type Assembly = Assembled<B, ImageClassificationTask<B>>;

/// burn's seeds are global to the process: runs that are compared must not overlap.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A tiny network on few shapes; small reports.
fn blocks(fine_tuning: FineTuning) -> Blocks<ImageClassificationJob> {
    let data = ImageConfig {
        source: "embedded:shapes-target".into(),
        classes: ["circle", "star", "cross"].map(str::to_string).to_vec(),
        train_images_per_class: Some(6),
        batch_size: 5,
        validation_fraction: 0.05,
        ..ImageConfig::default()
    };
    Blocks {
        data: ImageBlock(data),
        model: ImageModelConfig { architecture: Architecture::Resnet8, ..ImageModelConfig::default() },
        task: ImageOptions { grad_cam: 2, worst_mistakes: 2, shown_samples: 2, fine_tuning, ..ImageOptions::default() },
    }
}

fn changing() -> AugmentConfig {
    AugmentConfig {
        crop: Some(CropConfig::Pad(PadConfig { padding: 2, ..PadConfig::default() })),
        horizontal_flip: 0.5,
        ..AugmentConfig::default()
    }
}

fn assemble(blocks: &Blocks<ImageClassificationJob>) -> Assembly {
    let device = Default::default();
    ImageClassificationJob::assemble::<B>(blocks, &AssembleContext::new(&device, 7)).unwrap()
}

fn plain(max_steps: u64) -> LoopConfig {
    LoopConfig {
        training: TrainingConfig {
            max_steps: Some(max_steps),
            validate_every: Every::Steps(3),
            checkpoint_every: Every::Steps(2),
            ..Default::default()
        },
        optimizer: OptimizerConfig::Sgd {
            learning_rate: 0.05,
            momentum: 0.9,
            dampening: 0.0,
            nesterov: true,
            weight_decay: 1e-4,
        },
        ..Default::default()
    }
}

/// Asks the loop to stop after a number of steps, as Ctrl-C does.
struct StopAt(u64, Interrupt);

impl Observer for StopAt {
    fn on_event(&mut self, event: &Event<'_>) {
        if matches!(event, Event::Step { step } if *step == self.0) {
            self.1.set();
        }
    }
}

/// Trains in `folder`, from `start`, until `stop_at` or the end.
fn train(assembly: Assembly, config: &LoopConfig, folder: &Path, start: Start, stop_at: u64) -> (Network<B>, Outcome) {
    let device = Default::default();
    let run = match &start {
        Start::Resume(_) => RunFolder::open(folder).unwrap(),
        _ => {
            let run = RunFolder::create(folder).unwrap();
            run.write("config.toml", b"").unwrap();
            run
        }
    };
    let Assembled { task, model, splits, .. } = assembly;
    let interrupt = Interrupt::default();
    let mut observer = StopAt(stop_at, interrupt.clone());
    let job = Fit { task, model, splits, config, device: &device, run: &run, start, interrupt };
    let (_, model, outcome) = fit(job, &mut observer).unwrap();
    (model, outcome)
}

fn trained(fine_tuning: FineTuning, steps: u64) -> (NamedTensors, NamedTensors, Outcome, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let assembly = assemble(&blocks(fine_tuning));
    let before = weights::collect::<B, _>(&assembly.model);
    let (model, outcome) = train(assembly, &plain(steps), &folder.path().join("run"), Start::Scratch, u64::MAX);
    (before, weights::collect::<B, _>(&model), outcome, folder)
}

/// The one number of a tensor.
fn value(tensor: Tensor<B, 1>) -> f32 {
    tensor.into_data().iter().next().unwrap()
}

/// The stages whose weights or statistics differ.
fn moved(before: &NamedTensors, after: &NamedTensors) -> Vec<String> {
    let stage = |name: &String| match name.split('.').next().unwrap() {
        "conv1" | "bn1" => "stem".to_string(),
        first => first.to_string(),
    };
    let mut moved: Vec<String> =
        before.iter().filter(|(name, data)| after[*name] != **data).map(|(name, _)| stage(name)).collect();
    moved.sort();
    moved.dedup();
    moved
}

#[test]
fn frozen_stages_keep_weights_and_statistics_and_have_no_optimiser_state() {
    let _alone = alone();
    let freeze = vec!["stem".to_string(), "layer1".to_string()];
    let unfreeze = vec![Unfreeze { stages: vec!["layer1".into()], at_step: 3 }];
    let (before, after, outcome, _folder) = trained(FineTuning { freeze: freeze.clone(), ..FineTuning::default() }, 4);
    assert_eq!(moved(&before, &after), ["layer2", "layer3", "linear"]);
    let state = &Checkpoint::load(&outcome.checkpoint).unwrap().tensors["optimizer-main"];
    assert!(state.keys().all(|name| !name.starts_with("conv1") && !name.starts_with("layer1")), "{:?}", state.keys());
    // Running statistics of what trains did move: the test above is not empty.
    assert_ne!(before["layer2.0.bn1.running_mean"], after["layer2.0.bn1.running_mean"]);
    let (before, after, ..) = trained(FineTuning { freeze, unfreeze, ..FineTuning::default() }, 4);
    assert_eq!(moved(&before, &after), ["layer1", "layer2", "layer3", "linear"]);
    assert_ne!(before["layer1.0.bn1.running_mean"], after["layer1.0.bn1.running_mean"]);
}

#[test]
fn a_linear_probe_moves_the_head_alone() {
    let _alone = alone();
    let (before, after, ..) = trained(FineTuning { linear_probe: true, ..FineTuning::default() }, 3);
    assert_eq!(moved(&before, &after), ["linear"]);
}

#[test]
fn kept_features_change_no_score() {
    let _alone = alone();
    let scores = |augment: AugmentConfig| {
        let mut blocks = blocks(FineTuning { freeze: vec!["trunk".into()], ..FineTuning::default() });
        blocks.data.0.augment = augment;
        let assembly = assemble(&blocks);
        let kept = matches!(assembly.splits.train.get(0, 0).unwrap(), Batch::Kept { .. });
        let folder = tempfile::tempdir().unwrap();
        let (_, outcome) = train(assembly, &plain(6), &folder.path().join("run"), Start::Scratch, u64::MAX);
        (kept, outcome.scores.unwrap().metrics)
    };
    let (kept, with) = scores(AugmentConfig::default());
    // On, but it happens to no picture: every one is looked at in each epoch.
    let (looked_at, without) = scores(AugmentConfig { vertical_flip: 1e-300, ..AugmentConfig::default() });
    assert!(kept && !looked_at);
    for (name, value) in &with {
        assert!((value - without[name]).abs() < 1e-5, "{name}: {value} and {}", without[name]);
    }
}

#[test]
fn a_probe_may_learn_from_several_views() {
    let _alone = alone();
    let mut blocks = blocks(FineTuning { linear_probe: true, feature_views: 2, ..FineTuning::default() });
    blocks.data.0.augment = changing();
    let Assembled { mut task, model, splits, .. } = assemble(&blocks);
    let device = Default::default();
    let inner = model.valid();
    task.prepare(&inner, &device, &()).unwrap();
    let Batch::Kept { part, indices, .. } = splits.train.get(0, 0).unwrap() else { panic!("not kept") };
    let mut loss = |epoch: u64| {
        let batch = Batch::Kept { part, epoch, indices: indices.clone() };
        let context = StepContext { device: &device, step: 0, epoch, optimizer: "main" };
        value(task.training_step(&model, batch, &context).unwrap().loss)
    };
    let (first, second) = (loss(0), loss(1));
    assert_ne!(first, second);
    // The views come round again.
    assert_eq!([loss(2), loss(3)], [first, second]);
}

#[test]
fn a_resumed_run_ends_with_the_same_bits() {
    let _alone = alone();
    let gradual = FineTuning { unfreeze_every: Some(2), l2_sp: 0.01, ..FineTuning::default() };
    let probe = FineTuning { linear_probe: true, feature_views: 2, ..FineTuning::default() };
    for fine_tuning in [gradual, probe] {
        let mut blocks = blocks(fine_tuning);
        blocks.data.0.augment = AugmentConfig { mixup: 0.4, cutmix: 1.0, ..changing() };
        blocks.model.drop_path = 0.2;
        assert_resumes(&blocks);
    }
}

/// Asserts that a run which is stopped and resumed ends as one that is not.
#[track_caller]
fn assert_resumes(blocks: &Blocks<ImageClassificationJob>) {
    let config = plain(9);
    let ends = |stop_at: Option<u64>| {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let (mut model, mut outcome) =
            train(assemble(blocks), &config, &run, Start::Scratch, stop_at.unwrap_or(u64::MAX));
        if stop_at.is_some() {
            (model, outcome) = train(assemble(blocks), &config, &run, Start::Resume(outcome.checkpoint), u64::MAX);
        }
        (weights::collect::<B, _>(&model), outcome.scores.unwrap().metrics)
    };
    let whole = ends(None);
    for stop_at in [3, 5] {
        let resumed = ends(Some(stop_at));
        assert!(resumed.0 == whole.0, "weights differ after a stop at step {stop_at}");
        assert_eq!(resumed.1, whole.1);
    }
}

#[test]
fn the_loss_of_mixed_pictures_is_the_mixture_of_losses() {
    let _alone = alone();
    let off = AugmentConfig::default();
    for augment in [AugmentConfig { mixup: 1.0, ..off.clone() }, AugmentConfig { cutmix: 1.0, ..off.clone() }] {
        let mut blocks = blocks(FineTuning::default());
        blocks.data.0.augment = augment;
        let Assembled { mut task, model, splits, .. } = assemble(&blocks);
        let Batch::Pictures(batch) = splits.train.get(0, 0).unwrap() else { panic!("no pictures") };
        let mix = batch.mix.clone().unwrap();
        let device = Default::default();
        let Labels::Classes(labels) = batch.labels.clone() else { panic!("several labels") };
        let partners: Vec<i32> = mix.partners.iter().map(|partner| labels[*partner]).collect();
        let images = TensorData::new(batch.pixels.clone(), [batch.batch_size, 3, 32, 32]);
        let logits = model.forward(Tensor::from_data(images, &device));
        let of = |labels: Vec<i32>| {
            let labels = Tensor::<B, 1, Int>::from_data(TensorData::new(labels.clone(), [labels.len()]), &device);
            value(cross_entropy(logits.clone(), labels, &CrossEntropy::default()))
        };
        let expected = mix.lambda * of(labels) + (1.0 - mix.lambda) * of(partners);
        let context = StepContext { device: &device, step: 0, epoch: 0, optimizer: "main" };
        let found = value(task.training_step(&model, Batch::Pictures(batch), &context).unwrap().loss);
        assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
    }
}

#[test]
fn one_batch_is_learned_by_heart_with_every_parameter() {
    let _alone = alone();
    for options in [
        ImageOptions::default(),
        ImageOptions { focal_gamma: 2.0, ..ImageOptions::default() },
        ImageOptions { class_weights: serde_json::from_str("\"balanced\"").unwrap(), ..ImageOptions::default() },
    ] {
        let blocks = Blocks { task: options, ..blocks(FineTuning::default()) };
        let Assembled { mut task, model, splits, .. } = assemble(&blocks);
        let batch = splits.train.get(0, 0).unwrap();
        let context = StepContext { device: &Default::default(), step: 0, epoch: 0, optimizer: "main" };
        every_parameter_has_gradient(&model, task.training_step(&model, batch.clone(), &context).unwrap().loss);
        let options = TinyOverfit { steps: 60, ..TinyOverfit::default() };
        tiny_overfit(&mut task, model, || batch.clone(), &Default::default(), options);
    }
}

#[test]
fn the_views_of_a_test_picture_are_averaged() {
    let _alone = alone();
    let mut blocks = blocks(FineTuning::default());
    blocks.task.test_views = TestViews::Flip;
    let Assembled { mut task, model, splits, .. } = assemble(&blocks);
    let (device, model) = (Default::default(), model.valid());
    for batch in splits.validation.unwrap().iter() {
        let Batch::Pictures(batch) = batch.unwrap() else { panic!("no pictures") };
        assert_eq!(batch.views, 1, "in the course of training, one view has to do");
    }
    let test = splits.test.unwrap();
    task.begin_test();
    let scores = task.evaluate(&model, &mut test.iter(), &device).unwrap();
    let (mut surprise, mut count) = (0.0, 0.0);
    for batch in test.iter() {
        let Batch::Pictures(batch) = batch.unwrap() else { panic!("no pictures") };
        let Labels::Classes(labels) = &batch.labels else { panic!("several labels") };
        let probabilities = numbers(softmax(logits_of_views(&model, &batch), 1));
        for (place, label) in labels.iter().enumerate() {
            let of = |view: usize| probabilities[(2 * place + view) * 3 + *label as usize];
            surprise -= (0.5 * (of(0) + of(1))).ln();
            count += 1.0;
        }
    }
    assert!((scores["loss"] - surprise / count).abs() < 1e-5, "{} is not {}", scores["loss"], surprise / count);
}

/// `[batch · 2, classes]`, of pictures in two views.
fn logits_of_views(network: &Network<Flex>, batch: &ImageBatch) -> Tensor<Flex, 2> {
    let images = TensorData::new(batch.pixels.clone(), [2 * batch.batch_size, 3, 32, 32]);
    network.forward(Tensor::from_data(images, &Default::default()))
}

fn numbers(tensor: Tensor<Flex, 2>) -> Vec<f64> {
    tensor.into_data().iter().collect()
}

#[test]
fn the_report_shows_pictures_as_the_network_sees_them() {
    let _alone = alone();
    let mut blocks = blocks(FineTuning::default());
    // The source has pictures of 32 pixels.
    blocks.data.0.image_size = Some(24);
    let Assembled { mut task, model, splits, .. } = assemble(&blocks);
    let (device, model) = (Default::default(), model.valid());
    let shown = |task: &ImageClassificationTask<B>, page: &str| -> BTreeMap<String, Vec<Picture>> {
        let pages = task.pages();
        let Some(page) = pages.get(page) else { return BTreeMap::new() };
        let sections: Vec<Section> = match serde_json::from_value(page.clone()) {
            Ok(sections) => sections,
            Err(_) => vec![serde_json::from_value(page.clone()).unwrap()],
        };
        let pictures = sections.into_iter().map(|section| match section.body {
            Body::Image { images } => (section.title, images),
            other => panic!("{}: {other:?}", section.title),
        });
        pictures.collect()
    };
    task.prepare(&model, &device, &()).unwrap();
    task.evaluate(&model, &mut splits.validation.unwrap().iter(), &device).unwrap();
    let training = shown(&task, "training-pictures");
    assert_eq!(training["Training pictures"].len(), 2);
    task.begin_test();
    task.evaluate(&model, &mut splits.test.unwrap().iter(), &device).unwrap();
    assert!(shown(&task, "training-pictures").is_empty(), "they belong to training");
    let test = shown(&task, "pictures");
    // Each picture that is explained is there twice: as it is, and with its map.
    assert_eq!((test["Worst mistakes"].len(), test["What predictions rest on"].len()), (2, 4));
    for picture in training.values().chain(test.values()).flatten() {
        let PictureSource::Data(PictureBytes(bytes)) = &picture.source else { panic!("{picture:?}") };
        assert!(bytes.starts_with(b"\x89PNG"), "{}", picture.label);
        let image = Image::decode(bytes, 3, Path::new("picture.png")).unwrap();
        assert_eq!((image.width, image.height), (24, 24), "{}", picture.label);
    }
    let plain = &test["What predictions rest on"];
    assert_ne!(plain[0].source, plain[1].source);
}

/// What is noted while a job is assembled.
#[derive(Default)]
struct Notes(RefCell<Vec<String>>);

impl Preparation for Notes {
    fn note(&self, line: &str) {
        self.0.borrow_mut().push(line.trim().to_string());
    }
    fn progress(&self, _: &Activity<'_>) {}
}

#[test]
fn weights_of_a_file_are_loaded_under_a_new_head() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let device = Default::default();
    let config = NetworkConfig { architecture: Architecture::Resnet8, classes: 7, ..NetworkConfig::default() };
    let published = config.init::<Flex>(&device);
    let path = folder.path().join("seven.safetensors");
    pretrained::save(&published, &path).unwrap();

    let mut blocks = blocks(FineTuning::default());
    blocks.model.pretrained = path.display().to_string();
    let notes = Notes::default();
    let context = AssembleContext { progress: &notes, ..AssembleContext::new(&device, 7) };
    let assembled = ImageClassificationJob::assemble::<B>(&blocks, &context).unwrap();
    let (theirs, ours) = (pretrained::state_dict(&published), pretrained::state_dict(&assembled.model.valid()));
    for (name, data) in &ours {
        if !name.starts_with("linear.") {
            assert_eq!(data, &theirs[name], "{name}");
        }
    }
    assert_eq!(ours["linear.weight"].shape[..], [3, 64]);
    let notes = notes.0.borrow();
    assert!(notes[0].contains("seven.safetensors") && notes[1].starts_with("loaded "), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("[7, 64] replaced by [3, 64]")), "{notes:?}");

    // A run that goes on has its own weights: the file may be gone by then.
    let run = folder.path().join("run");
    std::fs::create_dir(&run).unwrap();
    for (name, bytes) in &assembled.artefacts {
        std::fs::write(run.join(name), bytes).unwrap();
    }
    std::fs::rename(&path, folder.path().join("moved.safetensors")).unwrap();
    let resumed = AssembleContext { artefacts: Some(&run), weights_follow: true, ..AssembleContext::new(&device, 7) };
    ImageClassificationJob::assemble::<B>(&blocks, &resumed).unwrap();

    blocks.model.pretrained = folder.path().join("moved.safetensors").display().to_string();
    blocks.model.architecture = Architecture::Resnet20;
    let refused = ImageClassificationJob::assemble::<B>(&blocks, &AssembleContext::new(&device, 7)).err().unwrap();
    assert!(refused.to_string().contains("layer1.1.conv1.weight"), "{refused}");
}

#[test]
fn a_vgg_refuses_pictures_that_are_too_small() {
    let _alone = alone();
    let mut blocks = blocks(FineTuning::default());
    blocks.model.architecture = Architecture::Vgg11;
    blocks.data.0.image_size = Some(31);
    let device = Default::default();
    let refused = ImageClassificationJob::assemble::<B>(&blocks, &AssembleContext::new(&device, 7)).err().unwrap();
    assert!(refused.to_string().contains("`data.image_size` is 31") && refused.to_string().contains("32"), "{refused}");
}

/// Pictures of the source domain with labels in a table: round or not, of an even class or not.
fn with_several_labels(folder: &Path) -> Blocks<ImageClassificationJob> {
    let mut table = String::from("path,label\n");
    for picture in pictures(Domain::Source).into_iter().take(40) {
        let name = format!("{}.png", picture.name.replace(['/', '.'], "-"));
        std::fs::write(folder.join(&name), png(&picture.image)).unwrap();
        let round = if [0, 5, 8].contains(&picture.label) { "round" } else { "" };
        let even = if picture.label % 2 == 0 { "|even" } else { "" };
        table += &format!("{name},{round}{even}\n");
    }
    std::fs::write(folder.join("labels.csv"), table).unwrap();
    let mut blocks = blocks(FineTuning::default());
    blocks.data.0 = ImageConfig {
        source: folder.join("labels.csv").display().to_string(),
        multi_label: true,
        batch_size: 8,
        test_fraction: 0.2,
        ..ImageConfig::default()
    };
    blocks
}

#[test]
fn pictures_with_several_labels_train_and_are_scored() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut blocks = with_several_labels(folder.path());
    let (_, outcome) = train(assemble(&blocks), &plain(4), &folder.path().join("run"), Start::Scratch, u64::MAX);
    let scores: BTreeMap<String, f64> = outcome.scores.unwrap().metrics;
    for name in ["f1_micro", "f1_macro", "map", "exact_match", "loss"] {
        assert!(scores.contains_key(name), "{name}: {scores:?}");
    }
    blocks.task.focal_gamma = 2.0;
    let device = Default::default();
    let refused = ImageClassificationJob::assemble::<B>(&blocks, &AssembleContext::new(&device, 7)).err().unwrap();
    assert!(refused.to_string().contains("focal_gamma"), "{refused}");
}

#[test]
fn views_of_pictures_with_several_labels_are_averaged_label_by_label() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut blocks = with_several_labels(folder.path());
    blocks.task.test_views = TestViews::Flip;
    let Assembled { mut task, model, splits, .. } = assemble(&blocks);
    let (device, model) = (Default::default(), model.valid());
    let test = splits.test.unwrap();
    task.begin_test();
    let scores = task.evaluate(&model, &mut test.iter(), &device).unwrap();
    let (mut surprise, mut count) = (0.0, 0.0);
    for batch in test.iter() {
        let Batch::Pictures(batch) = batch.unwrap() else { panic!("no pictures") };
        let Labels::Multi { there, .. } = &batch.labels else { panic!("one label") };
        let probabilities = numbers(sigmoid(logits_of_views(&model, &batch)));
        for (place, there) in there.iter().enumerate() {
            let (picture, label) = (place / 2, place % 2);
            let of = |view: usize| probabilities[(2 * picture + view) * 2 + label];
            let mean = 0.5 * (of(0) + of(1));
            surprise -= if *there > 0.5 { mean.ln() } else { (1.0 - mean).ln() };
            count += 1.0;
        }
    }
    assert!((scores["loss"] - surprise / count).abs() < 1e-5, "{} is not {}", scores["loss"], surprise / count);
}
