//! Files that `torch.save` wrote: a zip archive since PyTorch 1.6, and before that pickles and raw numbers one after the other.
//!
//! burn-store opens the archives. Its reader of what is in them is not used: it refuses a checkpoint with the state of an optimiser
//! of one parameter (a dictionary whose only key is a number), and it takes every tensor for contiguous, so that weights in the
//! memory format `channels_last` come out in another order, without an error.

use std::{collections::HashMap, path::Path};

use burn::tensor::TensorData;
use burn_store::pytorch::{PytorchReader, lazy_data::ZipSource};

use super::{
    StateDict,
    pickle::{self, StoredTensor, Value},
};

/// The pickled number that older files begin with.
const LEGACY_MAGIC: [u8; 15] = *b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Dictionaries in dictionaries beyond this depth hold no weights.
const DEPTH: usize = 8;

/// How many elements a tensor may have that shows some of its storage more than once, as an expanded one does: its size is not
/// bounded by that of the file, and one that is damaged could be larger than the memory.
const MAX_EXPANDED: usize = 1 << 28;

/// Every tensor of a file under its full name: the keys of the dictionaries that lead to it, with dots between them. `wanted` tells
/// by their names which of them to read.
///
/// # Errors
/// When the file is damaged, or holds something else than a dictionary.
pub(super) fn read(path: &Path, wanted: impl Fn(Vec<String>) -> HashMap<String, String>) -> Result<StateDict, String> {
    let start = std::fs::File::open(path)
        .and_then(|mut file| {
            let mut start = [0; LEGACY_MAGIC.len()];
            let length = std::io::Read::read(&mut file, &mut start)?;
            Ok(start[..length].to_vec())
        })
        .map_err(|error| error.to_string())?;
    if start.starts_with(&LEGACY_MAGIC) {
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        let (root, storages) = legacy(&bytes)?;
        collect(&root, wanted, |key| {
            let place = storages.get(key).ok_or("its numbers are missing")?;
            Ok(bytes.get(place.clone()).ok_or("the file ends too early")?.to_vec())
        })
    } else if start.starts_with(b"PK") {
        zipped(path, wanted)
    } else {
        older(path, wanted)
    }
}

/// `<name>/data.pkl`, and the numbers of each storage in `<name>/data/<key>`.
fn zipped(path: &Path, wanted: impl Fn(Vec<String>) -> HashMap<String, String>) -> Result<StateDict, String> {
    let archive = ZipSource::new(path.to_path_buf()).map_err(|error| error.to_string())?;
    let folder = archive
        .data_files()
        .iter()
        .find_map(|name| name.rsplit_once("data/").map(|(folder, _)| folder.to_string()))
        .ok_or("there are no tensors in it")?;
    let file = |name: String| archive.read_file(&name).map_err(|error| format!("{name}: {error}"));
    if archive.contains(&format!("{folder}byteorder")) && file(format!("{folder}byteorder"))?.starts_with(b"big") {
        return Err("it was written on a big-endian machine".to_string());
    }
    let (root, _) = pickle::read(&file(format!("{folder}data.pkl"))?)?;
    collect(&root, wanted, |key| file(format!("{folder}data/{key}")))
}

/// The places of the storages' bytes, by key.
type Places = HashMap<String, std::ops::Range<usize>>;

/// Five pickles (a magic number, the version, facts about the machine, the object, the keys of its storages) and then for each
/// storage its number of elements and the elements.
fn legacy(bytes: &[u8]) -> Result<(Value, Places), String> {
    let mut at = 0;
    let mut next = || -> Result<Value, String> {
        let (value, length) = pickle::read(&bytes[at..])?;
        at += length;
        Ok(value)
    };
    let [_magic, _version, _machine, root, keys] = [next()?, next()?, next()?, next()?, next()?];
    let mut widths = HashMap::new();
    tensors(&root, &mut Vec::new(), &mut |_, tensor| {
        widths.insert(tensor.storage.key.clone(), tensor.storage.dtype.size());
    });
    let Value::List(keys) = keys else { return Err("it does not say where its tensors are".to_string()) };
    let mut places = Places::new();
    for key in keys.borrow().iter() {
        let Value::Text(key) = key else { return Err("a storage without a name".to_string()) };
        let header = bytes.get(at..at + 8).and_then(|header| header.try_into().ok()).ok_or("it ends too early")?;
        let elements = u64::from_le_bytes(header) as usize;
        // Without a tensor that shows it nobody knows how wide the elements are, and so where the next storage begins.
        let width = widths.get(&**key).ok_or("a storage of an unknown type")?;
        let end =
            elements.checked_mul(*width).and_then(|length| length.checked_add(at + 8)).ok_or("it ends too early")?;
        places.insert(key.to_string(), at + 8..end);
        at = end;
    }
    Ok((root, places))
}

/// The archives of PyTorch before 0.1.10, in which torchvision's oldest networks were once published, by burn-store.
fn older(path: &Path, wanted: impl Fn(Vec<String>) -> HashMap<String, String>) -> Result<StateDict, String> {
    let reader = PytorchReader::new(path).map_err(|error| error.to_string())?;
    wanted(reader.keys())
        .into_iter()
        .filter_map(|(theirs, ours)| Some((ours, reader.get(&theirs)?)))
        .map(|(name, snapshot)| match snapshot.to_data() {
            Ok(data) => Ok((name, data)),
            Err(error) => Err(format!("{name}: {error}")),
        })
        .collect()
}

/// Reads the wanted tensors under `root`; `bytes` gives those of a storage.
fn collect(
    root: &Value,
    wanted: impl Fn(Vec<String>) -> HashMap<String, String>,
    bytes: impl Fn(&str) -> Result<Vec<u8>, String>,
) -> Result<StateDict, String> {
    if !matches!(root, Value::Dict(_)) {
        return Err("it holds no dictionary of tensors (a whole model, perhaps)".to_string());
    }
    let mut found = HashMap::new();
    tensors(root, &mut Vec::new(), &mut |name, tensor| drop(found.insert(name, tensor.clone())));
    wanted(found.keys().cloned().collect())
        .into_iter()
        .map(|(theirs, ours)| {
            let tensor = &found[&theirs];
            match bytes(&tensor.storage.key).and_then(|bytes| in_order(tensor, &bytes)) {
                Ok(data) => Ok((ours, data)),
                Err(message) => Err(format!("{theirs}: {message}")),
            }
        })
        .collect()
}

/// Calls `found` with every tensor under `value`, and its name.
fn tensors(value: &Value, path: &mut Vec<String>, found: &mut impl FnMut(String, &StoredTensor)) {
    match value {
        Value::Tensor(tensor) => found(path.join("."), tensor),
        Value::Dict(items) if path.len() < DEPTH => {
            for (key, value) in items.borrow().iter() {
                path.push(match key {
                    Value::Text(key) => key.to_string(),
                    Value::Int(key) => key.to_string(),
                    _ => continue,
                });
                tensors(value, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

/// The elements of a tensor in row-major order, out of the bytes of its storage.
fn in_order(tensor: &StoredTensor, bytes: &[u8]) -> Result<TensorData, String> {
    let StoredTensor { storage, offset, shape, strides } = tensor;
    let width = storage.dtype.size();
    let elements = num_elements(tensor, bytes.len() / width)?;
    let ordered = if elements > 0 && is_row_major(shape, strides) {
        bytes[offset * width..][..elements * width].to_vec()
    } else {
        gathered(tensor, elements, bytes)
    };
    Ok(TensorData::from_bytes_vec(ordered, shape.clone(), storage.dtype))
}

/// How many elements a tensor has, all of which are among the `stored` ones of its storage.
fn num_elements(tensor: &StoredTensor, stored: usize) -> Result<usize, String> {
    let StoredTensor { offset, shape, strides, .. } = tensor;
    if shape.contains(&0) {
        return Ok(0);
    }
    let last = shape.iter().zip(strides).try_fold(*offset, |place, (size, stride)| {
        let way = stride.checked_mul(size - 1)?;
        place.checked_add(way)
    });
    if last.is_none_or(|last| last >= stored) {
        return Err("the file ends too early".to_string());
    }
    let elements = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    elements
        .filter(|elements| *elements <= stored.max(MAX_EXPANDED))
        .ok_or_else(|| format!("{stored} stored numbers are expanded to more than {MAX_EXPANDED}"))
}

/// The bytes of elements that lie in another order than that of their indices, one by one.
fn gathered(tensor: &StoredTensor, elements: usize, bytes: &[u8]) -> Vec<u8> {
    let StoredTensor { storage, offset, shape, strides } = tensor;
    let width = storage.dtype.size();
    let mut ordered = Vec::with_capacity(elements * width);
    let mut index = vec![0; shape.len()];
    for _ in 0..elements {
        let place = offset + index.iter().zip(strides).map(|(index, stride)| index * stride).sum::<usize>();
        ordered.extend_from_slice(&bytes[place * width..][..width]);
        for (index, size) in index.iter_mut().zip(shape).rev() {
            *index += 1;
            if *index < *size {
                break;
            }
            *index = 0;
        }
    }
    ordered
}

/// Whether the elements lie in the order of the indices, the last index fastest.
fn is_row_major(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(size, stride)| {
        let fits = *size == 1 || *stride == expected;
        expected *= size;
        fits
    })
}
