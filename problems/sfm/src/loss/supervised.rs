//! Depth and poses are known: inverse depth by L1, poses by where they put the true points.

use candle_core::Tensor;
use dro_vision::{euler_to_matrix, project_depth};

use super::{Predicted, check_shape, decay::decayed_mean};
use crate::{Error, Result, network::repeat_each};

/// Which true depths count, metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DepthBounds {
    /// True depths at or below this do not count; above 0.
    pub min_depth_m: f64,
    /// True depths at or above this do not count for depth, nor those at or above a quarter of it for poses: what is far
    /// away hardly moves.
    pub max_depth_m: f64,
}

/// Both parts of the supervised loss, and their sum.
#[derive(Debug, Clone)]
pub struct SupervisedLoss {
    /// Depth part, a scalar.
    pub depth: Tensor,
    /// Pose part, a scalar.
    pub pose: Tensor,
    /// `depth + pose`, a scalar.
    pub total: Tensor,
}

/// The supervised loss of DRO (arXiv 2103.13201, section 3.5, in the form of the published program).
///
/// With weights w_i of [`decay_weights`](super::decay_weights), W their sum, x_i predicted inverse depth and x* = 1/d* the true one:
///
/// * depth: `1/W Σ_i w_i · mean_p [valid_p] |x_i − x*|`; the mean is over *all* pixels, those without truth count 0
/// * pose: `1/W Σ_i w_i · mean_{n,p,axis} [valid_p] min(|u(T_i, d*) − u(T*, d*)|, 1)`, where u is where the neighbour sees
///   the true point, in coordinates that are −1 and 1 at the centres of the outermost pixels. An axis counts where both
///   coordinates of that axis lie in [−1, 1] and the depth is within the bounds for poses.
///
/// Arguments:
/// * `depth_m`: true depth `[batch, 1, h, w]`, 0 = unknown
/// * `neighbour_from_target`: true poses `[batch, neighbours, 3, 4]`
/// * `intrinsics`: `[batch, 3, 3]` at that size
///
/// # Errors
/// If a shape does not fit the predictions, or there are none.
pub fn supervised_loss(
    predicted: Predicted<'_>,
    depth_m: &Tensor,
    neighbour_from_target: &Tensor,
    intrinsics: &Tensor,
    bounds: DepthBounds,
) -> Result<SupervisedLoss> {
    let (_, [batch, neighbours, height, width]) = predicted.sizes()?;
    check_shape("depth_m", depth_m, &[batch, 1, height, width])?;
    check_shape("neighbour_from_target", neighbour_from_target, &[batch, neighbours, 3, 4])?;
    check_shape("intrinsics", intrinsics, &[batch, 3, 3])?;
    if height < 2 || width < 2 {
        return Err(Error::argument("depth_m", "at least 2x2 pixels", format!("{height}x{width}")));
    }
    let (truth, valid) = inverse_truth(depth_m, bounds)?;
    let depth = decayed_mean(predicted.inv_depth, |inv_depth| {
        Ok(((inv_depth - &truth)?.abs()? * &valid)?.mean_all()?)
    })?;

    let near = between(depth_m, bounds.min_depth_m, bounds.max_depth_m / 4.0)?;
    let places = Places {
        depth_m: repeat_each(depth_m, neighbours)?,
        intrinsics: repeat_each(intrinsics, neighbours)?,
        near: repeat_each(&near, neighbours)?.reshape((batch * neighbours, height, width, 1))?,
    };
    let (seen, inside) = places.of(&neighbour_from_target.reshape((batch * neighbours, 3, 4))?)?;
    let pose = decayed_mean(predicted.poses, |poses| {
        let (at, also_inside) = places.of(&euler_to_matrix(&poses.reshape((batch * neighbours, 6))?)?)?;
        let counts = (&inside * also_inside)?.broadcast_mul(&places.near)?;
        // Coordinates of points behind the camera are huge; they are masked, and must not become inf · 0.
        Ok(((at - &seen)?.abs()?.minimum(1.0)? * counts)?.mean_all()?)
    })?;

    Ok(SupervisedLoss { total: (&depth + &pose)?, depth, pose })
}

/// The true points, and how to look at them.
struct Places {
    /// `[pairs, 1, h, w]`.
    depth_m: Tensor,
    /// `[pairs, 3, 3]`.
    intrinsics: Tensor,
    /// Which points are near enough, `[pairs, h, w, 1]`.
    near: Tensor,
}

impl Places {
    /// Where neighbours at these poses `[pairs, 3, 4]` see the points, `[pairs, h, w, 2]` in [−1, 1], and 1 on each axis
    /// that is inside.
    fn of(&self, neighbour_from_target: &Tensor) -> Result<(Tensor, Tensor)> {
        let (_, _, height, width) = self.depth_m.dims4()?;
        let k = &self.intrinsics;
        let (pixels, _) = project_depth(&self.depth_m, k, k, neighbour_from_target)?;
        let half = [(width - 1) as f32 / 2.0, (height - 1) as f32 / 2.0];
        let half = Tensor::new(&half, pixels.device())?.to_dtype(pixels.dtype())?;
        let at = (pixels.broadcast_div(&half)? - 1.0)?;
        let inside = at.detach().abs()?.le(1.0)?.to_dtype(at.dtype())?;
        Ok((at, inside))
    }
}

/// True inverse depth, and 1 where it counts.
pub(super) fn inverse_truth(depth_m: &Tensor, bounds: DepthBounds) -> Result<(Tensor, Tensor)> {
    // 1 in place of "unknown" keeps the division finite; the mask removes it.
    let truth = depth_m.gt(0.0)?.where_cond(depth_m, &depth_m.ones_like()?)?.recip()?;
    Ok((truth, between(depth_m, bounds.min_depth_m, bounds.max_depth_m)?))
}

/// 1 where `low < x < high`, else 0.
fn between(x: &Tensor, low: f64, high: f64) -> Result<Tensor> {
    Ok((x.gt(low)?.to_dtype(x.dtype())? * x.lt(high)?.to_dtype(x.dtype())?)?)
}
