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
pub fn convex_upsample(x: &Tensor, mask_logits: &Tensor, ratio: usize) -> Result<Tensor> {
    let [n, c, h, w] = expect_shape("x", x, [None; 4], "[n, c, h, w]")?;
    if ratio == 0 {
        return Err(Error::Argument { name: "ratio", expected: "at least 1".into(), found: "0".into() });
    }
    let fine = ratio * ratio;
    let mask_shape = [Some(n), Some(9 * fine), Some(h), Some(w)];
    expect_shape("mask_logits", mask_logits, mask_shape, "[n, 9·ratio², h, w] with x's n, h and w")?;

    // Numerator and denominator of the softmax-weighted mean, neighbour by neighbour: candle reduces over
    // an axis that is not the last one much more slowly than it adds slices.
    let mask = mask_logits.reshape((n, 9, fine, h * w))?;
    let logits =
        (0..9).map(|k| mask.narrow(1, k, 1)?.contiguous()).collect::<candle_core::Result<Vec<_>>>()?;
    let mut peak = logits[0].detach();
    for logit in &logits[1..] {
        peak = peak.maximum(&logit.detach())?;
    }
    let padded = x.pad_with_zeros(2, 1, 1)?.pad_with_zeros(3, 1, 1)?;
    let mut total = peak.zeros_like()?;
    let mut out = Tensor::zeros((n, c, fine, h * w), x.dtype(), x.device())?;
    for (k, logit) in logits.iter().enumerate() {
        let weight = (logit - &peak)?.exp()?;
        let neighbour = padded.narrow(2, k / 3, h)?.narrow(3, k % 3, w)?.reshape((n, c, 1, h * w))?;
        out = (out + neighbour.broadcast_mul(&weight)?)?;
        total = (total + weight)?;
    }
    let out = out.broadcast_div(&total)?;
    let out = out.reshape((n, c, ratio, ratio, h, w))?.permute((0, 1, 4, 2, 5, 3))?;
    Ok(out.reshape((n, c, h * ratio, w * ratio))?)
}
