//! The covariance and its square root.

use nalgebra::{DMatrix, SymmetricEigen};
use serde::{Deserialize, Serialize};

/// A covariance `C = B D² Bᵀ`, row-major, with its decomposition as of the last [`decompose`](Self::decompose).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Shape {
    n: usize,
    covariance: Vec<f64>,
    /// One eigenvector after the other.
    vectors: Vec<f64>,
    /// The square roots of the eigenvalues.
    roots: Vec<f64>,
}

impl Shape {
    pub fn identity(n: usize) -> Self {
        let mut identity = vec![0.0; n * n];
        identity.iter_mut().step_by(n + 1).for_each(|v| *v = 1.0);
        Self { n, vectors: identity.clone(), covariance: identity, roots: vec![1.0; n] }
    }

    /// `y = B D z`.
    pub fn colour(&self, z: &[f64], y: &mut [f64]) {
        y.fill(0.0);
        for ((vector, root), z) in self.vectors.chunks(self.n).zip(&self.roots).zip(z) {
            add(y, root * z, vector);
        }
    }

    /// `z = B D⁻¹ Bᵀ y`, which is C^(−1/2) y.
    pub fn whiten(&self, y: &[f64], z: &mut [f64]) {
        z.fill(0.0);
        for (vector, root) in self.vectors.chunks(self.n).zip(&self.roots) {
            add(z, dot(vector, y) / root, vector);
        }
    }

    /// `C ← k C`.
    pub fn scale(&mut self, k: f64) {
        self.covariance.iter_mut().for_each(|v| *v *= k);
    }

    /// `C ← C + w y yᵀ`.
    pub fn add_outer(&mut self, w: f64, y: &[f64]) {
        for (row, &yi) in self.covariance.chunks_mut(self.n).zip(y) {
            add(row, w * yi, y);
        }
    }

    /// The largest standard deviation along any axis.
    pub fn largest_root(&self) -> f64 {
        self.roots.iter().copied().fold(0.0, f64::max)
    }

    /// Finds B and D again. `false` if C is not finite, not positive, or its condition is above 10¹⁴ (the limit of
    /// pycma's `tolconditioncov`).
    #[must_use]
    pub fn decompose(&mut self) -> bool {
        if self.covariance.iter().any(|v| !v.is_finite()) {
            return false;
        }
        let matrix = DMatrix::from_row_slice(self.n, self.n, &self.covariance);
        let Some(eigen) = SymmetricEigen::try_new(matrix, f64::EPSILON, 10_000) else { return false };
        let (low, high) =
            eigen.eigenvalues.iter().fold((f64::INFINITY, 0f64), |(l, h), &v| (l.min(v), h.max(v)));
        if !(low > 0.0 && high < 1e14 * low) {
            return false;
        }
        self.vectors.copy_from_slice(eigen.eigenvectors.as_slice());
        self.roots.iter_mut().zip(eigen.eigenvalues.iter()).for_each(|(root, v)| *root = v.sqrt());
        true
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `y ← y + k x`.
pub(super) fn add(y: &mut [f64], k: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += k * x;
    }
}
