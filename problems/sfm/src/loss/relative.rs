//! Depth is known: errors count in parts of it, near and far alike.

use candle_core::Tensor;

use super::{DepthBounds, Predicted, check_shape, decay_weights, supervised::between};
use crate::Result;

/// Inverse depths below this count as this, 1/m: a logarithm needs one.
const LEAST: f64 = 1e-6;

/// `1/W Σ_i w_i · mean_p [valid_p] |ln x_i − ln x*|`: the depth part of [`supervised_loss`](super::supervised_loss) with logarithms of
/// inverse depth (ours, not in the paper). An error of so many parts of depth costs the same at any depth, as it does in the
/// measures that results are compared by (abs rel, L1-rel); by inverse depth itself what is far hardly counts.
///
/// `depth_m` is the true depth `[batch, 1, h, w]`, 0 = unknown; weights and bounds are those of the supervised loss.
///
/// # Errors
/// If its shape does not fit the predictions, or there are none.
pub fn relative_loss(predicted: Predicted<'_>, depth_m: &Tensor, bounds: DepthBounds) -> Result<Tensor> {
    let (count, [batch, _, height, width]) = predicted.sizes()?;
    check_shape("depth_m", depth_m, &[batch, 1, height, width])?;
    let weights = decay_weights(count);
    let whole: f64 = weights.iter().sum();
    let valid = between(depth_m, bounds.min_depth_m, bounds.max_depth_m)?;
    // 1 in place of "unknown" keeps the logarithm finite; the mask removes it.
    let truth = depth_m.gt(0.0)?.where_cond(depth_m, &depth_m.ones_like()?)?.log()?.neg()?;
    let mut terms = Vec::with_capacity(count);
    for (inv_depth, weight) in predicted.inv_depth.iter().zip(&weights) {
        let error = ((inv_depth.maximum(LEAST)?.log()? - &truth)?.abs()? * &valid)?.mean_all()?;
        terms.push((error * (weight / whole))?);
    }
    Ok(Tensor::stack(&terms, 0)?.sum_all()?)
}
