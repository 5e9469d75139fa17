//! The transforms along one axis, on vectors.

use super::points::{MAX, Matrices, Matrix, matrices};
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
        let mut out = d;
        out[0] = dot(simd, const { Self::MATRICES.input[0] }, &d);
        Self::input_pair::<S, 0>(simd, &d, &mut out);
        Self::input_pair::<S, 1>(simd, &d, &mut out);
        Self::input_pair::<S, 2>(simd, &d, &mut out);
        Self::input_pair::<S, 3>(simd, &d, &mut out);
        out[Self::POINTS - 1] = dot(simd, const { Self::MATRICES.input[Self::POINTS - 1] }, &d);
        out
    }

    /// The two rows of Bᵀ d for a pair of points.
    #[inline(always)]
    fn input_pair<S: Simd, const PAIR: usize>(simd: S, d: &[S::f32s; MAX], out: &mut [S::f32s; MAX]) {
        if PAIR < Self::PAIRS {
            let same = dot(simd, const { combine(&Self::MATRICES.input, PAIR, 0.5) }, d);
            let opposite = dot(simd, const { combine(&Self::MATRICES.input, PAIR, -0.5) }, d);
            out[2 * PAIR + 1] = simd.add_f32s(same, opposite);
            out[2 * PAIR + 2] = simd.sub_f32s(same, opposite);
        }
    }

    /// Aᵀ m; entries from `OUTPUTS` on mean nothing.
    #[inline(always)]
    fn output<S: Simd>(simd: S, m: [S::f32s; MAX]) -> [S::f32s; MAX] {
        if Self::POINTS == 1 {
            return m;
        }
        // Sums of the pairs meet the even powers of their points, differences the odd ones.
        let (mut sums, mut differences) = (m, m);
        for pair in 0..Self::PAIRS {
            let (p, q) = (2 * pair + 1, 2 * pair + 2);
            sums[p] = simd.add_f32s(m[p], m[q]);
            differences[p] = simd.sub_f32s(m[p], m[q]);
        }
        let mut out = m;
        out[0] = dot(simd, const { without_second(&Self::MATRICES.output[0]) }, &sums);
        out[1] = dot(simd, const { without_second(&Self::MATRICES.output[1]) }, &differences);
        out[2] = dot(simd, const { without_second(&Self::MATRICES.output[2]) }, &sums);
        out[3] = dot(simd, const { without_second(&Self::MATRICES.output[3]) }, &differences);
        if Self::OUTPUTS > 4 {
            out[4] = dot(simd, const { without_second(&Self::MATRICES.output[4]) }, &sums);
            out[5] = dot(simd, const { without_second(&Self::MATRICES.output[5]) }, &differences);
        }
        out
    }

    /// A y, the adjoint of [`output`](Self::output); entries from `POINTS` on mean nothing.
    #[inline(always)]
    fn output_adjoint<S: Simd>(simd: S, y: [S::f32s; MAX]) -> [S::f32s; MAX] {
        if Self::POINTS == 1 {
            return y;
        }
        let mut out = y;
        out[0] = dot(simd, const { column(&Self::MATRICES.output, 0, 1, 0) }, &y);
        Self::output_adjoint_pair::<S, 0>(simd, &y, &mut out);
        Self::output_adjoint_pair::<S, 1>(simd, &y, &mut out);
        Self::output_adjoint_pair::<S, 2>(simd, &y, &mut out);
        Self::output_adjoint_pair::<S, 3>(simd, &y, &mut out);
        out[Self::POINTS - 1] =
            dot(simd, const { column(&Self::MATRICES.output, Self::POINTS - 1, 1, 0) }, &y);
        out
    }

    /// The two rows of A y for a pair of points: even powers agree, odd ones are opposite.
    #[inline(always)]
    fn output_adjoint_pair<S: Simd, const PAIR: usize>(
        simd: S,
        y: &[S::f32s; MAX],
        out: &mut [S::f32s; MAX],
    ) {
        if PAIR < Self::PAIRS {
            let even = dot(simd, const { column(&Self::MATRICES.output, 2 * PAIR + 1, 2, 0) }, y);
            let odd = dot(simd, const { column(&Self::MATRICES.output, 2 * PAIR + 1, 2, 1) }, y);
            out[2 * PAIR + 1] = simd.add_f32s(even, odd);
            out[2 * PAIR + 2] = simd.sub_f32s(even, odd);
        }
    }
}

/// Column `at` of a matrix, with zeros but for every `step`-th number from `first` on.
const fn column(matrix: &Matrix, at: usize, step: usize, first: usize) -> [f32; MAX] {
    let (mut out, mut k) = ([0.0; MAX], first);
    while k < MAX {
        out[k] = matrix[k][at];
        k += step;
    }
    out
}

/// `(a + b) / 2` for a factor of 0.5, `(a − b) / 2` for −0.5, of the two rows of a pair.
const fn combine(matrix: &Matrix, pair: usize, factor: f32) -> [f32; MAX] {
    let (mut out, mut k) = ([0.0; MAX], 0);
    while k < MAX {
        out[k] = 0.5 * matrix[2 * pair + 1][k] + factor * matrix[2 * pair + 2][k];
        k += 1;
    }
    out
}

/// The row with only the first number of each pair.
const fn without_second(row: &[f32; MAX]) -> [f32; MAX] {
    let (mut out, mut k) = (*row, 2);
    // The last point has no opposite: its number stays, as it is at an odd place.
    while k < MAX {
        out[k] = 0.0;
        k += 2;
    }
    out
}

/// `Σ_k c[k]·x[k]` where zeros and ones cost nothing: written out, so that the compiler knows each `c[k]`.
#[inline(always)]
fn dot<S: Simd>(simd: S, c: [f32; MAX], x: &[S::f32s; MAX]) -> S::f32s {
    let sum = add_term(simd, None, c[0], x[0]);
    let sum = add_term(simd, sum, c[1], x[1]);
    let sum = add_term(simd, sum, c[2], x[2]);
    let sum = add_term(simd, sum, c[3], x[3]);
    let sum = add_term(simd, sum, c[4], x[4]);
    let sum = add_term(simd, sum, c[5], x[5]);
    let sum = add_term(simd, sum, c[6], x[6]);
    let sum = add_term(simd, sum, c[7], x[7]);
    let sum = add_term(simd, sum, c[8], x[8]);
    match add_term(simd, sum, c[9], x[9]) {
        Some(sum) => sum,
        None => simd.splat_f32s(0.0),
    }
}

#[inline(always)]
fn add_term<S: Simd>(simd: S, sum: Option<S::f32s>, c: f32, x: S::f32s) -> Option<S::f32s> {
    match sum {
        _ if c == 0.0 => sum,
        None if c == 1.0 => Some(x),
        None => Some(simd.mul_f32s(simd.splat_f32s(c), x)),
        Some(sum) if c == 1.0 => Some(simd.add_f32s(sum, x)),
        Some(sum) if c == -1.0 => Some(simd.sub_f32s(sum, x)),
        Some(sum) => Some(simd.mul_add_e_f32s(simd.splat_f32s(c), x, sum)),
    }
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

/// F(6, 3): 8 multiplications instead of 18.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LongThree;

/// F(6, 5): 10 multiplications instead of 30.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LongFive;

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

impl Axis for LongThree {
    const OUTPUTS: usize = 6;
    const TAPS: usize = 3;
}

impl Axis for LongFive {
    const OUTPUTS: usize = 6;
    const TAPS: usize = 5;
}
