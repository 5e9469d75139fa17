//! Between pixels beside each other and tiles beside each other, for tiles of four pixels.
//!
//! pulp's shuffles of four vectors leave the tiles in an order of their own: with L lanes, vector i of the pixels holds
//! L/4 tiles, of which number c becomes lane 4c + i. So tiles are moved to those places first, four pixels at a time.

use super::points::MAX;
use crate::simd::Simd;

/// Pixels of a tile.
pub(super) const TILE: usize = 4;

/// The most lanes of a vector.
pub(super) const MAX_LANES: usize = 16;

/// Where the pixels of tile `t` of a group of `LANES` tiles stand for the shuffles.
#[inline(always)]
fn place<S: Simd>(t: usize) -> usize {
    if S::F32_LANES < TILE { TILE * t } else { TILE * (t % TILE * (S::F32_LANES / TILE) + t / TILE) }
}

/// Four vectors of pixels from `pixels`, in the order of [`to_tiles`].
#[inline(always)]
pub(super) fn load_pixels<S: Simd>(simd: S, pixels: &[f32]) -> [S::f32s; TILE] {
    let mut moved = [0f32; TILE * MAX_LANES];
    let pixels = &pixels[..TILE * S::F32_LANES];
    for t in 0..S::F32_LANES {
        moved[place::<S>(t)..][..TILE].copy_from_slice(&pixels[TILE * t..][..TILE]);
    }
    let moved = S::as_simd_f32s(&moved).0;
    let _ = simd;
    [moved[0], moved[1], moved[2], moved[3]]
}

/// From the pixels of `LANES` tiles to their first pixels, their second ones and so on, by tile.
#[inline(always)]
pub(super) fn to_tiles<S: Simd>(simd: S, pixels: [S::f32s; TILE]) -> [S::f32s; TILE] {
    simd.deinterleave_shfl_f32s(pixels)
}

/// Writes the tiles' first, second, … pixels as rows of pixels.
#[inline(always)]
pub(super) fn store_pixels<S: Simd>(simd: S, tiles: [S::f32s; TILE], pixels: &mut [f32]) {
    let mut moved = [0f32; TILE * MAX_LANES];
    let vectors = S::as_mut_simd_f32s(&mut moved).0;
    vectors[..TILE].copy_from_slice(&simd.interleave_shfl_f32s(tiles));
    let pixels = &mut pixels[..TILE * S::F32_LANES];
    for t in 0..S::F32_LANES {
        pixels[TILE * t..][..TILE].copy_from_slice(&moved[place::<S>(t)..][..TILE]);
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
