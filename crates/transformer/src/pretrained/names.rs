//! Tensors under other names and in other layouts.

use burn::tensor::TensorData;
use state_dict::StateDict;

/// Parts of names and what they are here, replaced in this order. Before and behind a name stands a `.` for the comparison, so that
/// `.h.` is the part `h` wherever it stands.
pub(super) type Table = [(&'static str, &'static str)];

/// The tensors under other names. Where two get the same name, the last stays.
pub(super) fn renamed(tensors: StateDict, table: &Table) -> StateDict {
    let name = |name: String| {
        let dotted = table.iter().fold(format!(".{name}."), |name, (theirs, ours)| name.replace(theirs, ours));
        dotted.trim_matches('.').to_string()
    };
    tensors.into_iter().map(|(theirs, data)| (name(theirs), data)).collect()
}

/// One tensor in the place of several: the rows of `.q.`, `.k.` and `.v.` become those of `.qkv.`, where all of them are there and are
/// as wide as each other.
pub(super) fn packed(mut tensors: StateDict, parts: &[&str], whole: &str) -> StateDict {
    let first = parts[0];
    let names: Vec<String> = tensors.keys().filter(|name| name.contains(first)).cloned().collect();
    for name in names {
        let of_part = |part: &&str| tensors.get(&name.replacen(first, part, 1));
        let found: Option<Vec<&TensorData>> = parts.iter().map(of_part).collect();
        if let Some(data) = found.and_then(|found| stacked(&found)) {
            for part in parts {
                tensors.remove(&name.replacen(first, part, 1));
            }
            tensors.insert(name.replacen(first, whole, 1), data);
        }
    }
    tensors
}

/// Several tensors in the place of one: equal shares of the rows of `whole` become those of `parts`.
pub(super) fn unpacked(mut tensors: StateDict, whole: &str, parts: &[&str]) -> StateDict {
    let names: Vec<String> = tensors.keys().filter(|name| name.contains(whole)).cloned().collect();
    for name in names {
        let Some(data) = tensors.remove(&name) else { continue };
        match shares(&data, parts.len()) {
            Some(shares) => {
                tensors.extend(parts.iter().zip(shares).map(|(part, share)| (name.replacen(whole, part, 1), share)));
            }
            None => {
                tensors.insert(name, data);
            }
        }
    }
    tensors
}

/// A matrix with rows and columns exchanged.
pub(super) fn transposed(data: &TensorData) -> TensorData {
    let [rows, columns] = [data.shape[0], data.shape[1]];
    let values: Vec<f32> = data.iter::<f32>().collect();
    let column = |column: usize| values.iter().skip(column).step_by(columns).copied();
    TensorData::new((0..columns).flat_map(column).collect(), [columns, rows])
}

/// The first `rows` of a tensor, counted along `axis`, before which there are only axes of length 1.
pub(super) fn first_rows(data: &TensorData, axis: usize, rows: usize) -> TensorData {
    let mut shape = data.shape.to_vec();
    let bytes = data.as_bytes();
    let kept = bytes.len() / shape[axis] * rows;
    shape[axis] = rows;
    TensorData::from_bytes_vec(bytes[..kept].to_vec(), shape, data.dtype)
}

/// The rows of all; none where they differ in more than their numbers of rows.
fn stacked(parts: &[&TensorData]) -> Option<TensorData> {
    let first = parts[0];
    let fits = |part: &&TensorData| part.shape[1..] == first.shape[1..] && part.dtype == first.dtype;
    if first.shape.is_empty() || !parts.iter().all(fits) {
        return None;
    }
    let mut shape = first.shape.to_vec();
    shape[0] = parts.iter().map(|part| part.shape[0]).sum();
    let bytes = parts.iter().flat_map(|part| part.as_bytes()).copied().collect();
    Some(TensorData::from_bytes_vec(bytes, shape, first.dtype))
}

fn shares(data: &TensorData, count: usize) -> Option<Vec<TensorData>> {
    let mut shape = data.shape.to_vec();
    let rows = *shape.first().filter(|rows| **rows > 0 && rows.is_multiple_of(count))?;
    shape[0] = rows / count;
    let bytes = data.as_bytes();
    let share = |bytes: &[u8]| TensorData::from_bytes_vec(bytes.to_vec(), shape.clone(), data.dtype);
    Some(bytes.chunks(bytes.len() / count).map(share).collect())
}
