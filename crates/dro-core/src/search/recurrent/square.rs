//! Symmetric matrices with as many rows as a point has coordinates.

use pulp::{Arch, Simd, WithSimd};
use serde::{Deserialize, Serialize};

use super::lanes::{LANES, Lane, products, store, vectors_mut};

/// Eight rows at a time, by columns; zeros fill the last eight up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Square {
    lanes: Vec<Lane>,
    dim: usize,
}

impl Square {
    /// All zeros.
    pub fn zeros(dim: usize) -> Self {
        Self { lanes: vec![[0.0; LANES]; dim * dim.div_ceil(LANES)], dim }
    }

    /// Becomes the matrix of these eigenvectors, one after the other, and eigenvalues.
    pub fn compose(&mut self, vectors: &[f64], values: &[f64]) {
        Arch::new().dispatch(Compose { matrix: self, vectors, values });
    }

    /// The products with one vector after the other, `[vectors, dim]`.
    pub fn apply(&self, v: &[f64], out: &mut [f64]) {
        Arch::new().dispatch(Apply { matrix: self, v, out });
    }

    /// The product with [`LANES`] vectors side by side; `v` and `out` are `[dim]`.
    pub fn apply_lanes(&self, v: &[Lane], out: &mut [Lane]) {
        Arch::new().dispatch(ApplyLanes { matrix: self, v, out });
    }
}

/// The arguments of [`Square::compose`], for the instructions that the machine has.
struct Compose<'a> {
    matrix: &'a mut Square,
    vectors: &'a [f64],
    values: &'a [f64],
}

impl WithSimd for Compose<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { matrix, vectors, values } = self;
        let (dim, parts) = (matrix.dim, LANES / S::F64_LANES);
        matrix.lanes.fill([0.0; LANES]);
        for (vector, value) in vectors.chunks_exact(dim).zip(values) {
            for (columns, entries) in matrix.lanes.chunks_exact_mut(dim).zip(vector.chunks(LANES)) {
                let mut rows = [0.0; LANES];
                rows[..entries.len()].copy_from_slice(entries);
                let rows = S::as_simd_f64s(&rows).0;
                for (column, entry) in vectors_mut::<S>(columns).chunks_exact_mut(parts).zip(vector) {
                    let factor = simd.splat_f64s(value * entry);
                    for (column, row) in column.iter_mut().zip(rows) {
                        *column = simd.mul_add_f64s(factor, *row, *column);
                    }
                }
            }
        }
    }
}

/// The arguments of [`Square::apply`].
struct Apply<'a> {
    matrix: &'a Square,
    v: &'a [f64],
    out: &'a mut [f64],
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { matrix, v, out } = self;
        for (v, out) in v.chunks_exact(matrix.dim).zip(out.chunks_exact_mut(matrix.dim)) {
            for (columns, out) in matrix.lanes.chunks_exact(matrix.dim).zip(out.chunks_mut(LANES)) {
                let mut rows = [0.0; LANES];
                for (part, rows) in S::as_mut_simd_f64s(&mut rows).0.iter_mut().enumerate() {
                    for (column, v) in columns.iter().zip(v) {
                        let column = S::as_simd_f64s(column).0[part];
                        *rows = simd.mul_add_f64s(simd.splat_f64s(*v), column, *rows);
                    }
                }
                out.copy_from_slice(&rows[..out.len()]);
            }
        }
    }
}

/// The arguments of [`Square::apply_lanes`].
struct ApplyLanes<'a> {
    matrix: &'a Square,
    v: &'a [Lane],
    out: &'a mut [Lane],
}

impl WithSimd for ApplyLanes<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { matrix, v, out } = self;
        for (columns, out) in matrix.lanes.chunks_exact(matrix.dim).zip(out.chunks_mut(LANES)) {
            for part in 0..LANES / S::F64_LANES {
                store::<S>(out, part, &products(simd, columns, v, part));
            }
        }
    }
}
