//! Resizing by bilinear interpolation.

use candle_core::{Device, Tensor};

use super::expect_shape;
use crate::{Error, Result};

/// Bilinear interpolation to any size; the images' outer edges coincide (PyTorch's `align_corners=False`).
///
/// Row `i` of the result lies at `max((i + ½)·h/h₂ − ½, 0)` in `x`; beyond the last row the edge is
/// repeated; columns alike. No smoothing when the result is smaller: that aliases, as
/// `torch.nn.functional.interpolate(mode="bilinear", antialias=False)` does.
///
/// * `x`: `[n, c, h, w]`
/// * `size`: `(h₂, w₂)`, not 0 (nor may `h` and `w` be)
/// * result: `[n, c, h₂, w₂]`
pub fn resize_bilinear(x: &Tensor, size: (usize, usize)) -> Result<Tensor> {
    let [n, c, h, w] = expect_shape("x", x, [None; 4], "[n, c, h, w]")?;
    if [h, w, size.0, size.1].contains(&0) {
        return Err(Error::Argument {
            name: "size",
            expected: "a positive height and width".into(),
            found: format!("{h}x{w} to {}x{}", size.0, size.1),
        });
    }
    let mut y = x.clone();
    if size.1 != w {
        let weights = weights(w, size.1, x)?;
        y = y.reshape((n * c * h, w))?.matmul(&weights.t()?)?;
    }
    if size.0 != h {
        let weights = weights(h, size.0, x)?.broadcast_as((n * c, size.0, h))?;
        y = weights.contiguous()?.matmul(&y.reshape((n * c, h, size.1))?)?;
    }
    Ok(y.reshape((n, c, size.0, size.1))?)
}

/// The interpolation matrix `[to, from]`, of the type and on the device of `like`.
fn weights(from: usize, to: usize, like: &Tensor) -> Result<Tensor> {
    let scale = from as f64 / to as f64;
    let mut values = vec![0.0; to * from];
    for (i, row) in values.chunks_exact_mut(from).enumerate() {
        let at = ((i as f64 + 0.5) * scale - 0.5).clamp(0.0, (from - 1) as f64);
        let low = (at.floor() as usize).min(from - 1);
        let fraction = at - low as f64;
        row[low] += 1.0 - fraction;
        row[(low + 1).min(from - 1)] += fraction;
    }
    Ok(Tensor::from_vec(values, (to, from), &Device::Cpu)?
        .to_dtype(like.dtype())?
        .to_device(like.device())?)
}
