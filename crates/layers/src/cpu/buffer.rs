//! The numbers behind the tensors of the CPU backends.

use super::CpuBackend;
#[cfg(feature = "flex")]
use burn::backend::{
    Flex,
    flex::{FlexTensor, Layout},
};
#[cfg(feature = "ndarray")]
use burn::backend::{
    NdArray,
    ndarray::{NdArrayTensor, SharedArray},
};
#[cfg(feature = "flex")]
use burn::tensor::{Bytes, DType};
use burn::tensor::{Shape, TensorMetadata, ops::FloatTensor};
use std::ops::Deref;

/// The numbers of a tensor in row-major order, shared with the tensor wherever it was laid out like that.
///
/// Cheap to clone, so it serves as the saved input of a backward pass.
#[derive(Clone, Debug)]
pub struct Buffer(Repr);

#[derive(Clone, Debug)]
enum Repr {
    #[cfg(feature = "ndarray")]
    NdArray(SharedArray<f32>),
    #[cfg(feature = "flex")]
    Flex(FlexTensor),
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        let values = match &self.0 {
            #[cfg(feature = "ndarray")]
            Repr::NdArray(array) => array.as_slice(),
            #[cfg(feature = "flex")]
            Repr::Flex(tensor) => tensor.as_slice::<f32>(),
        };
        values.expect("made contiguous when the buffer was")
    }
}

#[cfg(feature = "ndarray")]
fn contiguous(tensor: NdArrayTensor) -> SharedArray<f32> {
    let NdArrayTensor::F32(storage) = tensor else { panic!("expected an f32 tensor, got {:?}", tensor.dtype()) };
    let array = storage.into_shared();
    if array.is_standard_layout() {
        array
    } else {
        // Not `to_shared`, which keeps the strides.
        array.as_standard_layout().into_owned().into_shared()
    }
}

#[cfg(feature = "ndarray")]
impl CpuBackend for NdArray {
    fn buffer(tensor: FloatTensor<Self>) -> Buffer {
        Buffer(Repr::NdArray(contiguous(tensor)))
    }

    fn into_vec(tensor: FloatTensor<Self>) -> Vec<f32> {
        let array = contiguous(tensor);
        let elements = array.len();
        // A slice of a larger array owns all of it: then only the slice is copied.
        if !array.is_unique() {
            return array.iter().copied().collect();
        }
        match array.into_owned().into_raw_vec_and_offset() {
            (values, None | Some(0)) if values.len() == elements => values,
            (values, offset) => {
                let offset = offset.unwrap_or(0);
                values[offset..offset + elements].to_vec()
            }
        }
    }

    fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FloatTensor<Self> {
        let shape = shape.into();
        let dims: &[usize] = &shape;
        let array = SharedArray::from_shape_vec(dims, values)
            .unwrap_or_else(|error| panic!("as many values as {dims:?} asks for: {error}"));
        NdArrayTensor::from(array)
    }

    fn update(tensor: FloatTensor<Self>, change: impl FnOnce(&mut [f32])) -> FloatTensor<Self> {
        let mut array = contiguous(tensor);
        // Copies where the array is shared; the layout stays.
        change(array.as_slice_mut().expect("made contiguous above"));
        NdArrayTensor::from(array)
    }
}

#[cfg(feature = "flex")]
fn contiguous_flex(tensor: FlexTensor) -> FlexTensor {
    assert!(tensor.dtype() == DType::F32, "expected an f32 tensor, got {:?}", tensor.dtype());
    if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
}

#[cfg(feature = "flex")]
impl CpuBackend for Flex {
    fn buffer(tensor: FloatTensor<Self>) -> Buffer {
        Buffer(Repr::Flex(contiguous_flex(tensor)))
    }

    fn into_vec(tensor: FloatTensor<Self>) -> Vec<f32> {
        let tensor = contiguous_flex(tensor);
        match tensor.into_data().bytes.try_into_vec::<f32>() {
            Ok(values) => values,
            Err(bytes) => bytes
                .chunks_exact(size_of::<f32>())
                .map(|four| f32::from_ne_bytes([four[0], four[1], four[2], four[3]]))
                .collect(),
        }
    }

    fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FloatTensor<Self> {
        let shape = shape.into();
        assert_eq!(values.len(), shape.num_elements(), "as many values as {shape:?} asks for");
        FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32)
    }

    fn update(tensor: FloatTensor<Self>, change: impl FnOnce(&mut [f32])) -> FloatTensor<Self> {
        let tensor = contiguous_flex(tensor);
        let elements = tensor.shape().num_elements();
        let whole = tensor.layout().start_offset() == 0 && tensor.bytes().len() == elements * size_of::<f32>();
        // `storage_mut` is the whole storage, so a slice of a larger tensor is first copied out of it.
        let mut tensor = if whole { tensor } else { tensor.to_contiguous() };
        change(tensor.storage_mut::<f32>());
        tensor
    }
}
