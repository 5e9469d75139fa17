//! Convolution by cuDNN, forwards and backwards, in f32.
//!
//! candle has a forward convolution by cuDNN too. This one pads each axis on its own (no copy of the map for a 1x5 kernel),
//! asks cuDNN once per shape which algorithm to use rather than at each call, and rounds as f32 does: cuDNN's default
//! rounds factors to TF32 on cards that can, which candle 0.11 does not change
//! (`candle-core/src/cuda_backend/cudnn.rs` sets no math type). candle's gradients use a direct kernel.

mod handle;
mod op;
mod pass;

use candle_core::{DType, Result, Tensor, bail};

use crate::{
    conv::ConvShape,
    select::{Precision, fast, precision},
};

/// Whether cuDNN convolves these: f32 on one CUDA device, not empty, and kernels are not deselected.
pub(crate) fn takes(x: &Tensor, weight: &Tensor, shape: &ConvShape) -> bool {
    let there = |tensor: &Tensor| tensor.device().is_cuda() && tensor.dtype() == DType::F32;
    fast() && there(x) && there(weight) && x.elem_count() > 0 && shape.out_count() > 0
}

/// The convolution without a bias, differentiable.
///
/// # Errors
/// When a tensor has 2³¹ numbers or more, or cuDNN fails.
pub(crate) fn conv2d(x: &Tensor, weight: &Tensor, shape: ConvShape) -> Result<Tensor> {
    let largest = x.elem_count().max(weight.elem_count()).max(shape.out_count());
    if largest > i32::MAX as usize {
        bail!(
            "conv2d: expected tensors of fewer than 2^31 numbers, found {largest}: use smaller images or batches"
        )
    }
    if precision() == Precision::Bf16 {
        let [x, weight] = [x, weight].map(|factor| factor.to_dtype(DType::BF16)?.contiguous());
        return x?.apply_op2(&weight?, op::Conv(shape))?.to_dtype(DType::F32);
    }
    x.contiguous()?.apply_op2(&weight.contiguous()?, op::Conv(shape))
}
