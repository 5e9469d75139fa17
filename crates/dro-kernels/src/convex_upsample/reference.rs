//! Convex upsampling as a composition of candle's own operations.

use candle_core::{Result, Tensor};

use super::{Dims, check};

/// [`convex_upsample`](super::convex_upsample) on any device and type, differentiable by candle itself. Same arguments,
/// result and errors.
pub fn convex_upsample_reference(x: &Tensor, mask_logits: &Tensor, ratio: usize) -> Result<Tensor> {
    let Dims { batch: n, channels: c, height: h, width: w, .. } = check(x, mask_logits, ratio)?;
    let fine = ratio * ratio;
    // Numerator and denominator of the softmax-weighted mean, neighbour by neighbour: candle reduces over
    // an axis that is not the last one much more slowly than it adds slices.
    let mask = mask_logits.reshape((n, 9, fine, h * w))?;
    let logits = (0..9).map(|k| mask.narrow(1, k, 1)?.contiguous()).collect::<Result<Vec<_>>>()?;
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
    out.reshape((n, c, h * ratio, w * ratio))
}
