//! Autoencoders as a user types it: every config, generation, embedding and its map, pretrained encoders, and what is refused.

mod support;

use std::{collections::BTreeSet, fs, path::Path};

use data::image::{Image, digits, png};
use support::{config, refused, score, train, train_config};

/// Small enough for a test.
const TINY: &str = "data.batch_size=8 data.validation_fraction=0.01 training.max_steps=4 task.shown_samples=16";

/// A picture that can be decoded and is not of one colour; its size.
#[track_caller]
fn assert_shows_something(path: &Path) -> [usize; 2] {
    let picture = Image::read(path, 3).unwrap();
    let levels: BTreeSet<&u8> = picture.pixels.iter().collect();
    assert!(levels.len() > 1, "{} is of one colour", path.display());
    [picture.width, picture.height]
}

fn samples_of(run: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(run.join("samples")).unwrap() {
        let path = entry.unwrap().path();
        assert_shows_something(&path);
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    names
}

/// Pictures of digits as files, in a folder per class.
fn write_digits(folder: &Path, count: usize) {
    for picture in digits::pictures().into_iter().take(count) {
        let class = folder.join(digits::CLASSES[picture.label]);
        fs::create_dir_all(&class).unwrap();
        fs::write(class.join(picture.name.rsplit('/').next().unwrap()), png(&picture.image)).unwrap();
    }
}

#[test]
fn every_config_goes_the_whole_way() {
    let desk = tempfile::tempdir().unwrap();
    for (name, kinds) in [
        ("autoencoder-digits", &["walk", "walk-animated"][..]),
        ("denoise-digits", &["walk", "walk-animated"]),
        ("denoise-mnist", &["walk", "walk-animated"]),
        ("vae-digits", &["reconstructions", "walk", "walk-animated"]),
        ("vae-mnist", &["reconstructions", "walk", "walk-animated"]),
        ("vq-vae-cifar10", &[]),
    ] {
        let settings = format!("{TINY} data.source=\"embedded:digits\" data.train_images_per_class=4");
        train_config(desk.path(), &format!("generative/{name}.toml"), name, &settings, &[]);
        let run = desk.path().join("runs").join(name);
        let samples = samples_of(&run);
        for kind in kinds {
            assert!(samples.iter().any(|sample| sample.contains(&format!("-{kind}."))), "{name}: {kind}: {samples:?}");
        }
        let report = fs::read_to_string(run.join("report.html")).unwrap();
        let section = if name.starts_with("vq") { "Codes" } else { "Latent map" };
        assert!(report.contains(section), "{name}");
    }
}

#[test]
fn stages_pretrain_an_encoder_for_few_labels() {
    let desk = tempfile::tempdir().unwrap();
    for name in ["few-labels-digits.toml", "autoencoder-digits.toml"] {
        let shipped = fs::read_to_string(config(&format!("generative/{name}"))).unwrap();
        let short = shipped
            .replace("epochs = 8", "max_steps = 4")
            .replace("max_steps = 300", "max_steps = 4")
            .replace("[data]\n", "[data]\nvalidation_fraction = 0.01\n");
        fs::write(desk.path().join(name), short).unwrap();
    }
    train(desk.path(), &["--config", "few-labels-digits.toml", "--backend", "ndarray"]);
    let log = fs::read_to_string(desk.path().join("runs/few-labels-digits/train.log")).unwrap();
    assert!(log.contains("the encoder is loaded; random: head.bias, head.weight"), "{log}");
    let report = fs::read_to_string(desk.path().join("runs/few-labels-digits/report.html")).unwrap();
    for part in ["Compared with", "few-labels-from-scratch", "What predictions rest on"] {
        assert!(report.contains(part), "{part}");
    }
    let config = config("generative/few-labels-digits.toml");
    let refuse = |setting: &str| {
        let arguments =
            ["--config", config.to_str().unwrap(), "--name", "other", "--set", setting, "--set", "stages=[]"];
        refused(desk.path(), &arguments)
    };
    let error = refuse("model.hidden_sizes=[64]");
    assert!(error.contains("model.pretrained") && error.contains("another one"), "{error}");
    let error = refuse("model.pretrained=\"resnet18\"");
    assert!(error.contains("run:NAME"), "{error}");
}

#[test]
fn a_vae_draws_and_embeds_and_its_codes_are_mapped() {
    let desk = tempfile::tempdir().unwrap();
    let settings = format!(
        "{TINY} data.train_images_per_class=20 training.max_steps=30 task.iwae_samples=3 model.channels=[] \
         model.hidden_sizes=[32] model.latent_size=4"
    );
    let file = "generative/vae-digits.toml";
    train_config(desk.path(), file, "plain", &format!("{settings} model.class_embedding_size=0"), &[]);
    let scores = train(desk.path(), &["eval", "--run", "plain"]);
    let [bound, better] = ["elbo", "log_likelihood"].map(|name| score(&scores, name));
    assert!(better > bound, "{scores}");
    assert!((score(&scores, "reconstruction") + score(&scores, "divergence") + bound).abs() < 0.1, "{scores}");
    train(desk.path(), &["generate", "--run", "plain", "--n", "9", "--out", "nine.png"]);
    assert_eq!(assert_shows_something(&desk.path().join("nine.png")), [3 * 28 + 2; 2]);

    write_digits(&desk.path().join("photos"), 40);
    let said = train(desk.path(), &["embed", "--run", "plain", "--input", "photos", "--out", "codes.npy"]);
    assert!(said.contains("4 numbers for each of 40 pictures") && said.contains("codes.labels.txt"), "{said}");
    let arguments = ["--input", "codes.npy", "--labels", "codes.labels.txt", "--plot", "map.png"];
    let said = train(desk.path(), &[&["reduce", "--method", "pca"][..], &arguments].concat());
    assert!(said.contains("40 points of 4 numbers"), "{said}");
    assert_shows_something(&desk.path().join("map.png"));
    let quick = ["--set", "epochs=3", "--set", "hidden=[8]", "--noise", "0.3", "--out", "two.csv"];
    let said = train(desk.path(), &[&["reduce", "--method", "autoencoder", "--input", "photos"][..], &quick].concat());
    for part in ["autoencoder: 3 epochs", "of the variance is rebuilt", "trustworthiness", "without noise"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(fs::read_to_string(desk.path().join("two.csv")).unwrap().starts_with("name,x,y,label\n"));
    train(desk.path(), &["embed", "--run", "plain", "--input", "photos", "--out", "codes.csv"]);
    let table = fs::read_to_string(desk.path().join("codes.csv")).unwrap();
    assert!(table.starts_with("name,label,f1,f2,f3,f4\n") && table.lines().count() == 41, "{table}");

    let error = refused(desk.path(), &["embed", "--run", "plain", "--input", "photos", "--out", "codes.txt"]);
    assert!(error.contains("codes.txt") && error.contains(".npy"), "{error}");
    let error = refused(desk.path(), &["embed", "--run", "plain", "--input", "nowhere", "--out", "codes.npy"]);
    assert!(error.contains("nowhere"), "{error}");

    train_config(desk.path(), file, "conditional", &settings, &[]);
    train(desk.path(), &["generate", "--run", "conditional", "--n", "20", "--out", "classes.png"]);
    assert_eq!(assert_shows_something(&desk.path().join("classes.png")), [10 * 28 + 9, 2 * 28 + 1]);
    let error = refused(desk.path(), &["embed", "--run", "conditional", "--input", "photos", "--out", "codes.npy"]);
    assert!(error.contains("class_embedding_size"), "{error}");
}

#[test]
fn a_run_in_two_parts_ends_as_one_in_one_part() {
    let desk = tempfile::tempdir().unwrap();
    for (job, more) in [
        ("vq-vae-cifar10", "model.channels=8 model.residual_channels=4 model.codebook.codes=16"),
        ("denoise-digits", ""),
        ("vae-digits", "task.binarize=\"dynamic\""),
    ] {
        let settings = format!(
            "{TINY} data.train_images_per_class=8 data.source=\"embedded:digits\" {more} training.validate_every=\"never\" \
             training.checkpoint_every=\"never\" lr_scheduler.kind=\"constant\""
        );
        let file = format!("generative/{job}.toml");
        let [whole, parts] = ["whole", "parts"].map(|part| format!("{job}-{part}"));
        train_config(desk.path(), &file, &whole, &settings, &[]);
        train_config(desk.path(), &file, &parts, &settings.replace("max_steps=4", "max_steps=2"), &[]);
        let path = config(&file);
        let more =
            ["--config", path.to_str().unwrap(), "--backend", "ndarray", "--name", &parts, "--resume", "--quiet"];
        let settings: Vec<&str> = settings.split_whitespace().flat_map(|setting| ["--set", setting]).collect();
        train(desk.path(), &[&more[..], &settings].concat());
        let weights = |name: &str| {
            fs::read(desk.path().join("runs").join(name).join("checkpoints/step-4/model.safetensors")).unwrap()
        };
        assert!(weights(&whole) == weights(&parts), "{job}: all weights, and the running means of a codebook");
    }
}
