//! Max pooling as ResNet's stem does it, differentiable.

use candle_core::{Result, Tensor};

/// 3x3 max pooling with stride 2 and one row and column of zero padding, as PyTorch's `MaxPool2d(3, 2, padding=1)` on
/// values that are not negative (after a ReLU, where zero padding and −∞ padding agree).
///
/// `[n, c, h, w]` → `[n, c, ⌊(h − 1)/2⌋ + 1, ⌊(w − 1)/2⌋ + 1]`. Taken as a maximum over rows of a maximum over columns of
/// shifted views, because candle's pooling has no backward where windows overlap.
pub fn max_pool_3x3_s2(x: &Tensor) -> Result<Tensor> {
    pool_axis(&pool_axis(x, 3)?, 2)
}

fn pool_axis(x: &Tensor, dim: usize) -> Result<Tensor> {
    let size = x.dim(dim)?;
    let out = size.div_ceil(2);
    // Positions 2j, 2j+1, 2j+2 of the padded axis, as pairs: even[j], odd[j], even[j+1].
    let padded = x.pad_with_zeros(dim, 1, 2 * (out + 1) - size - 1)?;
    let mut shape = padded.dims().to_vec();
    shape[dim] = out + 1;
    shape.insert(dim + 1, 2);
    let pairs = padded.reshape(shape)?;
    let even = pairs.narrow(dim + 1, 0, 1)?.squeeze(dim + 1)?;
    let odd = pairs.narrow(dim + 1, 1, 1)?.squeeze(dim + 1)?;
    even.narrow(dim, 0, out)?.maximum(&odd.narrow(dim, 0, out)?)?.maximum(&even.narrow(dim, 1, out)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::{Device, Tensor};

    #[test]
    fn equals_candles_pooling_of_the_padded_map() {
        for (h, w) in [(8, 6), (7, 9), (1, 2), (5, 1)] {
            let count = (2 * 3 * h * w) as f32;
            let x = (Tensor::arange(0f32, count, &Device::Cpu).unwrap() * 12.9898).unwrap().sin().unwrap();
            let x = x.relu().unwrap().reshape((2, 3, h, w)).unwrap();
            let padded = x.pad_with_zeros(2, 1, 1).unwrap().pad_with_zeros(3, 1, 1).unwrap();
            let expected = padded.max_pool2d_with_stride(3, 2).unwrap();
            let found = super::max_pool_3x3_s2(&x).unwrap();
            assert_eq!(found.dims(), expected.dims());
            let difference = (found - expected).unwrap().abs().unwrap().sum_all().unwrap();
            assert_eq!(difference.to_scalar::<f32>().unwrap(), 0.0);
        }
    }
}
