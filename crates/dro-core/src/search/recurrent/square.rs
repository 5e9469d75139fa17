//! Symmetric matrices with as many rows as a point has coordinates.

use pulp::{Arch, Simd, WithSimd};
use serde::{Deserialize, Serialize};

use super::lanes::{LANES, Lane, add_product, add_rows, vectorized};

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
        vectorized(
            #[inline(always)]
            || {
                for (block, columns) in self.lanes.chunks_exact_mut(self.dim).enumerate() {
                    columns.fill([0.0; LANES]);
                    for (vector, value) in vectors.chunks_exact(self.dim).zip(values) {
                        let mut rows = [0.0; LANES];
                        for (row, entry) in rows.iter_mut().zip(&vector[block * LANES..]) {
                            *row = value * entry;
                        }
                        columns.iter_mut().zip(vector).for_each(|(column, entry)| add_product(column, *entry, &rows));
                    }
                }
            },
        );
    }

    /// `out` becomes the product with one vector.
    pub fn apply(&self, v: &[f64], out: &mut Vec<f64>) {
        out.clear();
        vectorized(
            #[inline(always)]
            || {
                for columns in self.lanes.chunks_exact(self.dim) {
                    let mut sum = [0.0; LANES];
                    columns.iter().zip(v).for_each(|(column, v)| add_product(&mut sum, *v, column));
                    out.extend_from_slice(&sum);
                }
            },
        );
        out.truncate(self.dim);
    }

    /// The product with [`LANES`] vectors side by side; `v` and `out` are `[dim]`.
    pub fn apply_lanes(&self, v: &[Lane], out: &mut [Lane]) {
        Arch::new().dispatch(ApplyLanes { matrix: self, v, out });
    }
}

/// The arguments of [`Square::apply_lanes`], for the instructions that the machine has.
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
            let mut rows = [[0.0; LANES]; LANES];
            add_rows(simd, &mut rows, columns, v);
            out.copy_from_slice(&rows[..out.len()]);
        }
    }
}
