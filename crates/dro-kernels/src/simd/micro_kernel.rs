//! The matrix product of one register block.
//!
//! Both operands are packed so that the inner loop reads memory in order: `a` as `[depth, rows]`, `b` as
//! `[depth, columns]` (Goto and van de Geijn, *Anatomy of high-performance matrix multiplication*, 2008).

// The constant loops over a block's rows and columns are plainer with indices.
#![allow(clippy::needless_range_loop)]

use super::{Simd, block_of};

/// `c[i, j] = Σ_k a[k, i]·b[k, j]` for one block; see [`block_of`] for its rows and columns.
///
/// Only the first `used` columns are computed, rounded up to vectors.
#[inline(always)]
pub(crate) fn product<S: Simd>(simd: S, a: &[f32], b: &[f32], c: &mut [f32], used: usize) {
    let vectors = used.div_ceil(S::F32_LANES);
    if block_of::<S>().rows == 8 {
        match vectors {
            0 | 1 => block_product::<S, 8, 3, 1>(simd, a, b, c),
            2 => block_product::<S, 8, 3, 2>(simd, a, b, c),
            _ => block_product::<S, 8, 3, 3>(simd, a, b, c),
        }
    } else {
        match vectors {
            0 | 1 => block_product::<S, 6, 2, 1>(simd, a, b, c),
            _ => block_product::<S, 6, 2, 2>(simd, a, b, c),
        }
    }
}

/// `USED` of the `VECTORS` vectors of each row of `b`.
#[inline(always)]
fn block_product<S: Simd, const ROWS: usize, const VECTORS: usize, const USED: usize>(
    simd: S,
    a: &[f32],
    b: &[f32],
    c: &mut [f32],
) {
    let mut sums = [[simd.splat_f32s(0.0); USED]; ROWS];
    let (a, _) = pulp::as_arrays::<ROWS, f32>(a);
    let (b, _) = pulp::as_arrays::<VECTORS, S::f32s>(S::as_simd_f32s(b).0);
    for (a, b) in a.iter().zip(b) {
        for i in 0..ROWS {
            let a = simd.splat_f32s(a[i]);
            for j in 0..USED {
                sums[i][j] = simd.mul_add_e_f32s(a, b[j], sums[i][j]);
            }
        }
    }
    let (c, _) = pulp::as_arrays_mut::<VECTORS, S::f32s>(S::as_mut_simd_f32s(c).0);
    for (c, sums) in c.iter_mut().zip(sums) {
        c[..USED].copy_from_slice(&sums);
    }
}

/// Rows of an operand that begin `stride` numbers apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strided<'a> {
    pub values: &'a [f32],
    pub stride: usize,
}

/// `c[i, j] += Σ_{k < depth} a[k, i]·b[k, j]` for one block with operands that are not packed.
///
/// Only the first `used` columns are computed, rounded up to vectors.
#[inline(always)]
pub(crate) fn add_product<S: Simd>(
    simd: S,
    depth: usize,
    a: Strided,
    b: Strided,
    c: &mut [f32],
    used: usize,
) {
    let vectors = used.div_ceil(S::F32_LANES);
    if block_of::<S>().rows == 8 {
        match vectors {
            0 | 1 => add_block_product::<S, 8, 3, 1>(simd, depth, a, b, c),
            2 => add_block_product::<S, 8, 3, 2>(simd, depth, a, b, c),
            _ => add_block_product::<S, 8, 3, 3>(simd, depth, a, b, c),
        }
    } else {
        match vectors {
            0 | 1 => add_block_product::<S, 6, 2, 1>(simd, depth, a, b, c),
            _ => add_block_product::<S, 6, 2, 2>(simd, depth, a, b, c),
        }
    }
}

#[inline(always)]
fn add_block_product<S: Simd, const ROWS: usize, const VECTORS: usize, const USED: usize>(
    simd: S,
    depth: usize,
    a: Strided,
    b: Strided,
    c: &mut [f32],
) {
    let (c, _) = pulp::as_arrays_mut::<VECTORS, S::f32s>(S::as_mut_simd_f32s(c).0);
    let mut sums = [[simd.splat_f32s(0.0); USED]; ROWS];
    for (sums, c) in sums.iter_mut().zip(&*c) {
        sums.copy_from_slice(&c[..USED]);
    }
    for k in 0..depth {
        let a = &a.values[k * a.stride..][..ROWS];
        let b = S::as_simd_f32s(&b.values[k * b.stride..][..VECTORS * S::F32_LANES]).0;
        for i in 0..ROWS {
            let a = simd.splat_f32s(a[i]);
            for j in 0..USED {
                sums[i][j] = simd.mul_add_e_f32s(a, b[j], sums[i][j]);
            }
        }
    }
    for (c, sums) in c.iter_mut().zip(sums) {
        c[..USED].copy_from_slice(&sums);
    }
}
