//! Convolution as a composition of candle's own operations.

use candle_core::{Result, Tensor};

use super::ConvGeometry;

/// [`conv2d`](super::conv2d) by candle's own convolution: any device and type, differentiable by candle itself.
///
/// Same arguments, result and errors.
pub fn conv2d_reference(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    geometry: ConvGeometry,
) -> Result<Tensor> {
    super::shapes::check(x, weight, bias, geometry)?;
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
