//! The transforms along one axis, on vectors.

use super::points::{MAX, Matrices, matrices};
use crate::simd::Simd;

/// Minimal filtering along one axis: `OUTPUTS` results of `TAPS` taps with `POINTS` multiplications.
///
/// The matrices are constants, so that the loops over them unroll and products with 0 vanish. Points 2i − 1 and 2i are
/// ±a: their rows of Bᵀ agree in one parity and are opposite in the other, so the pair costs little more than one.
pub(crate) trait Axis: Copy + Send + Sync {
    const OUTPUTS: usize;
    const TAPS: usize;
    const POINTS: usize = Self::OUTPUTS + Self::TAPS - 1;
    const MATRICES: Matrices = matrices(Self::OUTPUTS, Self::TAPS);
    /// Pairs of opposite points.
    const PAIRS: usize = (Self::POINTS - 1) / 2;

    /// Bᵀ d; entries from `POINTS` on mean nothing.
    #[inline(always)]
    fn input<S: Simd>(simd: S, d: [S::f32s; MAX]) -> [S::f32s; MAX] {
        if Self::POINTS == 1 {
            return d;
        }
        let last = Self::POINTS - 1;
        let mut out = d;
        out[0] = dot(simd, &Self::MATRICES.input[0], &d, Self::POINTS);
        for i in 0..Self::PAIRS {
            let (p, q) = (2 * i + 1, 2 * i + 2);
            let (row, other) = (&Self::MATRICES.input[p], &Self::MATRICES.input[q]);
            let (mut same, mut opposite) = ([0.0; MAX], [0.0; MAX]);
            for k in 0..MAX {
                same[k] = 0.5 * (row[k] + other[k]);
                opposite[k] = 0.5 * (row[k] - other[k]);
            }
            let same = dot(simd, &same, &d, Self::POINTS);
            let opposite = dot(simd, &opposite, &d, Self::POINTS);
            out[p] = simd.add_f32s(same, opposite);
            out[q] = simd.sub_f32s(same, opposite);
        }
        out[last] = dot(simd, &Self::MATRICES.input[last], &d, Self::POINTS);
        out
    }

    /// Aᵀ m; entries from `OUTPUTS` on mean nothing.
    #[inline(always)]
    fn output<S: Simd>(simd: S, m: [S::f32s; MAX]) -> [S::f32s; MAX] {
        if Self::POINTS == 1 {
            return m;
        }
        // Sums of the pairs meet the even powers of their points, differences the odd ones.
        let mut parts = [m; 2];
        for i in 0..Self::PAIRS {
            let (p, q) = (2 * i + 1, 2 * i + 2);
            parts[0][p] = simd.add_f32s(m[p], m[q]);
            parts[1][p] = simd.sub_f32s(m[p], m[q]);
        }
        let mut out = m;
        for i in 0..Self::OUTPUTS {
            let mut row = Self::MATRICES.output[i];
            for pair in 0..Self::PAIRS {
                row[2 * pair + 2] = 0.0;
            }
            out[i] = dot(simd, &row, &parts[i % 2], Self::POINTS);
        }
        out
    }
}

/// `Σ_k c[k]·x[k]` where zeros and ones cost nothing once this is unrolled.
#[inline(always)]
fn dot<S: Simd>(simd: S, c: &[f32; MAX], x: &[S::f32s; MAX], count: usize) -> S::f32s {
    let mut sum: Option<S::f32s> = None;
    for k in 0..count {
        sum = match sum {
            _ if c[k] == 0.0 => sum,
            None if c[k] == 1.0 => Some(x[k]),
            None => Some(simd.mul_f32s(simd.splat_f32s(c[k]), x[k])),
            Some(sum) if c[k] == 1.0 => Some(simd.add_f32s(sum, x[k])),
            Some(sum) if c[k] == -1.0 => Some(simd.sub_f32s(sum, x[k])),
            Some(sum) => Some(simd.mul_add_e_f32s(simd.splat_f32s(c[k]), x[k], sum)),
        };
    }
    sum.unwrap_or(simd.splat_f32s(0.0))
}

/// No filtering: one tap, one output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct One;

/// F(4, 3): 6 multiplications instead of 12.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Three;

/// F(4, 5): 8 multiplications instead of 20.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Five;

impl Axis for One {
    const OUTPUTS: usize = 1;
    const TAPS: usize = 1;
}

impl Axis for Three {
    const OUTPUTS: usize = 4;
    const TAPS: usize = 3;
}

impl Axis for Five {
    const OUTPUTS: usize = 4;
    const TAPS: usize = 5;
}
