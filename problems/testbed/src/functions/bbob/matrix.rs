//! Small square matrices and the transformations that BBOB functions are made of.

use super::{MAX_DIM, Vector};

/// A square matrix, row by row.
#[derive(Debug, Clone)]
pub struct Matrix {
    dim: usize,
    numbers: Vec<f64>,
}

impl Matrix {
    pub fn from_fn(dim: usize, entry: impl Fn(usize, usize) -> f64) -> Self {
        let numbers = (0..dim * dim).map(|at| entry(at / dim, at % dim)).collect();
        Self { dim, numbers }
    }

    /// `M x`.
    pub fn apply(&self, x: &Vector) -> Vector {
        let mut out = [0.0; MAX_DIM];
        for (out, row) in out.iter_mut().zip(self.numbers.chunks_exact(self.dim)) {
            *out = row.iter().zip(x).map(|(m, x)| m * x).sum();
        }
        out
    }

    /// `Mᵀ x`.
    pub fn apply_transposed(&self, x: &Vector) -> Vector {
        let mut out = [0.0; MAX_DIM];
        for (x, row) in x.iter().zip(self.numbers.chunks_exact(self.dim)) {
            out.iter_mut().zip(row).for_each(|(out, m)| *out += m * x);
        }
        out
    }

    /// `self · diag(d) · other`.
    pub fn product(&self, d: &[f64], other: &Self) -> Self {
        let dim = self.dim;
        Self::from_fn(dim, |i, j| {
            (0..dim).map(|k| self.numbers[i * dim + k] * d[k] * other.numbers[k * dim + j]).sum()
        })
    }

    /// `diag(d) · self`.
    pub fn scaled_rows(mut self, d: &[f64]) -> Self {
        for (row, d) in self.numbers.chunks_exact_mut(self.dim).zip(d) {
            row.iter_mut().for_each(|m| *m *= d);
        }
        self
    }
}

/// `base^(i / (D − 1))` for i from 0: with `√α` for the base, the diagonal of Λ^α.
pub fn ladder(base: f64, dim: usize) -> Vec<f64> {
    (0..dim).map(|i| base.powf(i as f64 / (dim as f64 - 1.0))).collect()
}

/// `x − y`.
pub fn minus(x: &[f64], y: &Vector) -> Vector {
    let mut out = [0.0; MAX_DIM];
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        *out = x - y;
    }
    out
}

/// `T_osz` of one number: small waves on the identity (Hansen et al. 2009, section 0.2).
pub fn oscillated(x: f64) -> f64 {
    let wave = |size: f64, a: f64, b: f64| {
        let log = size.ln() / 0.1;
        (0.1 * (log + 0.49 * ((a * log).sin() + (b * log).sin()))).exp()
    };
    if x > 0.0 {
        wave(x, 1.0, 0.79)
    } else if x < 0.0 {
        -wave(-x, 0.55, 0.31)
    } else {
        0.0
    }
}

/// `T_osz` of the first `dim` numbers.
pub fn oscillate(x: &mut Vector, dim: usize) {
    x.iter_mut().take(dim).for_each(|x| *x = oscillated(*x));
}

/// `T_asy^β`: positive numbers grow, the later ones more.
pub fn skew(x: &mut Vector, beta: f64, dim: usize) {
    for (i, x) in x.iter_mut().take(dim).enumerate() {
        if *x > 0.0 {
            *x = x.powf(1.0 + beta * i as f64 / (dim as f64 - 1.0) * x.sqrt());
        }
    }
}

/// `Σ max(0, |xᵢ| − 5)²`: zero in the box.
pub fn outside(x: &[f64]) -> f64 {
    x.iter().map(|x| (x.abs() - 5.0).max(0.0).powi(2)).sum()
}
