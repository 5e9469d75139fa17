//! Features of the same point are alike, those of others are not.

use candle_core::{D, DType, Tensor};
use candle_nn::ops::log_softmax;
use dro_vision::{project_depth, scale_intrinsics};

use super::{DepthBounds, check_shape};
use crate::{
    Error, Result,
    network::{STRIDE, repeat_each},
};

/// The matching loss: a cheap way to teach features that a cost of feature differences can be built on, before any update
/// rule can use them. Nothing of it is in the paper; it is the InfoNCE loss (van den Oord et al. 2018, arXiv 1807.03748)
/// on true correspondences.
///
/// Cell p of the target sees a point that the neighbour sees at u. With a and b the features of target and neighbour, and
/// w_q the weights of bilinear sampling at u, the loss is the cross-entropy of w and the softmax over all cells q of
/// `−‖a_p − b_q‖² / √channels`, mean over the cells p whose depth is known and whose u is inside.
///
/// * `target_features`: `[batch, channels, h/8, w/8]`
/// * `neighbour_features`: `[batch · neighbours, channels, h/8, w/8]`, batch-major
/// * `depth_m`: true depth `[batch, 1, h, w]`, 0 = unknown
/// * `neighbour_from_target`: true poses `[batch, neighbours, 3, 4]`
/// * `intrinsics`: `[batch, 3, 3]` at the image's size
/// * result: a scalar, 0 where no cell counts
///
/// # Errors
/// If shapes do not fit.
pub fn matching_loss(
    target_features: &Tensor,
    neighbour_features: &Tensor,
    depth_m: &Tensor,
    neighbour_from_target: &Tensor,
    intrinsics: &Tensor,
    bounds: DepthBounds,
) -> Result<Tensor> {
    let (batch, channels, height, width) = target_features.dims4()?;
    let (pairs, ..) = neighbour_features.dims4()?;
    if batch == 0 || pairs % batch != 0 {
        return Err(Error::argument("neighbour_features", format!("a multiple of {batch} maps"), pairs));
    }
    let neighbours = pairs / batch;
    check_shape("neighbour_features", neighbour_features, &[pairs, channels, height, width])?;
    check_shape("depth_m", depth_m, &[batch, 1, height * STRIDE, width * STRIDE])?;
    check_shape("neighbour_from_target", neighbour_from_target, &[batch, neighbours, 3, 4])?;
    check_shape("intrinsics", intrinsics, &[batch, 3, 3])?;

    let depth_m = repeat_each(&middles(depth_m)?, neighbours)?;
    let k = repeat_each(&scale_intrinsics(intrinsics, 1.0 / STRIDE as f64)?, neighbours)?;
    let poses = neighbour_from_target.reshape((pairs, 3, 4))?;
    // 1 in place of "unknown" keeps the projection finite; the mask removes it.
    let known = depth_m.gt(bounds.min_depth_m)?.mul(&depth_m.lt(bounds.max_depth_m)?)?;
    let (seen, z) = project_depth(&known.where_cond(&depth_m, &depth_m.ones_like()?)?, &k, &k, &poses)?;

    let cells = height * width;
    let seen = seen.reshape((pairs, cells, 2))?;
    let across = hat(&seen.narrow(2, 0, 1)?, width)?.unsqueeze(2)?;
    let down = hat(&seen.narrow(2, 1, 1)?, height)?.unsqueeze(3)?;
    let weights = down.broadcast_mul(&across)?.reshape((pairs, cells, cells))?;
    let whole = weights.sum(D::Minus1)?;
    // Partly outside is outside.
    let inside = whole.gt(0.999)?.to_dtype(whole.dtype())?;
    let ahead = z.reshape((pairs, cells))?.gt(0.0)?.to_dtype(whole.dtype())?;
    let counts = (inside * ahead)?.mul(&known.reshape((pairs, cells))?.to_dtype(whole.dtype())?)?;

    let a = repeat_each(target_features, neighbours)?.reshape((pairs, channels, cells))?;
    let b = neighbour_features.reshape((pairs, channels, cells))?;
    let squares = |x: &Tensor| x.sqr()?.sum_keepdim(1);
    let products = a.transpose(1, 2)?.contiguous()?.matmul(&b.contiguous()?)?;
    let distances =
        (products * -2.0)?.broadcast_add(&squares(&a)?.transpose(1, 2)?)?.broadcast_add(&squares(&b)?)?;
    let chances = log_softmax(&(distances * (-1.0 / (channels as f64).sqrt()))?, D::Minus1)?;
    let entropy = (chances * weights)?.sum(D::Minus1)?.neg()?;
    let count = counts.sum_all()?.maximum(1.0)?;
    Ok((entropy * counts)?.sum_all()?.div(&count)?)
}

/// The pixel in the middle of each cell, `[b, 1, h, w]` → `[b, 1, h/8, w/8]`. A mean would be between near and far at
/// edges, where nothing is.
fn middles(map: &Tensor) -> Result<Tensor> {
    let (batch, _, height, width) = map.dims4()?;
    let (rows, columns) = (height / STRIDE, width / STRIDE);
    let cut = map.reshape((batch, rows, STRIDE, columns, STRIDE))?;
    let middle = cut.narrow(2, STRIDE / 2, 1)?.narrow(4, STRIDE / 2, 1)?;
    Ok(middle.contiguous()?.reshape((batch, 1, rows, columns))?)
}

/// Weights of linear sampling at `at` `[n, cells, 1]` of `count` places, `[n, cells, count]`.
fn hat(at: &Tensor, count: usize) -> Result<Tensor> {
    let places =
        Tensor::arange(0u32, count as u32, at.device())?.to_dtype(DType::F32)?.to_dtype(at.dtype())?;
    // What is far outside, or no number, must not become inf − inf.
    let at = at.clamp(-2.0, count as f64 + 1.0)?;
    Ok(at.broadcast_sub(&places.reshape((1, 1, count))?)?.abs()?.affine(-1.0, 1.0)?.relu()?)
}
