//! Weights by name: module to tensors, tensors to module, and both to a safetensors file.

use std::{collections::BTreeMap, path::Path};

use burn::tensor::{DType, TensorData, backend::Backend};
use burn_store::{ModuleSnapshot, TensorSnapshot};
use safetensors::{SafeTensors, tensor::TensorView};

use crate::error::TrainError;

/// Tensors on the host by dotted path, as in a PyTorch `state_dict`.
pub type NamedTensors = BTreeMap<String, TensorData>;

/// Of burn's `collect` and `apply`: the variants of enums are no part of a path.
const SKIP_VARIANTS: bool = true;

/// Every parameter and buffer of `module`, copied to the host.
///
/// The variants of modules that are enums are no part of a name: a name is what PyTorch would call the tensor.
pub fn collect<B: Backend, M: ModuleSnapshot<B>>(module: &M) -> NamedTensors {
    module
        .collect(None, None, SKIP_VARIANTS)
        .into_iter()
        .map(|snapshot| {
            let path = snapshot.full_path();
            // A snapshot of a live module reads a tensor, which has no error to report.
            let data = snapshot.to_data().unwrap_or_else(|error| unreachable!("{path}: {error}"));
            (path, data)
        })
        .collect()
}

/// Puts `tensors` into `module`; every parameter must be there, with its shape, and nothing else.
///
/// Names with the variants of enums in them, as in checkpoints of earlier versions, are understood.
pub fn apply<B: Backend, M: ModuleSnapshot<B>>(module: &mut M, tensors: &NamedTensors) -> Result<(), String> {
    let snapshots = module.collect(None, None, SKIP_VARIANTS);
    let expected: BTreeMap<String, Vec<usize>> =
        snapshots.iter().map(|snapshot| (snapshot.full_path(), snapshot.shape.to_vec())).collect();
    // The same tensors in the same order, under their longer names.
    let long_names = module.collect(None, None, !SKIP_VARIANTS);
    let short: BTreeMap<String, String> =
        long_names.iter().zip(&snapshots).map(|(long, short)| (long.full_path(), short.full_path())).collect();
    let tensors: BTreeMap<&String, &TensorData> =
        tensors.iter().map(|(path, data)| (short.get(path).unwrap_or(path), data)).collect();
    let mut problems = Vec::new();
    for (path, shape) in &expected {
        match tensors.get(path) {
            None => problems.push(format!("{path} {shape:?} is missing")),
            Some(data) if data.shape.to_vec() != *shape => {
                problems.push(format!("{path} should be {shape:?}, found {:?}", data.shape.to_vec()));
            }
            Some(_) => {}
        }
    }
    problems.extend(
        tensors.keys().filter(|path| !expected.contains_key(**path)).map(|path| format!("{path} is not in the model")),
    );
    if !problems.is_empty() {
        let more = problems.len().saturating_sub(8);
        problems.truncate(8);
        if more > 0 {
            problems.push(format!("and {more} more"));
        }
        return Err(problems.join("; "));
    }
    let snapshots = tensors
        .iter()
        .map(|(path, data)| {
            let stack = path.split('.').map(str::to_string).collect();
            TensorSnapshot::from_data((*data).clone(), stack, Vec::new(), burn::module::ParamId::new())
        })
        .collect();
    let result = module.apply(snapshots, None, None, SKIP_VARIANTS);
    match result.errors.first() {
        None => Ok(()),
        Some(error) => Err(error.to_string()),
    }
}

/// Writes `tensors` to a safetensors file in memory.
pub fn to_safetensors(tensors: &NamedTensors) -> Result<Vec<u8>, String> {
    let views = tensors
        .iter()
        .map(|(name, data)| {
            let view = TensorView::new(safetensors_dtype(data.dtype)?, data.shape.to_vec(), data.as_bytes())
                .map_err(|error| format!("{name}: {error}"))?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<Vec<_>, String>>()?;
    safetensors::serialize(views, None).map_err(|error| error.to_string())
}

/// Reads the tensors of a safetensors file from memory.
pub fn from_safetensors(bytes: &[u8]) -> Result<NamedTensors, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    file.iter()
        .map(|(name, view)| {
            let data =
                TensorData::from_bytes_vec(view.data().to_vec(), view.shape().to_vec(), burn_dtype(view.dtype())?);
            Ok((name.to_string(), data))
        })
        .collect()
}

/// Reads a safetensors file.
pub fn read(path: &Path) -> Result<NamedTensors, TrainError> {
    let bytes = std::fs::read(path).map_err(TrainError::io(path))?;
    from_safetensors(&bytes).map_err(|message| TrainError::Weights { path: path.to_path_buf(), message })
}

fn safetensors_dtype(dtype: DType) -> Result<safetensors::Dtype, String> {
    use safetensors::Dtype;
    Ok(match dtype {
        DType::F64 => Dtype::F64,
        DType::F32 | DType::Flex32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::I32 => Dtype::I32,
        DType::I16 => Dtype::I16,
        DType::I8 => Dtype::I8,
        DType::U64 => Dtype::U64,
        DType::U32 => Dtype::U32,
        DType::U16 => Dtype::U16,
        DType::U8 => Dtype::U8,
        DType::Bool(burn::tensor::BoolStore::Native) => Dtype::BOOL,
        other => return Err(format!("{other:?} has no safetensors type")),
    })
}

fn burn_dtype(dtype: safetensors::Dtype) -> Result<DType, String> {
    use safetensors::Dtype;
    Ok(match dtype {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::I64 => DType::I64,
        Dtype::I32 => DType::I32,
        Dtype::I16 => DType::I16,
        Dtype::I8 => DType::I8,
        Dtype::U64 => DType::U64,
        Dtype::U32 => DType::U32,
        Dtype::U16 => DType::U16,
        Dtype::U8 => DType::U8,
        Dtype::BOOL => DType::Bool(burn::tensor::BoolStore::Native),
        other => return Err(format!("the element type {other:?} is not supported")),
    })
}
