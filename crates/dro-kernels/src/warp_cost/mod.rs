//! The squared difference between features and their neighbours' where a depth and poses say they are.

mod op;
mod reference;
#[cfg(test)]
mod tests;

use candle_core::{DType, Result, Tensor, bail};

use crate::launch::kernels_run;
pub use reference::warp_cost_reference;

/// How [`warp_cost`] reads inverse depth, and which maps it gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WarpCost {
    /// One map per batch element, the mean over its neighbours; else one map per neighbour.
    pub mean: bool,
    /// Inverse depth is `scale · x + shift`, in 1/unit of the translations.
    pub scale: f64,
    /// See [`scale`](Self::scale).
    pub shift: f64,
}

/// `(F_target[u] − F_neighbour[u'])²` per channel, where `u'` is where pixel `u` is seen by a neighbour:
/// `p = d·(H·(x, y, 1)) + b`, `u' = p₁₂ / max(p₃, 1e-5)` with `[H | b]` from [`projection`](crate::projection), and
/// `d = 1 / max(scale·x + shift, 1e-6)`, 0 where that is not positive. Samples are [`grid_sample`](crate::grid_sample)'s.
/// (DRO, arXiv 2103.13201, equation 1, squared as in the published code.)
///
/// * `features`: `[batch·(1 + neighbours), c, h, w]`, the targets', then the neighbours', batch-major
/// * `inverse`: the unscaled inverse depth x, `[batch, 1, h, w]`
/// * `projection`: `[batch·neighbours, 3, 4]`
/// * result: `[batch, c, h, w]` with [`mean`](WarpCost::mean), else `[batch·neighbours, c, h, w]`
///
/// On CUDA one kernel for f32 and no memory but the result's, and four for all gradients, of which the features' is
/// summed in any order and so differs from run to run in the last digits. Elsewhere [`warp_cost_reference`].
///
/// # Errors
/// When the shapes or types do not fit each other.
pub fn warp_cost(features: &Tensor, inverse: &Tensor, projection: &Tensor, how: WarpCost) -> Result<Tensor> {
    let dims = check(features, inverse, projection)?;
    if kernels_run(&[features, inverse, projection]) {
        let (features, inverse) = (features.contiguous()?, inverse.contiguous()?);
        features.apply_op3(&inverse, &projection.contiguous()?, op::WarpCostOp { dims, how })
    } else {
        warp_cost_reference(features, inverse, projection, how)
    }
}

/// Sizes of a call.
#[derive(Debug, Clone, Copy)]
struct Dims {
    batch: usize,
    neighbours: usize,
    channels: usize,
    height: usize,
    width: usize,
}

impl Dims {
    fn pairs(&self) -> usize {
        self.batch * self.neighbours
    }

    fn plane(&self) -> usize {
        self.height * self.width
    }
}

fn check(features: &Tensor, inverse: &Tensor, projection: &Tensor) -> Result<Dims> {
    let &[stacked, channels, height, width] = features.dims() else {
        bail!("warp_cost: features: expected shape [n, c, h, w], found {:?}", features.dims())
    };
    let &[batch, 1, inverse_height, inverse_width] = inverse.dims() else {
        bail!("warp_cost: inverse: expected shape [batch, 1, h, w], found {:?}", inverse.dims())
    };
    if (inverse_height, inverse_width) != (height, width) {
        bail!(
            "warp_cost: inverse: expected the features' size {height}x{width}, found {inverse_height}x{inverse_width}"
        )
    }
    if batch == 0 || stacked % batch != 0 || stacked / batch < 2 {
        bail!("warp_cost: features: expected batch·(1 + neighbours) maps with batch {batch}, found {stacked}")
    }
    let neighbours = stacked / batch - 1;
    if projection.dims() != [batch * neighbours, 3, 4] {
        bail!(
            "warp_cost: projection: expected shape [{}, 3, 4], found {:?}",
            batch * neighbours,
            projection.dims()
        )
    }
    if !matches!(features.dtype(), DType::F32 | DType::F64) {
        bail!("warp_cost: features: expected f32 or f64, found {:?}", features.dtype())
    }
    for (name, tensor) in [("inverse", inverse), ("projection", projection)] {
        if tensor.dtype() != features.dtype() {
            bail!(
                "warp_cost: {name}: expected the features' type {:?}, found {:?}",
                features.dtype(),
                tensor.dtype()
            )
        }
    }
    Ok(Dims { batch, neighbours, channels, height, width })
}
