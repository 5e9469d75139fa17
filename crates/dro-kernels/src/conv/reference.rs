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
    let shape = super::shapes::check(x, weight, bias, geometry)?;
    let ConvGeometry { stride, pad_y, pad_x } = geometry;
    let unused =
        |size: usize, pad: usize, kernel: usize, out: usize| size + 2 * pad - ((out - 1) * stride + kernel);
    let below = unused(shape.height, pad_y, shape.kernel.0, shape.out_height);
    let right = unused(shape.width, pad_x, shape.kernel.1, shape.out_width);
    let y = if below == 0 && right == 0 {
        // candle's convolution has one padding for both axes; what differs is padded by hand.
        let both = pad_y.min(pad_x);
        let x = pad(&pad(x, 2, pad_y - both)?, 3, pad_x - both)?;
        x.conv2d(weight, both, stride, 1, 1)?
    } else {
        // candle's gradient fails where a stride leaves rows or columns that no patch reads: these are cut off.
        let x = pad(&pad(x, 2, pad_y)?, 3, pad_x)?;
        let (height, width) = (shape.height + 2 * pad_y - below, shape.width + 2 * pad_x - right);
        x.narrow(2, 0, height)?.narrow(3, 0, width)?.conv2d(weight, 0, stride, 1, 1)?
    };
    match bias {
        Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?),
        None => Ok(y),
    }
}

fn pad(x: &Tensor, dim: usize, by: usize) -> Result<Tensor> {
    if by == 0 { Ok(x.clone()) } else { x.pad_with_zeros(dim, by, by) }
}
