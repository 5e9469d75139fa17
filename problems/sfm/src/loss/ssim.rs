//! Structural similarity.

use candle_core::Tensor;

use crate::{Error, Result};

/// What keeps the quotients finite where a window is dark, or of one colour.
const C1: f64 = 1e-4;
const C2: f64 = 9e-4;

/// Structural similarity of two images in 3x3 windows (Wang et al. 2004, IEEE TIP 13(4), equation 13), per channel:
///
/// `(2 μ_x μ_y + C₁)(2 σ_xy + C₂) / ((μ_x² + μ_y² + C₁)(σ_x² + σ_y² + C₂))`, C₁ = 0.01², C₂ = 0.03²,
///
/// with plain means in place of a Gaussian window and the border mirrored (without its own row), as in Monodepth (Godard
/// et al. 2017, arXiv 1609.03677).
///
/// `[n, c, h, w]` twice, h and w at least 2 → `[n, c, h, w]`, 1 where they are alike, −1 at least.
///
/// # Errors
/// If the shapes differ or an image is too small to mirror.
pub fn ssim(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    super::check_shape("image", y, x.dims())?;
    if height < 2 || width < 2 {
        return Err(Error::argument("image", "at least 2x2 pixels", format!("{height}x{width}")));
    }
    let (mean_x, mean_y) = (window_mean(x)?, window_mean(y)?);
    let product = (&mean_x * &mean_y)?;
    let (square_x, square_y) = (mean_x.sqr()?, mean_y.sqr()?);
    let variance_x = (window_mean(&x.sqr()?)? - &square_x)?;
    let variance_y = (window_mean(&y.sqr()?)? - &square_y)?;
    let covariance = (window_mean(&(x * y)?)? - &product)?;
    let numerator = (product.affine(2.0, C1)? * covariance.affine(2.0, C2)?)?;
    let denominator = (((square_x + square_y)? + C1)? * ((variance_x + variance_y)? + C2)?)?;
    Ok((numerator / denominator)?)
}

/// The mean over the 3x3 window around each pixel, the border mirrored.
fn window_mean(x: &Tensor) -> Result<Tensor> {
    Ok((sum_of_three(&sum_of_three(x, 2)?, 3)? / 9.0)?)
}

/// `x[i − 1] + x[i] + x[i + 1]` along an axis, where `x[−1] = x[1]` and `x[n] = x[n − 2]`.
fn sum_of_three(x: &Tensor, axis: usize) -> Result<Tensor> {
    let size = x.dim(axis)?;
    let padded = Tensor::cat(&[&x.narrow(axis, 1, 1)?, x, &x.narrow(axis, size - 2, 1)?], axis)?;
    let shifted = |by| padded.narrow(axis, by, size);
    Ok(((shifted(0)? + shifted(1)?)? + shifted(2)?)?)
}
