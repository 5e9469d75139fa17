//! Sizes of a convolution.

use candle_core::{Result, bail};

/// Stride and zero padding of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

    /// `(⌊(height + 2·pad_y − kh) / stride⌋ + 1, ⌊(width + 2·pad_x − kw) / stride⌋ + 1)` for a map of `size`
    /// (height, width) and a `kernel` (kh, kw).
    ///
    /// # Errors
    /// When the stride or the kernel is 0, or the kernel is larger than the padded map.
    pub fn output_size(&self, kernel: (usize, usize), size: (usize, usize)) -> Result<(usize, usize)> {
        let padded = (size.0 + 2 * self.pad_y, size.1 + 2 * self.pad_x);
        if self.stride == 0 || kernel.0 == 0 || kernel.1 == 0 {
            bail!(
                "conv2d: expected a stride and a kernel of at least 1, found stride {} and kernel {kernel:?}",
                self.stride
            )
        }
        if padded.0 < kernel.0 || padded.1 < kernel.1 {
            bail!(
                "conv2d: expected a padded map no smaller than the kernel {kernel:?}, found {padded:?} (height, width)"
            )
        }
        Ok(((padded.0 - kernel.0) / self.stride + 1, (padded.1 - kernel.1) / self.stride + 1))
    }
}
