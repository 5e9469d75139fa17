//! Inverse depth may change where the image does.

use candle_core::Tensor;

use crate::Result;

/// Edge-aware smoothness (Godard et al. 2017, arXiv 1609.03677, equation 3), a scalar:
///
/// `mean |∂x d| e^{−|∂x I|} + mean |∂y d| e^{−|∂y I|}`
///
/// with d the inverse depth over its own mean over the image, so that it cannot be made small by shrinking, and |∂I|
/// the mean over channels. Differences are between neighbouring pixels.
///
/// * `inv_depth`: `[n, 1, h, w]`
/// * `image`: `[n, 3, h, w]`
///
/// # Errors
/// If the shapes do not fit each other.
pub fn smoothness(inv_depth: &Tensor, image: &Tensor) -> Result<Tensor> {
    let mean = inv_depth.mean_keepdim((2, 3))?.maximum(1e-6)?;
    let normalised = inv_depth.broadcast_div(&mean)?;
    let along = |axis: usize| -> Result<Tensor> {
        let edges = difference(image, axis)?.abs()?.mean_keepdim(1)?;
        Ok((difference(&normalised, axis)?.abs()? * edges.neg()?.exp()?)?.mean_all()?)
    };
    Ok((along(3)? + along(2)?)?)
}

fn difference(x: &Tensor, axis: usize) -> Result<Tensor> {
    let size = x.dim(axis)?.saturating_sub(1);
    Ok((x.narrow(axis, 0, size)? - x.narrow(axis, 1, size)?)?)
}
