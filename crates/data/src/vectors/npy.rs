use super::{Vectors, VectorsConfig, is_npy, numbered};
use crate::text::Encoding;
use crate::text::corpus::read_text;
use crate::{DataError, locate};
use npyz::{DType, NpyFile, Order};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// An array: the first axis counts points, all others together are their numbers.
pub(super) fn read(path: &Path, config: &VectorsConfig) -> Result<Vectors, DataError> {
    let (values, shape) = array(path)?;
    let rows = shape.first().copied().unwrap_or(0);
    let vectors =
        Vectors { columns: values.len() / rows.max(1), values, rows, names: numbered(rows), ..Vectors::default() };
    let Some(labels) = &config.labels else { return Ok(vectors) };
    let labels_path = locate(labels)?;
    let labels = labels_in(&labels_path)?;
    if labels.len() != rows {
        let message =
            format!("{} labels for {rows} points in {}; one for each is expected", labels.len(), path.display());
        return Err(DataError::BadTable { path: labels_path, message });
    }
    Ok(vectors.with_labels(&labels))
}

fn labels_in(path: &Path) -> Result<Vec<String>, DataError> {
    if is_npy(path) {
        return Ok(array(path)?.0.iter().map(f32::to_string).collect());
    }
    let text = read_text(path, Encoding::default())?;
    Ok(text.lines().map(|line| line.trim().to_owned()).collect())
}

/// The numbers of an array, row by row, and its shape.
fn array(path: &Path) -> Result<(Vec<f32>, Vec<usize>), DataError> {
    let bad = |message: String| DataError::BadTable { path: path.to_owned(), message };
    let file = File::open(path).map_err(DataError::reading(path))?;
    let npy = NpyFile::new(BufReader::new(file))
        .map_err(|error| bad(format!("not a .npy file that can be read ({error})")))?;
    let shape: Vec<usize> = npy.shape().iter().map(|size| *size as usize).collect();
    if npy.order() == Order::Fortran && shape.len() > 1 {
        return Err(bad("its numbers stand column by column; save it with `numpy.ascontiguousarray`".to_owned()));
    }
    let kind = match npy.dtype() {
        DType::Plain(kind) => kind.to_string(),
        other => other.descr(),
    };
    let failed = |error: std::io::Error| bad(format!("cannot be read ({error})"));
    /// The numbers of one type as `f32`.
    macro_rules! numbers {
        ($kind:ty) => {
            npy.into_vec::<$kind>().map_err(failed)?.into_iter().map(|number| number as f32).collect()
        };
    }
    let values = match kind.trim_start_matches(['<', '>', '|', '=']) {
        "f4" => numbers!(f32),
        "f8" => numbers!(f64),
        "u1" => numbers!(u8),
        "i1" => numbers!(i8),
        "u2" => numbers!(u16),
        "i2" => numbers!(i16),
        "u4" => numbers!(u32),
        "i4" => numbers!(i32),
        "u8" => numbers!(u64),
        "i8" => numbers!(i64),
        _ => {
            let message =
                format!("numbers of the type {kind} are not read; save them as float32 (`array.astype('float32')`)");
            return Err(bad(message));
        }
    };
    Ok((values, shape))
}
