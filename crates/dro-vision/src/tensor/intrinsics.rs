//! Camera matrices as tensors.

use candle_core::{DType, Device, Tensor};

use super::expect_shape;
use crate::{Pinhole, Result};

/// The camera's matrix K, repeated: `[batch, 3, 3]`, f32, pixels.
pub fn intrinsics_tensor(camera: &Pinhole, batch: usize, device: &Device) -> Result<Tensor> {
    let Pinhole { fx, fy, cx, cy } = *camera;
    let k = Tensor::new(&[[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]], &Device::Cpu)?;
    Ok(k.to_dtype(DType::F32)?.to_device(device)?.broadcast_as((batch, 3, 3))?.contiguous()?)
}

/// Camera matrices after images are resized by `factor`: `f' = f·s`, `c' = (c + 0.5)·s − 0.5`
/// (pixel centres at integers, so that the image's corner is at −0.5).
///
/// * `k`: `[n, 3, 3]`, pixels, last row `0 0 1`
/// * `factor`: positive; 0.125 for feature maps at an eighth of the image's size
/// * result: `[n, 3, 3]`
pub fn scale_intrinsics(k: &Tensor, factor: f64) -> Result<Tensor> {
    expect_shape("k", k, [None, Some(3), Some(3)], "[n, 3, 3]")?;
    if !(factor.is_finite() && factor > 0.0) {
        return Err(crate::Error::Argument {
            name: "factor",
            expected: "a positive number".into(),
            found: factor.to_string(),
        });
    }
    // In homogeneous pixels the resize is x' = s·x + (s − 1)/2: a matrix from the left.
    let shift = (factor - 1.0) / 2.0;
    let resize = Tensor::new(&[[factor, 0.0, shift], [0.0, factor, shift], [0.0, 0.0, 1.0]], &Device::Cpu)?
        .to_dtype(k.dtype())?
        .to_device(k.device())?;
    Ok(resize.broadcast_matmul(k)?)
}
