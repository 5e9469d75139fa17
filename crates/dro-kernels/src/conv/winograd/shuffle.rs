//! Between pixels beside each other and tiles beside each other, four pixels of a tile at a time.
//!
//! pulp's shuffles of four vectors leave the tiles in an order of their own: with L lanes, vector i of the pixels holds
//! parts of L/4 tiles, of which number c becomes lane 4c + i. So vectors are made of those parts.

use super::points::MAX;
use crate::simd::Simd;

/// Pixels of a tile that are moved together.
pub(super) const PART: usize = 4;

/// The most lanes of a vector.
pub(super) const MAX_LANES: usize = 16;

/// By pixel of the part: that pixel of each of `LANES` tiles, where the part of tile t begins at `row[starts[t] + first]`.
#[inline(always)]
pub(super) fn load_pixels<S: Simd>(simd: S, row: &[f32], starts: &[usize], first: usize) -> [S::f32s; PART] {
    let starts = &starts[..S::F32_LANES];
    let row = &row[first..];
    simd.deinterleave_shfl_f32s([
        load_vector(simd, row, starts, 0),
        load_vector(simd, row, starts, 1),
        load_vector(simd, row, starts, 2),
        load_vector(simd, row, starts, 3),
    ])
}

/// Vector `i`: built for itself, so that its parts meet in a register and not in memory.
#[inline(always)]
fn load_vector<S: Simd>(_: S, row: &[f32], starts: &[usize], i: usize) -> S::f32s {
    if S::F32_LANES < PART {
        return S::as_simd_f32s(&row[starts[0] + i..]).0[0];
    }
    let mut vector = [0f32; MAX_LANES];
    for c in 0..S::F32_LANES / PART {
        vector[PART * c..][..PART].copy_from_slice(&row[starts[PART * c + i]..][..PART]);
    }
    S::as_simd_f32s(&vector).0[0]
}

/// Writes part of the pixels of `LANES` tiles: tile t's from `row[t · stride + first]` on.
#[inline(always)]
pub(super) fn store_pixels<S: Simd>(
    simd: S,
    tiles: [S::f32s; PART],
    row: &mut [f32],
    stride: usize,
    first: usize,
) {
    let row = &mut row[first..][..(S::F32_LANES - 1) * stride + PART];
    let [a, b, c, d] = simd.interleave_shfl_f32s(tiles);
    store_vector(simd, a, row, stride, 0);
    store_vector(simd, b, row, stride, 1);
    store_vector(simd, c, row, stride, 2);
    store_vector(simd, d, row, stride, 3);
}

#[inline(always)]
fn store_vector<S: Simd>(_: S, value: S::f32s, row: &mut [f32], stride: usize, i: usize) {
    if S::F32_LANES < PART {
        S::as_mut_simd_f32s(row).0[i] = value;
        return;
    }
    let mut vector = [0f32; MAX_LANES];
    S::as_mut_simd_f32s(&mut vector).0[0] = value;
    for c in 0..S::F32_LANES / PART {
        row[stride * (PART * c + i)..][..PART].copy_from_slice(&vector[PART * c..][..PART]);
    }
}

/// Vector number `at` of each of the first `count` rows.
#[inline(always)]
pub(super) fn load_rows<S: Simd>(
    simd: S,
    rows: &[impl AsRef<[f32]>],
    count: usize,
    at: usize,
) -> [S::f32s; MAX] {
    let mut d = [simd.splat_f32s(0.0); MAX];
    for i in 0..count {
        d[i] = S::as_simd_f32s(rows[i].as_ref()).0[at];
    }
    d
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Arch, WithSimd};

    struct RoundTrip {
        stride: usize,
    }

    impl WithSimd for RoundTrip {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            let (lanes, stride) = (S::F32_LANES, self.stride);
            let pixels: Vec<f32> = (0..stride * lanes + PART).map(|i| i as f32).collect();
            let starts: Vec<usize> = (0..lanes).map(|t| stride * t).collect();
            let mut back = vec![0.0; pixels.len()];
            for first in (0..stride).step_by(PART).rev() {
                let tiles = load_pixels(simd, &pixels, &starts, first);
                for (j, tiles) in tiles.iter().enumerate() {
                    let mut found = vec![0.0; lanes];
                    S::as_mut_simd_f32s(&mut found).0[0] = *tiles;
                    let expected: Vec<f32> = (0..lanes).map(|t| (stride * t + first + j) as f32).collect();
                    assert_eq!(found, expected);
                }
                store_pixels(simd, tiles, &mut back, stride, first);
            }
            assert_eq!(back[..stride * lanes], pixels[..stride * lanes]);
        }
    }

    #[test]
    fn tiles_stand_in_order() {
        for stride in [4, 6] {
            Arch::Scalar.dispatch(RoundTrip { stride });
            Arch::new().dispatch(RoundTrip { stride });
        }
    }
}
