//! Depth is known: errors count in parts of it, near and far alike.

use candle_core::Tensor;

use super::{DepthBounds, Predicted, check_shape, decay::decayed_mean, supervised::inverse_truth};
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
    let (_, [batch, _, height, width]) = predicted.sizes()?;
    check_shape("depth_m", depth_m, &[batch, 1, height, width])?;
    let (truth, valid) = inverse_truth(depth_m, bounds)?;
    let truth = truth.log()?;
    decayed_mean(predicted.inv_depth, |inv_depth| {
        Ok(((inv_depth.maximum(LEAST)?.log()? - &truth)?.abs()? * &valid)?.mean_all()?)
    })
}
