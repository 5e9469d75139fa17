//! Two-dimensional convolution with a padding per axis.

use candle_core::{Result, Tensor};

/// Stride and zero padding of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvGeometry {
    /// Stride of both axes, ≥ 1.
    pub stride: usize,
    /// Zero rows above and below.
    pub pad_y: usize,
    /// Zero columns left and right.
    pub pad_x: usize,
}

impl ConvGeometry {
    /// Stride 1 with the padding that keeps the size of an odd `kernel` (height, width).
    pub const fn same(kernel: (usize, usize)) -> Self {
        Self::strided(kernel, 1)
    }

    /// The padding `k / 2` per axis with a stride, as in PyTorch's `Conv2d(k, stride, padding=k//2)`.
    pub const fn strided(kernel: (usize, usize), stride: usize) -> Self {
        Self { stride, pad_y: kernel.0 / 2, pad_x: kernel.1 / 2 }
    }
}

/// `y[n,o] = b[o] + Σ_i w[o,i] ⋆ x[n,i]` (cross-correlation, zero padding), differentiable in all three.
///
/// * `x`: `[batch, in, height, width]`
/// * `weight`: `[out, in, kernel height, kernel width]`
/// * `bias`: `[out]`
/// * result: `[batch, out, ⌊(height + 2·pad_y − kh) / stride⌋ + 1, …]`
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, geometry: ConvGeometry) -> Result<Tensor> {
    let ConvGeometry { stride, pad_y, pad_x } = geometry;
    // candle's convolution has one padding for both axes; what differs is padded by hand.
    let both = pad_y.min(pad_x);
    let x = pad(&pad(x, 2, pad_y - both)?, 3, pad_x - both)?;
    let y = x.conv2d(weight, both, stride, 1, 1)?;
    match bias {
        Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?),
        None => Ok(y),
    }
}

fn pad(x: &Tensor, dim: usize, by: usize) -> Result<Tensor> {
    if by == 0 { Ok(x.clone()) } else { x.pad_with_zeros(dim, by, by) }
}
