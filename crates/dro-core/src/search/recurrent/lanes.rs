//! Eight numbers side by side in vector registers.
//!
//! What is marked `inline(always)` runs on the widest vector instructions of the machine when it is called through
//! [`vectorized`] or a [`pulp::WithSimd`]. Products are fused into sums (`mul_add`), which is rounded once, and the same,
//! on every machine.

use pulp::Simd;

pub use dro_kernels::vectorized;

/// How many candidates are judged at a time, and how many points they are compared with.
pub const LANES: usize = 8;

/// One number for each of [`LANES`] candidates, or of as many points.
pub type Lane = [f64; LANES];

/// The sum over the lanes.
#[inline(always)]
pub fn total(lane: &Lane) -> f64 {
    let [a, b, c, d, e, f, g, h] = *lane;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

/// Eight lanes: a block of rows or columns.
pub type Tile = [Lane; LANES];

/// `Σ_j columns[j][r]·v[j]` for every `r`: eight rows of a matrix, given by columns, times the vectors that stand side by
/// side in the lanes; `part` of their lanes.
///
/// In the machine's own vectors: eight sums at a time are more than the compiler keeps in registers by itself, and as many
/// independent ones hide the time that one addition takes.
#[inline(always)]
pub fn products<S: Simd>(simd: S, columns: &[Lane], v: &[Lane], part: usize) -> [S::f64s; LANES] {
    let mut sums = [simd.splat_f64s(0.0); LANES];
    for (column, v) in columns.iter().zip(vectors::<S>(v).chunks_exact(LANES / S::F64_LANES)) {
        for r in 0..LANES {
            sums[r] = simd.mul_add_f64s(simd.splat_f64s(column[r]), v[part], sums[r]);
        }
    }
    sums
}

/// Puts vectors into `part` of as many lanes as there are.
#[inline(always)]
pub fn store<S: Simd>(out: &mut [Lane], part: usize, vectors: &[S::f64s; LANES]) {
    for (out, vector) in out.iter_mut().zip(vectors) {
        S::as_mut_simd_f64s(out).0[part] = *vector;
    }
}

/// A lane in the machine's vectors: one, two or more of them.
#[inline(always)]
pub fn vectors<S: Simd>(lanes: &[Lane]) -> &[S::f64s] {
    S::as_simd_f64s(lanes.as_flattened()).0
}

/// [`vectors`] to write.
#[inline(always)]
pub fn vectors_mut<S: Simd>(lanes: &mut [Lane]) -> &mut [S::f64s] {
    S::as_mut_simd_f64s(lanes.as_flattened_mut()).0
}
