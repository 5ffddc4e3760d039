//! Files of PyTorch (tests/fixtures/make_checkpoints.py) and of safetensors: what is read, and what is refused.

use std::path::{Path, PathBuf};

use burn::tensor::DType;
use state_dict::{StateDict, read};
use testkit::Fixture;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// What the file `name` holds, under the name of its case.
#[track_caller]
fn assert_is_expected(name: &str, found: &StateDict) {
    let case = name.split('.').next().unwrap();
    let expected = Fixture::read(fixture("expected.safetensors")).under(&format!("{case}."));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{name}");
    for (key, data) in &expected {
        assert_eq!(&found[key], data, "{name}: {key}");
    }
}

#[test]
fn checkpoints_with_the_state_of_an_optimiser_are_read_in_both_formats() {
    for name in ["zip.pth", "legacy.th"] {
        let found = read(fixture(name)).unwrap();
        assert_is_expected(name, &found);
    }
    assert_eq!(read(fixture("zip.pth")).unwrap()["conv.weight"].dtype, DType::F16);
}

#[test]
fn views_are_read_in_the_order_of_their_indices() {
    assert_is_expected("views.pth", &read(fixture("views.pth")).unwrap());
}

#[test]
fn a_number_that_is_expanded_beyond_all_memory_is_refused() {
    let message = read(fixture("huge.pth")).unwrap_err().to_string();
    assert!(message.contains("expanded: 1 stored numbers are expanded to more than 268435456"), "{message}");
}

#[test]
fn every_type_is_read() {
    assert_is_expected("types.pth", &read(fixture("types.pth")).unwrap());
}

#[test]
fn safetensors_files_are_read_without_the_prefix_of_a_wrapper() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.SAFETENSORS");
    let names = ["model.module.b", "model.module.a", "model.module.norm.num_batches_tracked", "step"];
    write_safetensors(&path, "F32", &[0, 0, 128, 63], &names);
    let found = read(&path).unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(found["a"].to_vec::<f32>().unwrap(), [1.0]);
}

/// Hugging Face's language models have their output beside `model.`.
#[test]
fn the_output_that_stands_beside_a_prefix_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    write_safetensors(&path, "F32", &[0, 0, 128, 63], &["model.norm.weight", "lm_head.weight", "step"]);
    assert_eq!(read(&path).unwrap().keys().collect::<Vec<_>>(), ["lm_head.weight", "norm.weight"]);
}

/// A file with a tensor of one element of `bytes` under each of `names`.
fn write_safetensors(path: &Path, dtype: &str, bytes: &[u8], names: &[&str]) {
    let width = bytes.len();
    let entries: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let (begin, end) = (place * width, (place + 1) * width);
            format!(r#""{name}":{{"dtype":"{dtype}","shape":[1],"data_offsets":[{begin},{end}]}}"#)
        })
        .collect();
    let header = format!("{{{}}}", entries.join(","));
    let content = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes.repeat(names.len())].concat();
    std::fs::write(path, content).unwrap();
}

#[test]
fn files_that_are_none_are_said() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["network.pth", "network.safetensors"] {
        let path = folder.path().join(name);
        for content in [None, Some("no weights"), Some("")] {
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            let error = read(&path).unwrap_err();
            assert_eq!(error.path, path);
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

#[test]
fn a_boolean_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    write_safetensors(&path, "BOOL", &[7], &["mask"]);
    let message = read(&path).unwrap_err().to_string();
    assert!(message.contains("mask: a boolean is neither 0 nor 1"), "{message}");
}

#[test]
fn a_file_that_ends_too_early_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["expected.safetensors", "zip.pth", "legacy.th"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let cut = folder.path().join(name);
        for part in 1..40 {
            std::fs::write(&cut, &bytes[..bytes.len() * part / 40]).unwrap();
            assert!(read(&cut).is_err(), "{name} cut to {part}/40");
        }
    }
}

#[test]
fn a_damaged_byte_never_ends_in_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["legacy.th", "zip.pth", "views.pth"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let damaged = folder.path().join(name);
        for place in (0..bytes.len()).step_by(41) {
            for mask in [0xff, 0x01] {
                let mut bytes = bytes.clone();
                bytes[place] ^= mask;
                std::fs::write(&damaged, bytes).unwrap();
                for data in read(&damaged).iter().flat_map(StateDict::values) {
                    assert_eq!(data.bytes.len(), data.num_elements() * data.dtype.size());
                }
            }
        }
    }
}
