//! The numbers of a tensor as a slice.

use std::ops::Range;

use candle_core::{CpuStorage, DType, Result, Storage, StorageRef, Tensor, bail};

/// The numbers of a contiguous float32 tensor on the CPU, row by row, without a copy.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use dro_core::cells::CpuValues;
///
/// let x = Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu)?;
/// assert_eq!(CpuValues::of(&x)?.as_slice(), [1.0, 2.0, 3.0, 4.0]);
/// let second = x.narrow(0, 1, 1)?;
/// assert_eq!(CpuValues::of(&second)?.as_slice(), [3.0, 4.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub struct CpuValues<'a> {
    storage: StorageRef<'a>,
    range: Range<usize>,
}

impl<'a> CpuValues<'a> {
    /// Borrows the tensor's memory.
    ///
    /// # Errors
    /// When the tensor is not contiguous, not float32 or not on the CPU.
    pub fn of(tensor: &'a Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        let range = layout.contiguous_offsets();
        let (Some((start, end)), DType::F32, true) = (range, tensor.dtype(), tensor.device().is_cpu()) else {
            bail!(
                "values: expected a contiguous f32 tensor on the CPU, found {:?} on {:?}, {layout:?}",
                tensor.dtype(),
                tensor.device().location()
            )
        };
        Ok(Self { storage, range: start..end })
    }

    /// The numbers.
    pub fn as_slice(&self) -> &[f32] {
        match &*self.storage {
            // The range was taken from the layout of this very storage.
            Storage::Cpu(CpuStorage::F32(values)) => &values[self.range.clone()],
            _ => &[],
        }
    }
}
