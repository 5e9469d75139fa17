//! Losses that the network is trained with, on the predictions along a run.
//!
//! | file | what it does |
//! | --- | --- |
//! | `decay` | how much each prediction counts |
//! | `supervised` | known depth and poses |
//! | `relative` | known depth, errors in parts of it; ours |
//! | `photometric` | the images alone: a neighbour, warped, must look like the target |
//! | `ssim` | how alike two images are in 3x3 windows |
//! | `smoothness` | inverse depth changes where the image does |
//! | `matching` | features of the same point are alike; ours |
//!
//! All others are those of the published DRO program, value by value and gradient by gradient (`tests/gradient_parity.rs`).

mod decay;
mod matching;
mod photometric;
mod relative;
mod smoothness;
mod ssim;
mod supervised;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;

use candle_core::Tensor;

use crate::{Error, Result, network::Predictions};

pub use decay::{DECAY, decay_weights};
pub use matching::matching_loss;
pub use photometric::{PhotometricConfig, PhotometricLoss, photometric_loss};
pub use relative::relative_loss;
pub use smoothness::smoothness;
pub use ssim::ssim;
pub use supervised::{DepthBounds, SupervisedLoss, supervised_loss};

/// Predictions along a run, the start first. Both lists are of the same length.
#[derive(Debug, Clone, Copy)]
pub struct Predicted<'a> {
    /// Inverse depth in 1/m at the image's size, `[batch, 1, h, w]` each.
    pub inv_depth: &'a [Tensor],
    /// `[batch, neighbours, 6]` each: translation in metres, then Euler angles (R = Rx·Ry·Rz).
    pub poses: &'a [Tensor],
}

impl<'a> From<&'a Predictions<'_>> for Predicted<'a> {
    fn from(predictions: &'a Predictions<'_>) -> Self {
        Self { inv_depth: &predictions.inv_depth, poses: &predictions.poses }
    }
}

/// Images and camera that a loss compares, at the image's size.
#[derive(Debug, Clone, Copy)]
pub struct LossViews<'a> {
    /// `[batch, 3, h, w]`, RGB in [0, 1].
    pub target: &'a Tensor,
    /// One or more, each of the target's shape.
    pub neighbours: &'a [Tensor],
    /// `[batch, 3, 3]`, pixels.
    pub intrinsics: &'a Tensor,
}

impl Predicted<'_> {
    /// The number of predictions; batch, neighbours, height and width.
    fn sizes(&self) -> Result<(usize, [usize; 4])> {
        let (Some(inv_depth), Some(poses)) = (self.inv_depth.first(), self.poses.first()) else {
            return Err(Error::argument("predictions", "at least one of depth and of poses", "none"));
        };
        if self.inv_depth.len() != self.poses.len() {
            return Err(Error::argument(
                "predictions",
                format!("as many poses as depths, {}", self.inv_depth.len()),
                self.poses.len(),
            ));
        }
        let (batch, _, height, width) = inv_depth.dims4()?;
        let (_, neighbours, _) = poses.dims3()?;
        Ok((self.poses.len(), [batch, neighbours, height, width]))
    }
}

/// Checks that `tensor` has the shape `expected`.
fn check_shape(name: &str, tensor: &Tensor, expected: &[usize]) -> Result<()> {
    if tensor.dims() == expected {
        return Ok(());
    }
    Err(Error::argument(name, format!("shape {expected:?}"), format!("{:?}", tensor.dims())))
}
