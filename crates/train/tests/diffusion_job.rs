//! Diffusion as a user types it: the config, pictures by class, ways between them, what is refused, and a run that is killed.

mod support;

use std::{fs, path::Path};

use data::image::Image;
use support::{config, refused, score, settings, train};

/// A small network, few pictures, few steps of everything.
const TINY: &str = "model.base_channels=4 model.norm_groups=2 model.num_heads=2 data.train_images_per_class=8 data.batch_size=8 \
                    task.timesteps=40 task.sampling_steps=4 task.classifier_steps=4 task.scored_images=90 task.samples=20 \
                    training.validate_every=\"2_steps\" training.log_every=\"1_step\" training.checkpoint_every=\"2_steps\"";

/// [`TINY`] and more, for `--set`; an interval has no space in it here.
fn train_tiny(desk: &Path, name: &str, more: &str) {
    let config = config("generative/diffusion-digits.toml");
    let mut arguments = vec!["--config", config.to_str().unwrap(), "--backend", "ndarray", "--name", name, "--quiet"];
    let settings = settings(&format!("{TINY} {more}"));
    arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    train(desk, &arguments);
}

#[track_caller]
fn picture(path: &Path) -> Image {
    let picture = Image::read(path, 1).unwrap();
    assert!(picture.pixels.iter().any(|level| *level != picture.pixels[0]), "{} is of one shade", path.display());
    picture
}

#[test]
fn digits_appear_out_of_noise_and_are_scored() {
    let desk = tempfile::tempdir().unwrap();
    train_tiny(desk.path(), "digits", "training.max_steps=4");
    let run = desk.path().join("runs/digits");
    // Two of each class, a row a class, a pixel apart.
    let grid = picture(&run.join("samples/step-000004.png"));
    assert_eq!((grid.width, grid.height), (2 * 29 - 1, 10 * 29 - 1));
    for animation in ["step-000004-appearing.gif", "over-time.gif"] {
        assert_eq!(&fs::read(run.join("samples").join(animation)).unwrap()[..6], b"GIF89a", "{animation}");
    }
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    for part in ["Samples over time", "Generated and real", "Nearest training pictures", "Loss by noise"] {
        assert!(report.contains(part), "{part}");
    }
    let [first, again] = [(), ()].map(|()| train(desk.path(), &["eval", "--run", "digits", "--backend", "ndarray"]));
    assert_eq!(first, again);
    assert!(score(&first, "loss") > 0.0 && score(&first, "fid") > 0.0, "{first}");
    assert!((0.0..=1.0).contains(&score(&first, "class_accuracy")), "{first}");

    let generate = |more: &[&str], out: &str| {
        let mut arguments = vec!["generate", "--run", "digits", "--backend", "ndarray", "--out", out];
        arguments.extend(more);
        assert!(train(desk.path(), &arguments).starts_with(out));
        picture(&desk.path().join(out))
    };
    let all = generate(&["--n", "20"], "all.png");
    assert_eq!((all.width, all.height), (10 * 29 - 1, 2 * 29 - 1));
    let sevens = generate(&["--n", "4", "--class", "7"], "sevens.png");
    assert_eq!((sevens.width, sevens.height), (2 * 29 - 1, 2 * 29 - 1));
    let error = refused(desk.path(), &["generate", "--run", "digits", "--class", "cat"]);
    assert!(error.contains("no such class") && error.contains("0 to 9"), "{error}");
    let walk = generate(&["--n", "1", "--interpolate", "--frames", "5"], "walk.png");
    assert_eq!((walk.width, walk.height), (5 * 29 - 1, 28));
}

#[test]
fn a_run_that_goes_on_ends_as_one_that_never_stopped() {
    let desk = tempfile::tempdir().unwrap();
    train_tiny(desk.path(), "whole", "training.max_steps=4");
    train_tiny(desk.path(), "halves", "training.max_steps=2");
    train(desk.path(), &["--resume", "halves", "--set", "training.max_steps=4", "--quiet"]);
    let last = |run: &str| {
        let run = desk.path().join("runs").join(run);
        [run.join("checkpoints/step-4/model.safetensors"), run.join("samples/step-000004.png")]
            .map(|path| fs::read(path).unwrap())
    };
    assert!(last("whole") == last("halves"));
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let desk = tempfile::tempdir().unwrap();
    let config = config("generative/diffusion-digits.toml");
    for (settings, parts) in [
        ("data.image_size=30", &["data.image_size", "multiple of 4"][..]),
        ("model.patch_size=0", &["patch_size", "at least 1"]),
        ("model.patch_size=3", &["data.image_size", "multiple of 12", "smaller `model.patch_size`"]),
        ("model.channel_multipliers=[]", &["channel_multipliers", "a number a level"]),
        ("model.norm_groups=5", &["norm_groups", "divide `base_channels`"]),
        ("task.sampling_steps=2000", &["sampling_steps", "timesteps"]),
        ("data.labelled=false", &["task.conditional", "classes"]),
        ("data.normalize=\"training\"", &["data.normalize", "-1 to 1"]),
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
