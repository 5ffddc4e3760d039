//! Pictures as a user types it: every config, transfer in stages, evaluation, prediction with heat maps, and what is refused.

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    thread,
};

use data::image::{
    EmbeddedPicture, Image, png,
    shapes::{CLASSES, Domain, pictures},
};
use support::{config, refused, score, train, train_config};

/// Pictures of a domain as files, `count` of each of three classes, in a folder per class.
fn write_shapes(folder: &Path, domain: Domain, count: usize) {
    for picture in few(domain, count) {
        let class = folder.join(CLASSES[picture.label]);
        fs::create_dir_all(&class).unwrap();
        let name = picture.name.rsplit('/').next().unwrap().to_string();
        fs::write(class.join(name), png(&picture.image)).unwrap();
    }
}

fn few(domain: Domain, count: usize) -> impl Iterator<Item = EmbeddedPicture> {
    pictures(domain).into_iter().take(10 * count).filter(|picture| picture.label < 3)
}

/// A picture of one colour and its shades.
fn coloured(class: &str, number: usize) -> Image {
    let base = if class == "sky" { [60, 120, 200] } else { [220, 110, 40] };
    let shade = |at: usize| ((at * 7 + number * 13) % 30) as u8;
    let pixels = (0..32 * 32).flat_map(|at| base.map(|level: u8| level + shade(at))).collect();
    Image { width: 32, height: 32, channels: 3, pixels }
}

/// Small enough for a test: a tiny network, few pictures.
const TINY: &str = "data.train_images_per_class=4 data.batch_size=8 model.architecture=\"resnet8\"";

#[test]
fn every_config_goes_the_whole_way() {
    let desk = tempfile::tempdir().unwrap();
    write_shapes(&desk.path().join("photos"), Domain::Source, 12);
    let mut seen = 0;
    for entry in fs::read_dir(config("vision-transfer/quickstart-shapes.toml").parent().unwrap()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // Stages have a test of their own; networks and pictures are made smaller, and nothing is downloaded.
        if name == "quickstart-shapes.toml" {
            continue;
        }
        let vgg = name.contains("vgg");
        let settings = format!(
            "data.source=\"photos\" data.validation_fraction=0.2 data.batch_size=4 model.pretrained=\"none\" model.architecture=\"{}\" \
             data.image_size={}",
            if vgg { "vgg11" } else { "resnet18" },
            if name.contains("resnet20") || name.contains("shapes") { 32 } else { 64 },
        );
        let run = format!("tried-{seen}");
        train_config(desk.path(), &format!("vision-transfer/{name}"), &run, &settings, &["--fast-dev-run"]);
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
}

#[test]
fn stages_pretrain_and_the_report_compares() {
    let desk = tempfile::tempdir().unwrap();
    // Copies whose stages are short: settings of the command line are for the last run alone.
    for name in ["quickstart-shapes.toml", "pretrain-shapes.toml"] {
        let shipped = fs::read_to_string(config(&format!("vision-transfer/{name}"))).unwrap();
        let short = shipped
            .replace("epochs = 12", "max_steps = 4")
            .replace("max_steps = 400", "max_steps = 4")
            .replace("train_images_per_class = 10", "train_images_per_class = 4")
            .replace("[data]\n", "[data]\nvalidation_fraction = 0.02\n");
        fs::write(desk.path().join(name), short).unwrap();
    }
    train(desk.path(), &["--config", "quickstart-shapes.toml", "--backend", "ndarray"]);
    let log = fs::read_to_string(desk.path().join("runs/quickstart-shapes/train.log")).unwrap();
    assert!(log.contains("loaded") && log.contains("checkpoints/step-4"), "{log}");
    let report = fs::read_to_string(desk.path().join("runs/quickstart-shapes/report.html")).unwrap();
    for part in ["Compared with", "shapes-from-scratch", "Training pictures", "Worst mistakes", "Calibration"] {
        assert!(report.contains(part), "{part}");
    }
}

#[test]
fn pictures_are_learned_and_new_ones_classified_and_explained() {
    let desk = tempfile::tempdir().unwrap();
    for number in 0..40 {
        for class in ["sky", "sunset"] {
            let folder = desk.path().join("photos").join(class);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(format!("{number}.png")), png(&coloured(class, number))).unwrap();
        }
    }
    let settings =
        "data.source=\"photos\" data.test_fraction=0.2 data.batch_size=8 training.epochs=6 task.test_views=\"flip\"";
    train_config(desk.path(), "vision-transfer/pretrain-shapes.toml", "photos", settings, &[]);
    let scores = train(desk.path(), &["eval", "--run", "photos"]);
    assert!(score(&scores, "accuracy") > 0.9, "{scores}");
    let page = fs::read_to_string(desk.path().join("runs/photos/report/test-pictures.json")).unwrap();
    assert!(page.contains("What predictions rest on") && page.contains("iVBORw0KGgo"), "pictures are embedded as PNG");

    for class in ["sky", "sunset"] {
        fs::write(desk.path().join(format!("a-{class}.png")), png(&coloured(class, 99))).unwrap();
    }
    let said = train(desk.path(), &["predict", "--run", "photos", "a-sky.png", "a-sunset.png", "--explain", "heat"]);
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].starts_with("sky ") && lines[0].ends_with("a-sky.png") && lines[1].starts_with("sunset "),
        "{said}"
    );
    let maps: Vec<_> = fs::read_dir(desk.path().join("heat")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(maps.len(), 2);
    for map in maps {
        let heated = Image::read(&map, 3).unwrap();
        assert_eq!((heated.width, heated.height), (32, 32), "{}", map.display());
    }
    // Pictures of several folders may have the same name.
    train(
        desk.path(),
        &["predict", "--run", "photos", "photos/sky/1.png", "photos/sky/../sky/1.png", "--explain", "both"],
    );
    let mut names: Vec<_> =
        fs::read_dir(desk.path().join("both")).unwrap().map(|map| map.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["1-sky-2.png", "1-sky.png"]);
    train(desk.path(), &["predict", "--run", "photos", "a-sunset.png", "--output", "classes.csv"]);
    let table = fs::read_to_string(desk.path().join("classes.csv")).unwrap();
    assert!(table.starts_with("file,class,sky,sunset\na-sunset.png,sunset,"), "{table}");

    fs::write(desk.path().join("page.png"), "<html>").unwrap();
    for (file, part) in [("page.png", "not a picture"), ("gone.png", "gone.png")] {
        let error = refused(desk.path(), &["predict", "--run", "photos", file]);
        assert!(error.contains(file) && error.contains(part), "{error}");
    }
}

#[test]
fn weights_move_between_runs_and_what_does_not_fit_is_said() {
    let desk = tempfile::tempdir().unwrap();
    write_shapes(&desk.path().join("photos"), Domain::Target, 12);
    let file = "vision-transfer/pretrain-shapes.toml";
    let base = format!("{TINY} training.max_steps=2 data.validation_fraction=0.1");
    train_config(desk.path(), file, "first", &base, &[]);
    let moved =
        format!("{base} data.source=\"photos\" model.pretrained=\"run:first\" task.fine_tuning={{linear_probe=true}}");
    train_config(desk.path(), file, "second", &moved, &[]);
    let log = fs::read_to_string(desk.path().join("runs/second/train.log")).unwrap();
    for part in ["head linear", "replaced", "features of the training part", "kept", "195 of 74,835 parameters train"] {
        assert!(log.contains(part), "{part}: {log}");
    }
    let refuse = |settings: &str| {
        let config = config(file);
        let mut arguments = vec!["--config", config.to_str().unwrap(), "--backend", "ndarray", "--name", "third"];
        arguments.extend(settings.split_whitespace().flat_map(|setting| ["--set", setting]));
        let error = refused(desk.path(), &arguments);
        assert!(!desk.path().join("runs/third").exists(), "{error}");
        error
    };
    for (settings, parts) in [
        ("model.pretrained=\"run:nowhere\"", &["the run nowhere", "[[stages]]"][..]),
        ("model.pretrained=\"resnet51\"", &["did you mean \"resnet50\"?"]),
        ("model.pretrained=\"resnet50\"", &["weights of resnet50", "`model.architecture` is resnet8"]),
        ("model.pretrained=\"run:first\" model.architecture=\"resnet20\"", &["layer1.1"]),
        (
            "model.architecture=\"resnet20\" task.fine_tuning.freeze=[\"layer7\"]",
            &["layer7", "stem, layer1, layer2, layer3, head"],
        ),
        ("model.architecture=\"vgg11\" data.image_size=16", &["data.image_size", "32"]),
        ("task.fine_tuning={linear_probe=true,unfreeze_every=5}", &["unfreeze_every", "linear_probe"]),
    ] {
        let error = refuse(&format!("{base} {settings}"));
        for part in parts {
            assert!(error.contains(part), "{settings}: {part}: {error}");
        }
    }
}

/// The same weights give the same scores on wgpu, on a GPU or on Mesa's software driver.
#[cfg(feature = "wgpu")]
#[test]
fn wgpu_scores_like_the_cpu() {
    let desk = tempfile::tempdir().unwrap();
    write_shapes(&desk.path().join("photos"), Domain::Source, 10);
    let settings = format!(
        "{TINY} data.source=\"photos\" data.validation_fraction=0.2 data.test_fraction=0.2 training.max_steps=3 \
         task.grad_cam=2"
    );
    train_config(desk.path(), "vision-transfer/pretrain-shapes.toml", "tiny", &settings, &[]);
    support::scores_on_wgpu_as_on_the_cpu(desk.path(), "tiny");
}

/// Runs `resnet20` with the published weights for a few steps: exit code, and all that is printed. `environment` says where they
/// are looked for.
fn with_published_weights(desk: &Path, environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let config = config("vision-transfer/pretrain-shapes.toml");
    let mut arguments = vec!["--config", config.to_str().unwrap(), "--backend", "ndarray", "--fast-dev-run"];
    let settings =
        ["data.train_images_per_class=4", "model.architecture=\"resnet20\"", "model.pretrained=\"cifar10-resnet20\""];
    arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    let (code, output, error) = support::run(desk, &arguments, environment);
    // Messages are folded at the width of a terminal.
    (code, format!("{output}{error}").split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" "))
}

#[test]
fn published_weights_are_checked_and_without_a_network_it_is_said_where_they_go() {
    let desk = tempfile::tempdir().unwrap();
    let [cache, torch] = ["cache", "torch"].map(|name| desk.path().join(name).display().to_string());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = format!("http://{}", listener.local_addr().unwrap());
    // As a proxy that wants a password first.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = BufReader::new(stream.try_clone().unwrap()).lines();
            request.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            let page = "<html>Who are you?</html>";
            let length = page.len();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}").unwrap();
        }
    });
    let file = Path::new(&cache).join("weights/resnet20-12fca82f.th");
    // No server is at port 1.
    for (mirror, parts) in [
        (mirror.as_str(), &["its checksum is", "expected SHA-256 12fca82f"][..]),
        ("http://127.0.0.1:1", &["cannot download", "is there a network?"]),
    ] {
        let environment = [("KILN_CACHE", cache.as_str()), ("TORCH_HOME", &torch), ("KILN_MIRROR", mirror)];
        let (code, printed) = with_published_weights(desk.path(), &environment);
        assert_eq!(code, Some(2), "{printed}");
        let by_hand = format!("download it elsewhere and put it at {}", file.display());
        for part in parts.iter().copied().chain([by_hand.as_str()]) {
            assert!(printed.contains(part), "{part}: {printed}");
        }
        assert!(!file.exists());
    }
}

/// Where the real data and weights are, for tests that need these files of it; none where one is missing.
fn real_data(files: &[&str]) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("KILN_DATA").map_or(folder, Into::into);
    if let Some(missing) = files.iter().map(|file| folder.join(file)).find(|path| !path.exists()) {
        eprintln!("passed over: {} is not there", missing.display());
        return None;
    }
    Some(folder.canonicalize().unwrap())
}

const RESNET20: &str = "weights/cifar10-resnet/resnet20-12fca82f.th";

#[test]
fn weights_that_torch_hub_has_need_no_network() {
    let Some(data) = real_data(&[RESNET20]) else { return };
    let desk = tempfile::tempdir().unwrap();
    let [cache, torch] = ["cache", "torch"].map(|name| desk.path().join(name).display().to_string());
    let checkpoints = Path::new(&torch).join("hub/checkpoints");
    fs::create_dir_all(&checkpoints).unwrap();
    fs::copy(data.join(RESNET20), checkpoints.join("resnet20-12fca82f.th")).unwrap();
    let environment = [("KILN_CACHE", cache.as_str()), ("TORCH_HOME", &torch), ("KILN_MIRROR", "http://127.0.0.1:1")];
    let (code, printed) = with_published_weights(desk.path(), &environment);
    assert_eq!(code, Some(0), "{printed}");
    // Pictures are scaled as they were for the weights.
    for part in ["loaded 97 tensors", "mean 0.485 0.456 0.406"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

/// The pictures of PyTorch's tutorial on transfer learning, under the published ResNet-20.
#[test]
fn few_real_images_are_read_and_a_published_network_gets_a_head_for_them() {
    let Some(data) = real_data(&["hymenoptera/hymenoptera_data.tar.gz", RESNET20]) else { return };
    let desk = tempfile::tempdir().unwrap();
    let shipped = fs::read_to_string(config("vision-transfer/few-images-finetune.toml")).unwrap();
    let whole = shipped.replace("train_images_per_class = 20\n", "");
    assert_ne!(whole, shipped);
    fs::write(desk.path().join("whole.toml"), whole).unwrap();
    let arguments = ["--config", "whole.toml", "--backend", "ndarray", "--fast-dev-run"];
    let (code, printed, error) = support::run(desk.path(), &arguments, &[("KILN_DATA", data.to_str().unwrap())]);
    assert_eq!(code, Some(0), "{error}");
    let printed = printed + &error;
    // One file of the archive is a placeholder in place of a photo.
    for part in [
        "244 to learn from, 153 for validation",
        "ants (193), bees (204)",
        "head linear [10, 64] replaced by [2, 64]",
        "130 of 269,202 parameters train",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

/// The published ResNet-20 on the 10,000 test pictures, re-encoded as JPEG: decoders differ by a few levels, which turns some
/// pictures one way or the other.
#[test]
fn the_published_resnet20_scores_as_in_pytorch() {
    const PICTURES: &str = "cifar10-images/cifar10-full-50000-10000.tar.gz";
    let Some(data) = real_data(&[PICTURES, RESNET20]) else { return };
    let desk = tempfile::tempdir().unwrap();
    let settings = format!(
        "data.source=\"{}\" model.pretrained=\"{}\" data.normalize=\"auto\"",
        data.join(PICTURES).display(),
        data.join(RESNET20).display()
    );
    let file = "vision-transfer/cifar10-resnet20-from-scratch.toml";
    train_config(desk.path(), file, "published", &settings, &["--max-steps", "0"]);
    let scores = train(desk.path(), &["eval", "--run", "published", "--checkpoint", "last"]);
    let accuracy = score(&scores, "accuracy");
    assert!((accuracy - PYTORCH).abs() <= 0.003, "{accuracy}");
}

/// What `python benches/cifar10.py published` prints for the same checkpoint and pictures, decoded by Pillow.
const PYTORCH: f64 = 0.8103;
