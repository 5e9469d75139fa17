//! Two-dimensional convolution with a padding per axis.

mod activation;
mod geometry;
mod prepared;
mod reference;
mod shapes;
mod view;

use candle_core::{Result, Tensor};

pub use activation::Activation;
pub use geometry::ConvGeometry;
pub use prepared::PreparedConv;
pub use reference::conv2d_reference;
pub use view::{MapView, Scratch};

/// `y[n,o] = b[o] + Σ_i w[o,i] ⋆ x[n,i]` (cross-correlation, zero padding), differentiable in all three.
///
/// * `x`: `[batch, in, height, width]`
/// * `weight`: `[out, in, kernel height, kernel width]`
/// * `bias`: `[out]`
/// * result: `[batch, out, ⌊(height + 2·pad_y − kh) / stride⌋ + 1, …]`
///
/// # Errors
/// When the shapes or types do not fit each other.
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, geometry: ConvGeometry) -> Result<Tensor> {
    conv2d_reference(x, weight, bias, geometry)
}
