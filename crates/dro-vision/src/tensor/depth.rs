//! Inverse depth to depth.

use candle_core::Tensor;

use crate::Result;

/// The smallest inverse depth that is still told apart, 1/unit.
const MIN_INV_DEPTH: f64 = 1e-6;

/// `1 / max(x, 1e-6)` where `x > 0`, and 0 ("none") elsewhere, NaN included.
///
/// Any shape; the gradient is `−1/x²` for `x > 1e-6` and 0 below.
pub fn depth_from_inverse(inv_depth: &Tensor) -> Result<Tensor> {
    let none = inv_depth.zeros_like()?;
    // Selected before the division, so that no gradient passes through a value that is thrown away.
    let some = inv_depth.gt(0.0)?;
    let safe = some.where_cond(inv_depth, &inv_depth.ones_like()?)?;
    Ok(some.where_cond(&safe.maximum(MIN_INV_DEPTH)?.recip()?, &none)?)
}
