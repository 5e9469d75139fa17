//! Grid sampling as a composition of candle's own operations.

use candle_core::{DType, Result, Tensor, bail};

use super::{Dims, check};

/// [`grid_sample`](super::grid_sample) by four gathers: any device, differentiable by candle itself.
///
/// Slower, and it keeps a dozen intermediate tensors for the gradient. Same arguments, result and errors.
pub fn grid_sample_reference(image: &Tensor, coords: &Tensor) -> Result<Tensor> {
    let Dims { batch, channels, height, width, out_height, out_width } = check(image, coords)?;
    if width > u32::MAX as usize / height.max(1) {
        bail!("grid_sample: image: expected fewer than 2^32 pixels, found {height}x{width}")
    }
    let samples = out_height * out_width;
    if image.elem_count() == 0 || samples == 0 {
        return Tensor::zeros((batch, channels, out_height, out_width), image.dtype(), image.device());
    }
    let planes = image.reshape((batch, channels, height * width))?.contiguous()?;
    let coords = coords.reshape((batch, 1, samples, 2))?;
    let (x, y) = (coords.narrow(3, 0, 1)?.squeeze(3)?, coords.narrow(3, 1, 1)?.squeeze(3)?);

    // Coordinates with no corner inside (NaN among them) are moved to −2, which has none either.
    let reach = |x: &Tensor, size: usize| x.ge(-1.0)?.mul(&x.lt(size as f64)?);
    let near = reach(&x, width)?.mul(&reach(&y, height)?)?;
    let away = x.zeros_like()?.affine(0.0, -2.0)?.detach();
    let (x, y) = (near.where_cond(&x, &away)?, near.where_cond(&y, &away)?);
    let (x0, y0) = (x.floor()?.detach(), y.floor()?.detach());
    let (a, b) = ((&x - &x0)?, (&y - &y0)?);

    let row_length = Tensor::new(width as u32, image.device())?;
    let mut out = Tensor::zeros((batch, channels, samples), image.dtype(), image.device())?;
    for (dy, wy) in [(0.0, (1.0 - &b)?), (1.0, b)] {
        for (dx, wx) in [(0.0, (1.0 - &a)?), (1.0, a.clone())] {
            let (column, row) = ((&x0 + dx)?, (&y0 + dy)?);
            let inside = |i: &Tensor, size: usize| i.ge(0.0)?.mul(&i.lt(size as f64)?);
            let inside = inside(&column, width)?.mul(&inside(&row, height)?)?;
            let index = |i: &Tensor, size: usize| i.clamp(0.0, (size - 1) as f64)?.to_dtype(DType::U32);
            let index = (index(&row, height)?.broadcast_mul(&row_length)? + index(&column, width)?)?;
            let shape = (batch, channels, samples);
            let tap = planes.gather(&index.broadcast_as(shape)?.contiguous()?, 2)?;
            // Selected, not multiplied: a NaN in the image must not leak through a corner outside it.
            let tap = inside.broadcast_as(shape)?.contiguous()?.where_cond(&tap, &tap.zeros_like()?)?;
            out = (out + tap.broadcast_mul(&(&wx * &wy)?)?)?;
        }
    }
    out.reshape((batch, channels, out_height, out_width))
}
