//! Upsampling by learned convex combinations.

mod op;
mod reference;
#[cfg(test)]
mod tests;

use candle_core::{Result, Tensor, bail};

use crate::launch::kernels_run;
pub use reference::convex_upsample_reference;

/// Each fine pixel is a convex combination of the 3×3 coarse pixels around its own.
///
/// `y[n, c, r·i+s, r·j+t] = Σ_k softmax_k(m[n, k, s, t, i, j]) · x[n, c, i+⌊k/3⌋−1, j+k mod 3−1]`
///
/// with zeros outside `x` and `m` the logits viewed as `[n, 9, r, r, h, w]`. As in RAFT (Teed & Deng, ECCV 2020, section
/// 3.3), without its factor `r`.
///
/// * `x`: `[n, c, h, w]`
/// * `mask_logits`: `[n, 9·ratio², h, w]`
/// * `ratio`: how many times finer, ≥ 1
/// * result: `[n, c, ratio·h, ratio·w]`
///
/// On CUDA one kernel for f32, and one for each gradient; that of `x` is summed in any order and so differs from run to
/// run in the last digits. Elsewhere [`convex_upsample_reference`].
///
/// # Errors
/// When the shapes or types do not fit each other.
pub fn convex_upsample(x: &Tensor, mask_logits: &Tensor, ratio: usize) -> Result<Tensor> {
    let dims = check(x, mask_logits, ratio)?;
    if kernels_run(&[x, mask_logits]) {
        x.contiguous()?.apply_op2(&mask_logits.contiguous()?, op::ConvexUpsample(dims))
    } else {
        convex_upsample_reference(x, mask_logits, ratio)
    }
}

/// Sizes of a call.
#[derive(Debug, Clone, Copy)]
struct Dims {
    batch: usize,
    channels: usize,
    height: usize,
    width: usize,
    ratio: usize,
}

fn check(x: &Tensor, mask_logits: &Tensor, ratio: usize) -> Result<Dims> {
    let &[batch, channels, height, width] = x.dims() else {
        bail!("convex_upsample: x: expected shape [n, c, h, w], found {:?}", x.dims())
    };
    if ratio == 0 {
        bail!("convex_upsample: ratio: expected at least 1, found 0")
    }
    let expected = [batch, 9 * ratio * ratio, height, width];
    if mask_logits.dims() != expected {
        bail!("convex_upsample: mask_logits: expected shape {expected:?}, found {:?}", mask_logits.dims())
    }
    if mask_logits.dtype() != x.dtype() {
        bail!(
            "convex_upsample: mask_logits: expected x's type {:?}, found {:?}",
            x.dtype(),
            mask_logits.dtype()
        )
    }
    Ok(Dims { batch, channels, height, width, ratio })
}
