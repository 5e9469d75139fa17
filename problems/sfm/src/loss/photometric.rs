//! No truth at all: with the right depth and poses the neighbours, warped, look like the target.

use candle_core::Tensor;
use dro_vision::{depth_from_inverse, euler_to_matrix, warp};
use serde::{Deserialize, Serialize};

use super::{LossViews, Predicted, check_shape, decay_weights, smoothness, ssim};
use crate::{Error, Result};

/// Weights of the self-supervised loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PhotometricConfig {
    /// Part of SSIM, in [0, 1]; the rest is L1.
    pub ssim: f64,
    /// Weight of the smoothness, at least 0.
    pub smoothness: f64,
    /// Whether pixels that look alike *without* warping are left out (they stand still in the image).
    pub automask: bool,
}

impl Default for PhotometricConfig {
    /// As published: SSIM 0.85, smoothness 0.001, automask.
    fn default() -> Self {
        Self { ssim: 0.85, smoothness: 1e-3, automask: true }
    }
}

impl PhotometricConfig {
    /// # Errors
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.ssim) {
            return Err(Error::argument("photometric.ssim", "0 to 1", self.ssim));
        }
        if !(self.smoothness >= 0.0 && self.smoothness.is_finite()) {
            return Err(Error::argument("photometric.smoothness", "at least 0", self.smoothness));
        }
        Ok(())
    }
}

/// Both parts of the self-supervised loss, and their sum.
#[derive(Debug, Clone)]
pub struct PhotometricLoss {
    /// Unlikeness of the warped neighbours, a scalar.
    pub photometric: Tensor,
    /// Smoothness with its weight, a scalar.
    pub smoothness: Tensor,
    /// The sum, a scalar.
    pub total: Tensor,
}

/// The self-supervised loss of DRO: that of Monodepth2 (Godard et al. 2019, arXiv 1806.01260, sections 3.1 and 3.2) on
/// every prediction i of n, with weights w_i of [`decay_weights`] that are *not* divided by their sum.
///
/// * `pe(a, b) = ssim · mean_c (1 − SSIM(a, b))/2 + (1 − ssim) · mean_c |a − b|`, the first clamped to [0, 1]
/// * photometric: `Σ_i w_i · mean_p min_j pe(I_t, warp(I_j; d_i, T_ij))`; with `automask` the minimum is also over
///   `pe(I_t, I_j)`, the neighbours as they are
/// * smoothness: `weight · 1/n Σ_i smoothness(x_i) / 2^i`
///
/// # Errors
/// If a shape does not fit the predictions, or there are none.
pub fn photometric_loss(
    predicted: Predicted<'_>,
    views: LossViews<'_>,
    config: &PhotometricConfig,
) -> Result<PhotometricLoss> {
    let (count, [batch, neighbours, height, width]) = predicted.sizes()?;
    check_shape("target", views.target, &[batch, 3, height, width])?;
    check_shape("intrinsics", views.intrinsics, &[batch, 3, 3])?;
    if views.neighbours.len() != neighbours {
        return Err(Error::argument("neighbours", format!("{neighbours} images"), views.neighbours.len()));
    }
    for neighbour in views.neighbours {
        check_shape("neighbour", neighbour, views.target.dims())?;
    }

    let mut unwarped = Vec::new();
    if config.automask {
        for neighbour in views.neighbours {
            unwarped.push(unlikeness(neighbour, views.target, config.ssim)?);
        }
    }
    let (mut photometric, mut smooth) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let predictions = predicted.inv_depth.iter().zip(predicted.poses);
    for (index, ((inv_depth, poses), weight)) in predictions.zip(decay_weights(count)).enumerate() {
        let depth = depth_from_inverse(inv_depth)?;
        let mut all = unwarped.clone();
        for (j, neighbour) in views.neighbours.iter().enumerate() {
            let pose = euler_to_matrix(&poses.narrow(1, j, 1)?.squeeze(1)?)?;
            let k = views.intrinsics;
            all.push(unlikeness(&warp(neighbour, &depth, k, k, &pose)?, views.target, config.ssim)?);
        }
        photometric.push((least(&all)?.mean_all()? * weight)?);
        let halved = config.smoothness / 2f64.powi(index.min(1000) as i32) / count as f64;
        smooth.push((smoothness(inv_depth, views.target)? * halved)?);
    }
    let photometric = Tensor::stack(&photometric, 0)?.sum_all()?;
    let smoothness = Tensor::stack(&smooth, 0)?.sum_all()?;
    Ok(PhotometricLoss { total: (&photometric + &smoothness)?, photometric, smoothness })
}

/// How unlike two images are at each pixel, `[n, 1, h, w]`.
fn unlikeness(a: &Tensor, b: &Tensor, ssim_part: f64) -> Result<Tensor> {
    let structure = ssim(a, b)?.affine(-0.5, 0.5)?.clamp(0.0, 1.0)?.mean_keepdim(1)?;
    let colour = (a - b)?.abs()?.mean_keepdim(1)?;
    Ok(((structure * ssim_part)? + (colour * (1.0 - ssim_part))?)?)
}

/// The smallest at each pixel. The gradient goes to that one, in halves where two are equal.
fn least(maps: &[Tensor]) -> Result<Tensor> {
    let Some((first, rest)) = maps.split_first() else {
        return Err(Error::argument("neighbours", "at least one image", "none"));
    };
    let mut least = first.clone();
    for map in rest {
        least = least.minimum(map)?;
    }
    Ok(least)
}
