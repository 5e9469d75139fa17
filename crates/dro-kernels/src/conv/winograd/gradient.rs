//! The gradient for the weight through minimal filtering: `dg = Gᵀ [Σ (A dy Aᵀ) ∘ (Bᵀ d B)] G`, summed over tiles.
//!
//! Every step of the convolution is linear in the weight, so its gradient is the chain of the adjoint steps and needs as
//! few multiplications. Vectors run along channels here, because the sums run along tiles.

use super::Axis;
use super::points::MAX;
use crate::conv::backward::ChannelsLast;
use crate::conv::tiles::Tiling;
use crate::simd::Simd;

/// What is done along an axis with the pixels of a tile.
pub(in crate::conv) trait TileTransform {
    /// Pixels of a tile.
    fn pixels<A: Axis>() -> usize;

    /// One number for each point of `A`.
    fn apply<S: Simd, A: Axis>(simd: S, d: [S::f32s; MAX]) -> [S::f32s; MAX];
}

/// Bᵀ d of what the convolution reads.
pub(in crate::conv) struct OfInputs;

/// A dy of the gradient of what it wrote.
pub(in crate::conv) struct OfGradients;

impl TileTransform for OfInputs {
    fn pixels<A: Axis>() -> usize {
        A::POINTS
    }

    #[inline(always)]
    fn apply<S: Simd, A: Axis>(simd: S, d: [S::f32s; MAX]) -> [S::f32s; MAX] {
        A::input(simd, d)
    }
}

impl TileTransform for OfGradients {
    fn pixels<A: Axis>() -> usize {
        A::OUTPUTS
    }

    #[inline(always)]
    fn apply<S: Simd, A: Axis>(simd: S, d: [S::f32s; MAX]) -> [S::f32s; MAX] {
        A::output_adjoint(simd, d)
    }
}

/// Writes the tiles from `first` on, transformed along both axes: `out` is `[points, tiles, channels]`.
#[inline(always)]
pub(in crate::conv) fn pack_tiles<S: Simd, Y: Axis, X: Axis, T: TileTransform>(
    simd: S,
    maps: &ChannelsLast,
    tiling: &Tiling,
    first: usize,
    out: &mut [f32],
) {
    let tiles = out.len() / (Y::POINTS * X::POINTS * maps.channels);
    for tile in 0..tiles {
        let (image, y, x) = tiling.place(first + tile);
        for channel in (0..maps.channels).step_by(S::F32_LANES) {
            let mut rows = [[simd.splat_f32s(0.0); MAX]; MAX];
            for j in 0..T::pixels::<X>() {
                let mut d = [simd.splat_f32s(0.0); MAX];
                for i in 0..T::pixels::<Y>() {
                    d[i] = S::as_simd_f32s(&maps.pixels_from(image, y + i, x + j)[channel..]).0[0];
                }
                let d = T::apply::<S, Y>(simd, d);
                for i in 0..Y::POINTS {
                    rows[i][j] = d[i];
                }
            }
            for i in 0..Y::POINTS {
                let d = T::apply::<S, X>(simd, rows[i]);
                for j in 0..X::POINTS {
                    let at = ((i * X::POINTS + j) * tiles + tile) * maps.channels + channel;
                    S::as_mut_simd_f32s(&mut out[at..at + S::F32_LANES]).0[0] = d[j];
                }
            }
        }
    }
}

/// Inputs that go through the last transform together.
pub(in crate::conv) const TOGETHER: usize = 16;

/// Gᵀ u G of one output and at most [`TOGETHER`] inputs.
///
/// The sums u of point p begin at `sums[p · stride]`; `out` is `[inputs, taps]`.
#[inline(always)]
pub(in crate::conv) fn store_weight_gradient<Y: Axis, X: Axis>(sums: &[f32], stride: usize, out: &mut [f32]) {
    let taps = Y::TAPS * X::TAPS;
    let inputs = out.len() / taps;
    for ky in 0..Y::TAPS {
        let mut rows = [[0f32; TOGETHER]; MAX];
        for i in 0..Y::POINTS {
            for j in 0..X::POINTS {
                let sums = &sums[(i * X::POINTS + j) * stride..][..inputs];
                add_scaled(&mut rows[j], Y::MATRICES.weight[i][ky], sums);
            }
        }
        for kx in 0..X::TAPS {
            let mut gradient = [0f32; TOGETHER];
            for j in 0..X::POINTS {
                add_scaled(&mut gradient, X::MATRICES.weight[j][kx], &rows[j]);
            }
            for (out, gradient) in out.chunks_exact_mut(taps).zip(gradient) {
                out[ky * X::TAPS + kx] = gradient;
            }
        }
    }
}

#[inline(always)]
fn add_scaled(sum: &mut [f32], factor: f32, x: &[f32]) {
    if factor != 0.0 {
        for (sum, x) in sum.iter_mut().zip(x) {
            *sum += factor * x;
        }
    }
}
