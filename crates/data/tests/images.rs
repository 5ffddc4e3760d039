//! Pictures as a user has them: folders, archives, tables, data sets in their own formats, and what is wrong with them.

use data::audio::OnError;
use data::image::augment::{AugmentConfig, CropConfig, PadConfig, TestViews};
use data::image::{Image, ImageArtefact, ImageConfig, ImageData, Labels, Normalize, NormalizeRule, Statistics, png};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A picture of one colour, with its number in a corner.
fn picture(width: usize, height: usize, color: [u8; 3], number: u8) -> Image {
    let mut pixels: Vec<u8> = color.repeat(width * height);
    pixels[..3].copy_from_slice(&[number; 3]);
    Image { width, height, channels: 3, pixels }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// `count` pictures of 8 × 8 in each class folder below `root`.
fn write_classes(root: &Path, classes: &[&str], count: u8) {
    for (place, class) in classes.iter().enumerate() {
        for number in 0..count {
            let image = picture(8, 8, [40 * place as u8, 100, 200], number);
            write(&root.join(class).join(format!("{number:03}.png")), &png(&image));
        }
    }
}

fn of(path: &Path) -> ImageConfig {
    ImageConfig { source: path.display().to_string(), batch_size: 4, ..ImageConfig::default() }
}

fn load(config: &ImageConfig) -> ImageData {
    ImageData::load(config, None, &mut |_, _| {}).unwrap()
}

fn refusal(config: &ImageConfig) -> String {
    ImageData::load(config, None, &mut |_, _| {}).unwrap_err().to_string()
}

#[track_caller]
fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

fn sizes(data: &ImageData) -> [usize; 3] {
    data.facts.part_sizes
}

#[test]
fn a_folder_with_a_sub_folder_per_class_is_split_by_class() {
    let folder = tempfile::tempdir().unwrap();
    write_classes(folder.path(), &["dogs", "cats"], 20);
    write(&folder.path().join("cats/notes.txt"), b"not a picture");
    write(&folder.path().join("cats/placeholder.gif"), b"passed over by its extension");
    let data = load(&of(folder.path()));
    assert_eq!(data.classes, ["cats", "dogs"]);
    assert_eq!(sizes(&data), [32, 4, 4]);
    assert!(data.facts.classes.iter().all(|class| [class.train, class.validation, class.test] == [16, 2, 2]));
    assert_eq!(data.artefact().image_size, 8);
    // The same at every load, whatever the run's seed, and another with another split seed.
    let validation = |config: &ImageConfig| load(config).validation_batches().unwrap().indices(0, 0);
    assert_eq!(validation(&of(folder.path())), validation(&of(folder.path())));
    assert_ne!(validation(&of(folder.path())), validation(&ImageConfig { split_seed: 9, ..of(folder.path()) }));
}

#[test]
fn parts_of_a_folder_are_its_own_and_only_what_is_missing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("photos");
    write_classes(&root.join("train"), &["ants", "bees"], 10);
    write_classes(&root.join("val"), &["ants", "bees"], 3);
    let data = load(&of(folder.path()));
    assert_eq!(sizes(&data), [20, 6, 0]);
    assert!(data.test_batches(TestViews::None).is_none());
    let held = data.validation_batches().unwrap().indices(0, 0);
    assert!(held.iter().all(|index| data.name(*index).starts_with("photos/val/")), "{held:?}");
    // With a test part and none for validation, validation comes from the training part alone.
    fs::rename(root.join("val"), root.join("test")).unwrap();
    let data = load(&of(folder.path()));
    assert_eq!(sizes(&data), [18, 2, 6]);
    let none = load(&ImageConfig { validation_fraction: 0.0, ..of(folder.path()) });
    assert_eq!(sizes(&none), [20, 0, 6]);
    assert!(none.validation_batches().is_none());
}

#[test]
fn an_archive_reads_as_its_folder_does() {
    let folder = tempfile::tempdir().unwrap();
    let (root, archive) = (folder.path().join("set"), folder.path().join("set.tar.gz"));
    write_classes(&root, &["a", "b", "c"], 10);
    let file = flate2::write::GzEncoder::new(fs::File::create(&archive).unwrap(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(file);
    builder.append_dir_all("set", &root).unwrap();
    builder.into_inner().unwrap().finish().unwrap();
    let (unpacked, packed) = (load(&of(&root)), load(&of(&archive)));
    assert_eq!((&unpacked.classes, sizes(&unpacked)), (&packed.classes, sizes(&packed)));
    assert_eq!(unpacked.prepared(7).unwrap(), packed.prepared(7).unwrap());
    // Nothing is unpacked beside it.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn few_images_a_class_are_a_part_of_the_training_pictures() {
    let folder = tempfile::tempdir().unwrap();
    write_classes(folder.path(), &["a", "b"], 30);
    let few = |limit, seed| {
        let config = ImageConfig { train_images_per_class: Some(limit), split_seed: seed, ..of(folder.path()) };
        let data = load(&config);
        let train = data.train_batches(0);
        let seen: BTreeSet<usize> = (0..train.num_batches()).flat_map(|index| train.indices(0, index)).collect();
        (sizes(&data), seen)
    };
    let ([train, validation, test], five) = few(5, 0);
    assert_eq!([train, validation, test], [10, 6, 6]);
    // More of them are the same and others.
    assert!(five.is_subset(&few(9, 0).1));
    assert_ne!(five, few(5, 1).1);
}

#[test]
fn classes_may_be_chosen_and_ordered() {
    let folder = tempfile::tempdir().unwrap();
    write_classes(folder.path(), &["a", "b", "c"], 10);
    let chosen = |classes: &[&str]| ImageConfig {
        classes: classes.iter().map(|class| class.to_string()).collect(),
        ..of(folder.path())
    };
    let data = load(&chosen(&["c", "a"]));
    assert_eq!(data.classes, ["c", "a"]);
    assert_eq!(sizes(&data).iter().sum::<usize>(), 20);
    assert_says(&refusal(&chosen(&["c", "d"])), &["`classes`", "`d`", "`a`, `b`, `c`"]);
    assert_says(&refusal(&chosen(&["c"])), &["at least 2 classes"]);
}

#[test]
fn pictures_that_cannot_be_read_are_refused_by_name_or_passed_over_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    write_classes(folder.path(), &["a", "b"], 10);
    write(&folder.path().join("a/broken.jpg"), b"<html>404</html>");
    let whole = png(&picture(8, 8, [1, 2, 3], 0));
    write(&folder.path().join("b/cut.png"), &whole[..whole.len() / 2]);
    assert_says(&refusal(&of(folder.path())), &["a/broken.jpg", "not a picture", "on_error = \"skip\""]);
    let data = load(&ImageConfig { on_error: OnError::Skip, ..of(folder.path()) });
    assert_eq!(data.facts.skipped, ["a/broken.jpg", "b/cut.png"]);
    assert_eq!(sizes(&data).iter().sum::<usize>(), 20);
    let (_, line) = data.facts.lines().into_iter().find(|(name, _)| name.contains("passed over")).unwrap();
    assert_eq!(line, "2 (a/broken.jpg, b/cut.png)");
}

#[test]
fn tables_name_pictures_classes_and_parts() {
    let folder = tempfile::tempdir().unwrap();
    write_classes(folder.path(), &["x", "y"], 6);
    let rows = |part: fn(u8) -> &'static str| {
        let row = |class: &str, number: u8| format!("{class}/{number:03}.png,{class}-thing,{}\n", part(number));
        let rows: String =
            ["x", "y"].iter().flat_map(|class| (0..6).map(|number| row(class, number)).collect::<Vec<_>>()).collect();
        format!("file,what,set\n{rows}")
    };
    let table = folder.path().join("list.csv");
    fs::write(&table, rows(|number| ["train", "train", "train", "train", "val", "test"][usize::from(number)])).unwrap();
    let config = ImageConfig {
        path_column: "file".into(),
        label_column: "what".into(),
        split_column: Some("set".into()),
        ..of(&table)
    };
    let data = load(&config);
    assert_eq!((data.classes.clone(), sizes(&data)), (vec!["x-thing".into(), "y-thing".into()], [8, 2, 2]));
    assert_says(&refusal(&of(&table)), &["list.csv", "no column `path`", "path_column"]);
    fs::write(&table, rows(|_| "somewhere")).unwrap();
    assert_says(&refusal(&config), &["list.csv, line 2", "`somewhere`", "`train`, `validation` or `test`"]);
    fs::write(&table, "path,label\nx/000.png,a\ngone.png,b\n").unwrap();
    assert_says(&refusal(&of(&table)), &["gone.png", "cannot read"]);
}

#[test]
fn a_picture_may_have_several_labels_or_none() {
    let folder = tempfile::tempdir().unwrap();
    write_classes(folder.path(), &["p"], 9);
    let labels = ["red|round", "red", "", "round", "red|round", "red", "round| red", "", "red"];
    let rows: String =
        labels.iter().enumerate().map(|(number, labels)| format!("p/{number:03}.png,{labels}\n")).collect();
    let table = folder.path().join("labels.csv");
    fs::write(&table, format!("path,label\n{rows}")).unwrap();
    let config = ImageConfig { multi_label: true, validation_fraction: 0.0, test_fraction: 0.0, ..of(&table) };
    let data = load(&config);
    assert_eq!(data.classes, ["red", "round"]);
    let expected = vec![1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
    assert_eq!(data.labels(&[0, 1, 2, 3]), Labels::Multi { there: expected, classes: 2 });
    assert_eq!(data.classes_of(6), ["round", "red"]);
    assert_says(&refusal(&ImageConfig { multi_label: true, ..of(folder.path()) }), &["several labels", "multi_label"]);
}

#[test]
fn labels_may_be_columns_of_0_and_1() {
    let folder = tempfile::tempdir().unwrap();
    write_classes(folder.path(), &["p"], 4);
    let table = folder.path().join("labels.csv");
    let rows = "p/000.png,train,1,0\np/001.png,train,1.0,1\np/002.png,train,0, 1\np/003.png,test,0,0\n";
    fs::write(&table, format!("path,part,round,red\n{rows}")).unwrap();
    let config = ImageConfig {
        multi_label: true,
        label_columns: vec!["round".into(), "red".into()],
        split_column: Some("part".into()),
        validation_fraction: 0.0,
        ..of(&table)
    };
    let data = load(&config);
    assert_eq!((data.classes.clone(), sizes(&data)), (vec!["round".into(), "red".into()], [3, 0, 1]));
    let there = vec![1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0];
    assert_eq!(data.labels(&[0, 1, 2, 3]), Labels::Multi { there, classes: 2 });
    let missing = ImageConfig { label_columns: vec!["round".into(), "green".into()], ..config.clone() };
    assert_says(&refusal(&missing), &["no column `green`", "`label_columns`"]);
    assert_says(&refusal(&ImageConfig { multi_label: false, ..config.clone() }), &["`label_columns`", "multi_label"]);
    fs::write(&table, "path,part,round,red\np/000.png,train,yes,0\n").unwrap();
    assert_says(&refusal(&config), &["labels.csv, line 2", "`round` holds `yes`", "0 or 1"]);
}

#[test]
fn a_column_of_numbers_is_no_column_of_classes() {
    let folder = tempfile::tempdir().unwrap();
    write_classes(folder.path(), &["p"], 5);
    let rows: String = (0..5).map(|number| format!("p/{number:03}.png,{number},a\n")).collect();
    let table = folder.path().join("list.csv");
    fs::write(&table, format!("path,label,kind\n{rows}")).unwrap();
    assert_says(&refusal(&of(&table)), &["list.csv", "`label` has 5 different values in 5 rows", "`kind`"]);
}

/// A file of CIFAR-10's binary version: the label, then the planes.
fn cifar_file(labels: &[u8]) -> Vec<u8> {
    let record = |label: &u8| [vec![*label], vec![10 + label; 1024], vec![20; 1024], vec![30; 1024]].concat();
    labels.iter().flat_map(record).collect()
}

#[test]
fn cifar_is_read_from_its_binary_files() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("cifar-10-batches-bin");
    let all: Vec<u8> = (0..10).cycle().take(40).collect();
    write(&root.join("data_batch_1.bin"), &cifar_file(&all));
    write(&root.join("data_batch_2.bin"), &cifar_file(&all));
    write(&root.join("test_batch.bin"), &cifar_file(&all[..10]));
    let data = load(&of(&root));
    assert_eq!(data.classes[..3], ["airplane", "automobile", "bird"]);
    assert_eq!(sizes(&data), [70, 10, 10]);
    assert_eq!(data.prepared(3).unwrap().pixels[..6], [13, 20, 30, 13, 20, 30]);
    assert_eq!(data.artefact().image_size, 32);
    // A part alone is split.
    let alone = folder.path().join("alone");
    write(&alone.join("test_batch.bin"), &cifar_file(&[vec![3; 20], vec![5; 20]].concat()));
    assert_eq!(sizes(&load(&ImageConfig { classes: vec!["cat".into(), "dog".into()], ..of(&alone) })), [32, 4, 4]);
    write(&alone.join("train.bin"), &[0; 3074]);
    assert_says(&refusal(&of(&alone)), &["CIFAR-10 and CIFAR-100", "a folder of its own"]);
    write(&root.join("test_batch.bin"), &cifar_file(&[1, 2])[..4000]);
    assert_says(&refusal(&of(&root)), &["test_batch.bin", "4000 bytes", "3073"]);
    write(&root.join("test_batch.bin"), &cifar_file(&[77]));
    assert_says(&refusal(&of(&root)), &["test_batch.bin", "picture 0 has the class 77"]);
}

/// A file in MNIST's format.
fn idx_file(sizes: &[u32], values: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, sizes.len() as u8];
    sizes.iter().for_each(|size| file.extend(size.to_be_bytes()));
    file.extend(values);
    file
}

#[test]
fn mnist_is_read_from_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let labels: Vec<u8> = (0..20).map(|number| number % 2).collect();
    let pixels: Vec<u8> = (0..20 * 6).map(|value| value as u8).collect();
    let images_path = folder.path().join("train-images-idx3-ubyte");
    write(&images_path, &idx_file(&[20, 2, 3], &pixels));
    assert_says(&refusal(&of(folder.path())), &["train-images-idx3-ubyte", "labels"]);
    write(&folder.path().join("train-labels.idx1-ubyte"), &idx_file(&[20], &labels));
    let config = ImageConfig { image_size: Some(2), ..of(folder.path()) };
    let data = load(&config);
    assert_eq!((data.classes.clone(), data.artefact().channels), (vec!["0".into(), "1".into()], 1));
    // One part only is split into three.
    assert_eq!(sizes(&data), [16, 2, 2]);
    assert_eq!(load(&ImageConfig { channels: Some(3), ..config.clone() }).prepared(0).unwrap().channels, 3);
    // More than ten classes keep the order of their numbers.
    let twenty: Vec<u8> = (0..20).collect();
    write(&folder.path().join("train-labels.idx1-ubyte"), &idx_file(&[20], &twenty));
    let all = load(&ImageConfig { validation_fraction: 0.0, test_fraction: 0.0, ..config.clone() });
    assert_eq!(all.classes, twenty.iter().map(u8::to_string).collect::<Vec<_>>());
    write(&images_path, &idx_file(&[20, 2, 4], &pixels));
    assert_says(&refusal(&config), &["train-images-idx3-ubyte", "120 bytes", "[20, 2, 4]"]);
}

#[test]
fn what_cannot_be_found_or_told_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    assert_says(&refusal(&of(&folder.path().join("none"))), &["no such file or folder"]);
    assert_says(&refusal(&of(folder.path())), &["no picture in it"]);
    write_classes(folder.path(), &["only"], 3);
    assert_says(&refusal(&of(folder.path())), &["at least 2 classes", "`only`"]);
    let odd = folder.path().join("only/000.png");
    assert_says(&refusal(&of(&odd)), &["a folder", ".csv"]);
    let named = |source: &str| refusal(&ImageConfig { source: source.into(), ..ImageConfig::default() });
    assert_says(&named("embedded:shapes"), &["shapes-source", "shapes-target"]);
    assert_says(&named("download:imagenet"), &["cifar10", "fashion-mnist"]);
    let wrong = ImageConfig {
        normalize: Normalize::Given(Statistics { mean: vec![0.5; 2], std: vec![1.0; 2] }),
        ..of(folder.path())
    };
    assert_says(&refusal(&wrong), &["`normalize`", "2 means"]);
}

#[test]
fn a_run_that_goes_on_keeps_its_classes_and_refuses_others() {
    let folder = tempfile::tempdir().unwrap();
    write_classes(folder.path(), &["a", "b", "c"], 8);
    let artefact = load(&of(folder.path())).artefact().clone();
    assert_eq!(ImageArtefact::from_json(&artefact.to_json()).unwrap(), artefact);
    assert_says(&ImageArtefact::from_json("{}").unwrap_err().to_string(), &["images.json"]);
    let nothing = ImageArtefact { image_size: 0, ..artefact.clone() };
    assert_says(&ImageArtefact::from_json(&nothing.to_json()).unwrap_err().to_string(), &["image_size 0"]);
    fs::remove_dir_all(folder.path().join("b")).unwrap();
    let load_with = || ImageData::load_with(&of(folder.path()), artefact.clone(), &mut |_, _| {});
    assert_eq!(load_with().unwrap().classes, ["a", "b", "c"]);
    write_classes(folder.path(), &["d"], 8);
    assert_says(&load_with().unwrap_err().to_string(), &["the class `d`", "`a`, `b`, `c`"]);
}

#[test]
fn statistics_come_from_the_weights_the_pictures_or_the_config() {
    let folder = tempfile::tempdir().unwrap();
    write_classes(folder.path(), &["a", "b"], 10);
    let with = |rule, pretrained| {
        let config = ImageConfig { normalize: Normalize::Rule(rule), ..of(folder.path()) };
        ImageData::load(&config, pretrained, &mut |_, _| {}).unwrap().artefact().statistics.clone()
    };
    let weights = Statistics { mean: vec![0.1, 0.2, 0.3], std: vec![0.5; 3] };
    assert_eq!(with(NormalizeRule::Auto, Some(weights.clone())), weights);
    let own = with(NormalizeRule::Training, Some(weights));
    assert_eq!(own, with(NormalizeRule::Auto, None));
    // Nearly all pixels are 100 in green.
    assert!((own.mean[1] - 100.0 / 255.0).abs() < 0.01, "{own:?}");
    assert_eq!(with(NormalizeRule::Imagenet, None), Statistics::imagenet());
    assert_eq!(with(NormalizeRule::None, None), Statistics::none(3));
}

#[test]
fn batches_follow_from_seed_epoch_and_index_alone() {
    let config = ImageConfig {
        source: "embedded:shapes-target".into(),
        train_images_per_class: Some(4),
        batch_size: 16,
        augment: AugmentConfig {
            crop: Some(CropConfig::Pad(PadConfig { padding: 3, ..PadConfig::default() })),
            horizontal_flip: 0.5,
            mixup: 0.4,
            ..AugmentConfig::default()
        },
        ..ImageConfig::default()
    };
    let (first, second) = (load(&config), load(&config));
    let (one, other) = (first.train_batches(5), second.train_batches(5));
    let batches: Vec<_> = (0..2).flat_map(|epoch| (0..3).map(move |index| (epoch, index))).collect();
    // In any order.
    for (epoch, index) in batches.iter().rev() {
        assert_eq!(one.batch(*epoch, *index).unwrap(), other.batch(*epoch, *index).unwrap());
    }
    let batch = one.batch(0, 0).unwrap();
    assert_eq!(batch.pixels.len(), 16 * 3 * 32 * 32);
    assert_ne!(batch, one.batch(1, 0).unwrap());
    assert_ne!(batch, first.train_batches(6).batch(0, 0).unwrap());
    assert_eq!(one.batch(0, 2).unwrap().batch_size, 8);
    assert_eq!(one.indices(1, 1), one.batch(1, 1).unwrap().indices);
    // Validation is not changed, whatever the epoch.
    let validation = first.validation_batches().unwrap();
    assert_eq!(validation.batch(0, 0).unwrap(), validation.batch(3, 0).unwrap());
}

#[test]
fn what_does_not_fit_into_memory_is_decoded_when_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    write_classes(folder.path(), &["a", "b"], 10);
    let (kept, not) = (load(&of(folder.path())), load(&ImageConfig { memory_mib: 0, ..of(folder.path()) }));
    assert!(kept.facts.in_memory && !not.facts.in_memory);
    assert_eq!(kept.train_batches(0).batch(0, 1).unwrap(), not.train_batches(0).batch(0, 1).unwrap());
    // A file that is gone by then is named.
    fs::remove_dir_all(folder.path().join("a")).unwrap();
    let batches = not.train_batches(0);
    let error = (0..batches.num_batches()).find_map(|index| batches.batch(0, index).err()).unwrap();
    assert_says(&error.to_string(), &["a/", ".png", "cannot read"]);
}

#[test]
fn views_of_a_test_lie_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    write_classes(folder.path(), &["a", "b"], 10);
    let data = load(&of(folder.path()));
    let flipped = data.test_batches(TestViews::Flip).unwrap().batch(0, 0).unwrap();
    assert_eq!((flipped.batch_size, flipped.views, flipped.pixels.len()), (2, 2, 2 * 2 * 3 * 64));
    let plain = data.test_batches(TestViews::None).unwrap().batch(0, 0).unwrap();
    assert_eq!(flipped.pixels[..192], plain.pixels[..192]);
    // The corner with the number has changed sides.
    assert_eq!(flipped.pixels[192 + 7], plain.pixels[0]);
    assert_eq!(flipped.labels, plain.labels);
}

#[test]
fn what_a_report_shows_is_what_the_network_sees() {
    let config = ImageConfig { source: "embedded:shapes-source".into(), ..ImageConfig::default() };
    let data = load(&config);
    let shown = data.train_batches(0).shown(3).unwrap();
    assert_eq!(shown.len(), 3);
    for shown in shown {
        assert_eq!(shown.image, data.prepared(shown.index).unwrap());
        assert_eq!(shown.mixed_with, None);
    }
    let mixed = ImageConfig { augment: AugmentConfig { cutmix: 1.0, ..AugmentConfig::default() }, ..config };
    assert!(load(&mixed).train_batches(0).shown(3).unwrap().iter().all(|shown| shown.mixed_with.is_some()));
}

#[test]
fn photos_are_turned_as_their_camera_says_and_lose_what_a_network_cannot_see() {
    let folder = tempfile::tempdir().unwrap();
    // Grey, and with transparency.
    let grey = Image { width: 4, height: 2, channels: 1, pixels: vec![9; 8] };
    let path = folder.path().join("grey.png");
    fs::write(&path, png(&grey)).unwrap();
    assert_eq!(Image::read(&path, 3).unwrap().pixels, [9; 24]);
    // A JPEG with orientation 6 in its EXIF data: to be turned by a quarter.
    let tall = Image::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/turned.jpg")), 3).unwrap();
    assert_eq!((tall.width, tall.height), (16, 24));
    // Red was on the left of the file, and is on top.
    assert!(tall.pixels[0] > 200 && tall.pixels[2] < 60, "{:?}", &tall.pixels[..3]);
    let last = &tall.pixels[tall.pixels.len() - 3..];
    assert!(last[0] < 60 && last[2] > 200, "{last:?}");
}

#[test]
fn kinds_of_files_that_are_not_plain_are_read() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/formats"));
    let near = |pixel: &[u8], expected: [u8; 3]| pixel.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 4);
    for name in ["cmyk.jpg", "progressive.jpg", "palette.png", "alpha.png", "picture.bmp", "picture.webp"] {
        let image = Image::read(&folder.join(name), 3).unwrap();
        assert_eq!((image.width, image.height), (8, 4), "{name}");
        let (first, last) = (&image.pixels[..3], &image.pixels[image.pixels.len() - 3..]);
        assert!(near(first, [255, 0, 0]) && near(last, [0, 0, 255]), "{name}: {first:?} {last:?}");
        // Grey weighs colours in the same way, whatever the file: 0.299 red and 0.114 blue.
        let grey = Image::read(&folder.join(name), 1).unwrap().pixels;
        assert!(grey[0].abs_diff(76) <= 3 && grey[31].abs_diff(29) <= 3, "{name}: {} {}", grey[0], grey[31]);
    }
    let deep = Image::read(&folder.join("deep.png"), 1).unwrap();
    assert_eq!((deep.pixels[0], deep.pixels[31]), (4, 195));
}

#[test]
fn a_jpeg_that_is_cut_off_is_no_picture() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/turned.jpg")).unwrap();
    let path = folder.path().join("a.jpg");
    fs::write(&path, &whole[..whole.len() - 8]).unwrap();
    assert_says(&Image::read(&path, 3).unwrap_err().to_string(), &["a.jpg", "cut off", "on_error = \"skip\""]);
    // Phones put short films behind the picture.
    fs::write(&path, [&whole[..], &[0xFF, 0xDA, 1, 2, 3]].concat()).unwrap();
    assert_eq!((Image::read(&path, 3).unwrap().width, Image::read(&path, 3).unwrap().height), (16, 24));
}

/// The folder of real data, or a word about why a test is passed over.
fn real(path: &str) -> Option<String> {
    let folder = std::env::var_os("KILN_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), std::path::PathBuf::from);
    let path = folder.join(path);
    if !path.exists() {
        eprintln!("passed over: there is no {}", path.display());
        return None;
    }
    Some(path.display().to_string())
}

#[test]
fn the_real_mnist_has_its_first_digits() {
    let Some(source) = real("mnist") else { return };
    let data = load(&ImageConfig { source, ..ImageConfig::default() });
    assert_eq!(sizes(&data).iter().sum::<usize>(), 10_000);
    assert_eq!(data.labels(&(0..10).collect::<Vec<_>>()), Labels::Classes(vec![7, 2, 1, 0, 4, 1, 4, 9, 5, 9]));
    assert_eq!((data.artefact().image_size, data.artefact().channels), (28, 1));
}

#[test]
fn the_real_cifar_archive_has_its_pictures() {
    let Some(source) = real("cifar10-images/cifar10-subset-5000-1000.tar.gz") else { return };
    let data = load(&ImageConfig { source, ..ImageConfig::default() });
    assert_eq!(sizes(&data), [4500, 500, 1000]);
    assert!(data.facts.classes.iter().all(|class| [class.train, class.validation, class.test] == [450, 50, 100]));
}

#[test]
fn the_real_photos_are_all_read_but_for_the_placeholder() {
    let Some(source) = real("hymenoptera/hymenoptera_data.tar.gz") else { return };
    let data = load(&ImageConfig { source, ..ImageConfig::default() });
    assert_eq!((data.classes.clone(), sizes(&data)), (vec!["ants".into(), "bees".into()], [244, 153, 0]));
    assert_eq!((data.artefact().image_size, data.artefact().crop_fraction), (224, 0.875));
    assert!(data.facts.skipped.is_empty());
}
