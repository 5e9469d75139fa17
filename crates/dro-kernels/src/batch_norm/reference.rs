//! The same by candle's operations.

use candle_core::{Result, Tensor};

use super::BatchNormed;

/// What [`batch_norm`](super::batch_norm) computes, on any device.
///
/// # Errors
/// When shapes do not fit.
pub fn batch_norm_reference(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    epsilon: f64,
    relu: bool,
) -> Result<BatchNormed> {
    let mean = x.mean_keepdim((0, 2, 3))?;
    let centred = x.broadcast_sub(&mean)?;
    let variance = centred.sqr()?.mean_keepdim((0, 2, 3))?;
    let each = |t: &Tensor| t.reshape((1, (), 1, 1));
    let scale = each(weight)?.div(&(&variance + epsilon)?.sqrt()?)?;
    let y = centred.broadcast_mul(&scale)?.broadcast_add(&each(bias)?)?;
    Ok(BatchNormed {
        y: if relu { y.relu()? } else { y },
        mean: mean.flatten_all()?.detach(),
        variance: variance.flatten_all()?.detach(),
    })
}
