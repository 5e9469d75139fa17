//! Upsampling by learned convex combinations.

use candle_core::Tensor;

use super::expect_shape;
use crate::{Error, Result};

/// Each fine pixel is a convex combination of the 3×3 coarse pixels around its own.
///
/// `y[n, c, r·i+s, r·j+t] = Σ_k softmax_k(m[n, k, s, t, i, j]) · x[n, c, i+⌊k/3⌋−1, j+k mod 3−1]`
///
/// with zeros outside `x` and `m` the mask viewed as `[n, 9, r, r, h, w]`. As in RAFT (Teed & Deng, ECCV
/// 2020, section 3.3), without its factor `r`: what is upsampled here is not measured in pixels.
///
/// * `x`: `[n, c, h, w]`
/// * `mask_logits`: `[n, 9·ratio², h, w]`
/// * `ratio`: how many times finer, ≥ 1
/// * result: `[n, c, ratio·h, ratio·w]`
///
/// Computed by [`dro_kernels::convex_upsample`].
pub fn convex_upsample(x: &Tensor, mask_logits: &Tensor, ratio: usize) -> Result<Tensor> {
    let [n, _, h, w] = expect_shape("x", x, [None; 4], "[n, c, h, w]")?;
    if ratio == 0 {
        return Err(Error::Argument { name: "ratio", expected: "at least 1".into(), found: "0".into() });
    }
    let fine = ratio * ratio;
    let mask_shape = [Some(n), Some(9 * fine), Some(h), Some(w)];
    expect_shape("mask_logits", mask_logits, mask_shape, "[n, 9·ratio², h, w] with x's n, h and w")?;

    Ok(dro_kernels::convex_upsample(x, mask_logits, ratio)?)
}
