//! Pooling and upsampling of one map, `[channels, height, width]` as a slice.

use rayon::prelude::*;

/// 3x3 maxima at stride 2 with one row and column of zeros around, of values that are not negative:
/// [`max_pool_3x3_s2`](dro_core::cells::max_pool_3x3_s2). `out`: `[channels, ⌈height/2⌉, ⌈width/2⌉]`.
pub(super) fn max_pool(x: &[f32], (height, width): (usize, usize), out: &mut [f32]) {
    let (out_height, out_width) = (height.div_ceil(2), width.div_ceil(2));
    if out.is_empty() {
        return;
    }
    out.par_chunks_mut(out_width).enumerate().for_each(|(row, out)| {
        let (channel, row) = (row / out_height, row % out_height);
        let plane = &x[channel * height * width..][..height * width];
        out.fill(0.0);
        for y in (2 * row).saturating_sub(1)..(2 * row + 2).min(height) {
            let line = &plane[y * width..][..width];
            let mut before = 0f32;
            for (out, pair) in out.iter_mut().zip(line.chunks(2)) {
                let (even, odd) = (pair[0], pair.get(1).copied().unwrap_or(0.0));
                *out = out.max(before).max(even).max(odd);
                before = odd;
            }
        }
    });
}

/// Twice as high and wide, bilinear, the outer edges coincide: [`dro_vision::resize_bilinear`] to twice the size.
/// `out`: `[channels, 2·height, 2·width]`.
pub(super) fn double(x: &[f32], (height, width): (usize, usize), out: &mut [f32]) {
    if out.is_empty() {
        return;
    }
    out.par_chunks_mut(2 * width).enumerate().for_each(|(row, out)| {
        let (channel, row) = (row / (2 * height), row % (2 * height));
        let plane = &x[channel * height * width..][..height * width];
        let (near, far) = (row / 2, next_to(row, height));
        let (near, far) = (&plane[near * width..][..width], &plane[far * width..][..width]);
        // A new pixel lies a quarter of a pixel from the old one's centre.
        let column = |j: usize| 0.75 * near[j] + 0.25 * far[j];
        for (i, out) in out.iter_mut().enumerate() {
            *out = 0.75 * column(i / 2) + 0.25 * column(next_to(i, width));
        }
    });
}

/// The second nearest of `count` old positions to new position `i`; at the edges the nearest again.
fn next_to(i: usize, count: usize) -> usize {
    if i.is_multiple_of(2) { (i / 2).saturating_sub(1) } else { (i / 2 + 1).min(count - 1) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::{Device, Tensor};
    use dro_core::cells::max_pool_3x3_s2;

    fn wave(height: usize, width: usize) -> Tensor {
        let x = Tensor::arange(0f32, (3 * height * width) as f32, &Device::Cpu).unwrap();
        (x * 12.9898).unwrap().sin().unwrap().reshape((1, 3, height, width)).unwrap()
    }

    fn values(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn both_are_what_the_plain_network_does() {
        for size in [(1, 1), (1, 5), (4, 6), (7, 3)] {
            let x = wave(size.0, size.1);
            let positive = x.relu().unwrap();
            let expected = values(&max_pool_3x3_s2(&positive).unwrap());
            let mut found = vec![f32::NAN; expected.len()];
            super::max_pool(&values(&positive), size, &mut found);
            assert_eq!(found, expected, "{size:?}");

            let expected = values(&dro_vision::resize_bilinear(&x, (2 * size.0, 2 * size.1)).unwrap());
            let mut found = vec![f32::NAN; expected.len()];
            super::double(&values(&x), size, &mut found);
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-6, "{size:?}: {found} {expected}");
            }
        }
    }
}
