//! GANs as a user types them: every config, pictures and ways between them, what is refused, and runs that are killed.

mod support;

use std::{collections::BTreeMap, fs, path::Path};

use burn::{backend::NdArray, tensor::TensorData};
use data::image::{Image, png};
use generative::metrics::inception::InceptionV3;
use support::{config, refused, score, settings, train, train_config};
use training_loop::weights;

/// Small networks, few pictures.
const TINY: &str = "model.base_channels=4 model.latent_size=8 data.train_images_per_class=8 data.batch_size=8 task.classifier_steps=4 \
                    task.scored_images=90 task.samples=20 training.validate_every=\"2_steps\" training.log_every=\"1_step\" \
                    training.checkpoint_every=\"2_steps\"";

/// [`TINY`] and more, for `--set`; an interval has no space in it here.
fn train_tiny(desk: &Path, file: &str, name: &str, more: &str, flags: &[&str]) -> String {
    let config = config(&format!("generative/{file}"));
    let mut arguments = vec!["--config", config.to_str().unwrap(), "--backend", "ndarray", "--name", name, "--quiet"];
    let settings = settings(&format!("{TINY} {more}"));
    arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    arguments.extend(flags);
    train(desk, &arguments)
}

/// Colour pictures of two classes.
fn write_photos(folder: &Path, size: usize) {
    for class in ["sky", "sunset"] {
        fs::create_dir_all(folder.join(class)).unwrap();
        for number in 0..20 {
            let base = if class == "sky" { [60, 120, 200] } else { [220, 110, 40] };
            let shade = |at: usize| ((at * 7 + number * 13) % 30) as u8;
            let pixels = (0..size * size).flat_map(|at| base.map(|level: u8| level + shade(at))).collect();
            let picture = png(&Image { width: size, height: size, channels: 3, pixels });
            fs::write(folder.join(class).join(format!("{number}.png")), picture).unwrap();
        }
    }
}

#[track_caller]
fn picture(path: &Path) -> Image {
    let picture = Image::read(path, 3).unwrap();
    assert!(picture.pixels.iter().any(|level| *level != picture.pixels[0]), "{} is of one colour", path.display());
    picture
}

#[test]
fn every_config_goes_the_whole_way() {
    let desk = tempfile::tempdir().unwrap();
    write_photos(&desk.path().join("photos"), 32);
    let mut seen = 0;
    for entry in fs::read_dir(config("generative/gan-digits.toml").parent().unwrap()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !fs::read_to_string(config(&format!("generative/{name}"))).unwrap().contains("job = \"gan\"") {
            continue;
        }
        let settings = "data.source=\"photos\" data.test_fraction=0.2 data.validation_fraction=0.2";
        train_tiny(desk.path(), &name, &format!("tried-{seen}"), settings, &["--fast-dev-run"]);
        seen += 1;
    }
    assert!(seen >= 3, "{seen}");
}

#[test]
fn digits_are_made_scored_and_shown() {
    let desk = tempfile::tempdir().unwrap();
    train_tiny(desk.path(), "gan-digits.toml", "digits", "training.max_steps=4", &[]);
    let run = desk.path().join("runs/digits");
    // 20 pictures of 28 pixels in a square grid, a pixel apart.
    let grid = picture(&run.join("samples/step-000004.png"));
    assert_eq!((grid.width, grid.height), (5 * 29 - 1, 4 * 29 - 1));
    assert_eq!(&fs::read(run.join("samples/over-time.gif")).unwrap()[..6], b"GIF89a");
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    for part in [
        "Samples over time",
        "Training in motion",
        "Generated and real",
        "Nearest training pictures",
        "Adversarial loss",
    ] {
        assert!(report.contains(part), "{part}");
    }
    let log = fs::read_to_string(run.join("train.log")).unwrap();
    assert!(log.contains("feature network: 4 steps") && log.contains("the floor"), "{log}");

    let [first, again] = [(), ()].map(|()| train(desk.path(), &["eval", "--run", "digits", "--backend", "ndarray"]));
    assert_eq!(first, again);
    assert!(score(&first, "fid") > 0.0 && score(&first, "diversity") > 0.0, "{first}");

    let generate = |more: &[&str]| {
        let mut arguments = vec!["generate", "--run", "digits", "--backend", "ndarray"];
        arguments.extend(more);
        train(desk.path(), &arguments)
    };
    assert!(generate(&["--n", "9", "--out", "nine.png"]).starts_with("nine.png"));
    let nine = picture(&desk.path().join("nine.png"));
    assert_eq!((nine.width, nine.height), (3 * 29 - 1, 3 * 29 - 1));
    generate(&["--n", "2", "--interpolate", "--frames", "5", "--out", "ways.png"]);
    let ways = picture(&desk.path().join("ways.png"));
    assert_eq!((ways.width, ways.height), (5 * 29 - 1, 2 * 29 - 1));
    generate(&["--n", "4", "--interpolate", "--frames", "6", "--out", "walk.gif"]);
    let walk = picture(&desk.path().join("walk.gif"));
    assert_eq!((walk.width, walk.height), (2 * 29 - 1, 2 * 29 - 1));

    let refuse = |more: &[&str]| {
        let mut arguments = vec!["generate", "--run", "digits"];
        arguments.extend(more);
        refused(desk.path(), &arguments)
    };
    assert!(refuse(&["--class", "7"]).contains("leave out --class"));
    assert!(refuse(&["--out", "still.gif"]).contains("--interpolate"));
}

#[test]
fn pictures_are_made_by_class() {
    let desk = tempfile::tempdir().unwrap();
    write_photos(&desk.path().join("photos"), 16);
    let settings = "data.source=\"photos\" data.test_fraction=0.2 data.validation_fraction=0.2 training.max_steps=4";
    train_tiny(desk.path(), "conditional-gan-cifar10.toml", "skies", settings, &[]);
    // A row for each class.
    let grid = picture(&desk.path().join("runs/skies/samples/step-000004.png"));
    assert_eq!((grid.width, grid.height), (10 * 17 - 1, 2 * 17 - 1));
    let scores = train(desk.path(), &["eval", "--run", "skies", "--backend", "ndarray"]);
    assert!((0.0..=1.0).contains(&score(&scores, "class_accuracy")), "{scores}");
    let generate = |class: &str, out: &str| {
        let arguments =
            ["generate", "--run", "skies", "--backend", "ndarray", "--class", class, "--n", "4", "--out", out];
        train(desk.path(), &arguments);
        picture(&desk.path().join(out))
    };
    let by_name = generate("sunset", "sunsets.png");
    assert_eq!(by_name, generate("1", "ones.png"));
    assert_ne!(by_name, generate("sky", "skies.png"));
    let error = refused(desk.path(), &["generate", "--run", "skies", "--class", "cat"]);
    assert!(error.contains("sky, sunset") && error.contains("0 to 1"), "{error}");
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let desk = tempfile::tempdir().unwrap();
    write_photos(&desk.path().join("photos"), 50);
    let other = BTreeMap::from([("weight".to_string(), TensorData::from([1.0_f32]))]);
    fs::write(desk.path().join("other.safetensors"), weights::to_safetensors(&other).unwrap()).unwrap();
    let config = config("generative/gan-digits.toml");
    for (settings, parts) in [
        ("data.source=\"photos\"", &["data.image_size", "50 is not", "48 or 56"][..]),
        ("model.latent_size=0", &["latent_size", "at least 1"]),
        ("task.loss=\"wassserstein\"", &["wasserstein"]),
        (
            "task.loss=\"wasserstein\" model.discriminator_norm=\"batch\"",
            &["discriminator_norm", "gradient_penalty", "spectral"],
        ),
        ("model.architecture=\"mlp\" model.discriminator_norm=\"batch\"", &["discriminator_norm", "dcgan"]),
        ("data.source=\"photos\" data.image_size=32 data.labelled=false", &["task.features", "random"]),
        (
            "data.source=\"photos\" data.image_size=32 data.labelled=false task.features=\"none\" model.conditional=\"projection\"",
            &["model.conditional", "classes"],
        ),
        ("data.normalize=\"training\"", &["data.normalize", "-1 to 1"]),
        (
            "task.features=\"inception\" task.inception_weights=\"inception.pth\"",
            &["task.inception_weights", "inception.pth", "no such file"],
        ),
        (
            "task.features=\"inception\" task.inception_weights=\"other.safetensors\"",
            &["other.safetensors", "`Conv2d_1a_3x3.conv.weight`", "pytorch-fid"],
        ),
    ] {
        let mut arguments = vec!["--config", config.to_str().unwrap(), "--backend", "ndarray", "--name", "wrong"];
        arguments.extend(settings.split_whitespace().flat_map(|setting| ["--set", setting]));
        let error = refused(desk.path(), &arguments);
        let folded = error.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in parts {
            assert!(folded.contains(part), "{settings}: {part}: {folded}");
        }
    }
}

#[test]
fn pictures_without_classes_are_scored_by_random_features() {
    let desk = tempfile::tempdir().unwrap();
    write_photos(&desk.path().join("photos"), 16);
    let settings = "data.source=\"photos\" data.labelled=false data.test_fraction=0.2 task.features=\"random\" training.max_steps=2 \
                    model.architecture=\"mlp\" model.hidden_size=16 task.r1=1.0";
    train_tiny(desk.path(), "gan-digits.toml", "any", settings, &[]);
    picture(&desk.path().join("runs/any/samples/step-000002.png"));
}

/// The weights are made up, so the distance means nothing; `generate` has no use for them.
#[test]
fn pictures_are_scored_by_a_file_of_inception() {
    let desk = tempfile::tempdir().unwrap();
    write_photos(&desk.path().join("photos"), 16);
    let made_up = InceptionV3::<NdArray>::tensors().into_iter().map(|(name, shape)| {
        let factor = if shape.len() > 1 { (24.0 / shape[1..].iter().product::<usize>() as f32).sqrt() } else { 1.0 };
        let offset = if shape.len() > 1 { -0.5 } else { 0.0 };
        let number = |place: usize| ((place * 7919 % 1009) as f32 / 1009.0 + offset) * factor;
        (name, TensorData::new((0..shape.iter().product()).map(number).collect(), shape))
    });
    let file = desk.path().join("inception.safetensors");
    fs::write(&file, weights::to_safetensors(&made_up.collect()).unwrap()).unwrap();
    let settings = "data.source=\"photos\" data.labelled=false data.test_fraction=0.2 training.max_steps=2 model.architecture=\"mlp\" \
                    model.hidden_size=16 task.features=\"inception\" task.inception_weights=\"inception.safetensors\" task.scored_images=65";
    train_tiny(desk.path(), "gan-digits.toml", "published", settings, &[]);
    let scores = train(desk.path(), &["eval", "--run", "published", "--backend", "ndarray"]);
    assert!(score(&scores, "fid") > 0.0, "{scores}");
    fs::remove_file(file).unwrap();
    train(desk.path(), &["generate", "--run", "published", "--n", "4", "--out", "four.png", "--backend", "ndarray"]);
    picture(&desk.path().join("four.png"));
    let error = refused(desk.path(), &["eval", "--run", "published", "--backend", "ndarray"]);
    assert!(error.contains("task.inception_weights") && error.contains("inception.safetensors"), "{error}");
}

/// Of a run's last checkpoint: its files, by name.
fn last(desk: &Path, run: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = desk.join("runs").join(run).join("checkpoints/step-6");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let tensors = files.filter(|path| path.extension().is_some_and(|end| end == "safetensors"));
    tensors.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())).collect()
}

#[test]
fn a_run_that_goes_on_ends_as_one_that_never_stopped() {
    let desk = tempfile::tempdir().unwrap();
    for (file, more) in
        [("gan-digits.toml", ""), ("gan-digits.toml", "task.loss=\"hinge\" task.n_critic=2 task.r1=1 task.r1_every=2")]
    {
        let name = |part: &str| format!("{part}-{}", more.len());
        train_tiny(desk.path(), file, &name("whole"), &format!("{more} training.max_steps=6"), &[]);
        train_tiny(desk.path(), file, &name("halves"), &format!("{more} training.max_steps=4"), &[]);
        // As a kill after the first checkpoint leaves it.
        let stopped = desk.path().join("runs").join(name("halves"));
        fs::remove_dir_all(stopped.join("checkpoints/step-4")).unwrap();
        fs::write(stopped.join("checkpoints/last"), "step-2").unwrap();
        let resume = ["--resume", &name("halves"), "--set", "training.max_steps=6", "--quiet"];
        train(desk.path(), &resume);
        let [whole, halves] = ["whole", "halves"].map(|part| last(desk.path(), &name(part)));
        assert!(whole.len() >= 4 && whole == halves, "{more}: {:?}", whole.keys());
        let grid =
            |part: &str| fs::read(desk.path().join("runs").join(name(part)).join("samples/step-000006.png")).unwrap();
        assert_eq!(grid("whole"), grid("halves"));
    }
}

#[test]
fn a_job_that_makes_no_pictures_says_so() {
    let desk = tempfile::tempdir().unwrap();
    let settings = "model.embedding_size=8 model.hidden_size=8 training.max_steps=1";
    train_config(desk.path(), "./quickstart.toml", "words", settings, &[]);
    for (flag, value) in [("--class", Some("7")), ("--interpolate", None)] {
        let mut arguments = vec!["generate", "--run", "words", flag];
        arguments.extend(value);
        let error = refused(desk.path(), &arguments);
        assert!(error.contains(flag) && error.contains("language-model"), "{error}");
    }
}
