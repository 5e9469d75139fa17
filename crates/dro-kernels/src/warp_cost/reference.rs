//! The warped difference as a composition of candle's own operations.

use candle_core::{Result, Tensor};

use super::{Dims, WarpCost, check};
use crate::grid_sample_reference;

/// [`warp_cost`](super::warp_cost) on any device, for f32 and f64, differentiable by candle itself. Same arguments, result
/// and errors.
pub fn warp_cost_reference(
    features: &Tensor,
    inverse: &Tensor,
    projection: &Tensor,
    how: WarpCost,
) -> Result<Tensor> {
    let Dims { batch, neighbours, channels, height, width } = check(features, inverse, projection)?;
    let pairs = batch * neighbours;
    let each = |x: &Tensor| {
        let mut shape = x.dims().to_vec();
        shape.insert(1, neighbours);
        x.unsqueeze(1)?.broadcast_as(shape)?.contiguous()?.flatten(0, 1)
    };
    let depth = each(&depth(&inverse.affine(how.scale, how.shift)?)?)?.reshape((pairs, 1, height * width))?;
    let column = projection.narrow(2, 3, 1)?;
    let rays = projection.narrow(2, 0, 3)?.contiguous()?.reshape((pairs * 3, 3))?;
    let rays = rays.matmul(&pixels(height, width, features)?)?.reshape((pairs, 3, height * width))?;
    let points = rays.broadcast_mul(&depth)?.broadcast_add(&column)?;
    let coords = points.narrow(1, 0, 2)?.broadcast_div(&points.narrow(1, 2, 1)?.maximum(1e-5)?)?;
    let coords = coords.transpose(1, 2)?.reshape((pairs, height, width, 2))?;

    let warped = grid_sample_reference(&features.narrow(0, batch, pairs)?, &coords)?;
    let squares = (each(&features.narrow(0, 0, batch)?)? - warped)?.sqr()?;
    if how.mean {
        squares.reshape((batch, neighbours, channels, height, width))?.mean(1)
    } else {
        Ok(squares)
    }
}

/// `1 / max(x, 1e-6)` where x > 0, else 0.
fn depth(inverse: &Tensor) -> Result<Tensor> {
    let some = inverse.gt(0.0)?;
    let safe = some.where_cond(inverse, &inverse.ones_like()?)?;
    some.where_cond(&safe.maximum(1e-6)?.recip()?, &inverse.zeros_like()?)
}

/// Homogeneous pixels, `[3, h·w]`.
fn pixels(height: usize, width: usize, like: &Tensor) -> Result<Tensor> {
    let axis = |size: usize| Tensor::arange(0f32, size as f32, like.device())?.to_dtype(like.dtype());
    let x = axis(width)?.reshape((1, width))?.broadcast_as((height, width))?.contiguous()?;
    let y = axis(height)?.reshape((height, 1))?.broadcast_as((height, width))?.contiguous()?;
    Tensor::stack(&[&x, &y, &x.ones_like()?], 0)?.reshape((3, height * width))
}
