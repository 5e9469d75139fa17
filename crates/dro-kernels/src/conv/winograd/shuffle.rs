//! Between pixels beside each other and tiles beside each other, for tiles of four pixels.
//!
//! pulp's shuffles of four vectors leave the tiles in an order of their own: with L lanes, vector i of the pixels holds
//! L/4 tiles, of which number c becomes lane 4c + i. So vectors are made of those tiles, four pixels at a time.

use super::points::MAX;
use crate::simd::Simd;

/// Pixels of a tile.
pub(super) const TILE: usize = 4;

/// The most lanes of a vector.
pub(super) const MAX_LANES: usize = 16;

/// Four vectors of pixels from `pixels`, in the order of [`to_tiles`].
#[inline(always)]
pub(super) fn load_pixels<S: Simd>(simd: S, pixels: &[f32]) -> [S::f32s; TILE] {
    let pixels = &pixels[..TILE * S::F32_LANES];
    [
        load_vector(simd, pixels, 0),
        load_vector(simd, pixels, 1),
        load_vector(simd, pixels, 2),
        load_vector(simd, pixels, 3),
    ]
}

/// Vector `i`: built for itself, so that its parts meet in a register and not in memory.
#[inline(always)]
fn load_vector<S: Simd>(_: S, pixels: &[f32], i: usize) -> S::f32s {
    if S::F32_LANES < TILE {
        return S::as_simd_f32s(pixels).0[i];
    }
    let mut vector = [0f32; MAX_LANES];
    for c in 0..S::F32_LANES / TILE {
        vector[TILE * c..][..TILE].copy_from_slice(&pixels[TILE * (TILE * c + i)..][..TILE]);
    }
    S::as_simd_f32s(&vector).0[0]
}

/// From the pixels of `LANES` tiles to their first pixels, their second ones and so on, by tile.
#[inline(always)]
pub(super) fn to_tiles<S: Simd>(simd: S, pixels: [S::f32s; TILE]) -> [S::f32s; TILE] {
    simd.deinterleave_shfl_f32s(pixels)
}

/// Writes the tiles' first, second, … pixels as rows of pixels.
#[inline(always)]
pub(super) fn store_pixels<S: Simd>(simd: S, tiles: [S::f32s; TILE], pixels: &mut [f32]) {
    let pixels = &mut pixels[..TILE * S::F32_LANES];
    let [a, b, c, d] = simd.interleave_shfl_f32s(tiles);
    store_vector(simd, a, pixels, 0);
    store_vector(simd, b, pixels, 1);
    store_vector(simd, c, pixels, 2);
    store_vector(simd, d, pixels, 3);
}

#[inline(always)]
fn store_vector<S: Simd>(_: S, value: S::f32s, pixels: &mut [f32], i: usize) {
    if S::F32_LANES < TILE {
        S::as_mut_simd_f32s(pixels).0[i] = value;
        return;
    }
    let mut vector = [0f32; MAX_LANES];
    S::as_mut_simd_f32s(&mut vector).0[0] = value;
    for c in 0..S::F32_LANES / TILE {
        pixels[TILE * (TILE * c + i)..][..TILE].copy_from_slice(&vector[TILE * c..][..TILE]);
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

    struct RoundTrip;

    impl WithSimd for RoundTrip {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            let lanes = S::F32_LANES;
            let pixels: Vec<f32> = (0..TILE * lanes).map(|i| i as f32).collect();
            let tiles = to_tiles(simd, load_pixels(simd, &pixels));
            for (j, tiles) in tiles.iter().enumerate() {
                let mut found = vec![0.0; lanes];
                S::as_mut_simd_f32s(&mut found).0[0] = *tiles;
                let expected: Vec<f32> = (0..lanes).map(|t| (TILE * t + j) as f32).collect();
                assert_eq!(found, expected);
            }
            let mut back = vec![0.0; pixels.len()];
            store_pixels(simd, tiles, &mut back);
            assert_eq!(back, pixels);
        }
    }

    #[test]
    fn tiles_stand_in_order() {
        Arch::Scalar.dispatch(RoundTrip);
        Arch::new().dispatch(RoundTrip);
    }
}
