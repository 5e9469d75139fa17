//! Where a run is looking: a Gaussian whose shape adapts.

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use serde::{Deserialize, Serialize};

use super::lanes::{LANES, Lane, add_product, vectorized};

/// Mean, step size and shape of the region in search.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Distribution {
    /// The centre.
    pub mean: Vec<f64>,
    /// Standard deviation along an average axis.
    pub sigma: f64,
    /// The covariance over σ²; its trace is the dimension.
    shape: DMatrix<f64>,
    /// `shape^½` and `shape^-½`. Symmetric, so that unlike triangular factors they do not depend on the axes' order.
    root: DMatrix<f64>,
    whitener: DMatrix<f64>,
    path: DVector<f64>,
    log_condition: f64,
    /// The shape is the identity still: nothing to multiply.
    round: bool,
}

/// One evaluated point of a generation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Member {
    /// Its coordinates.
    pub x: Vec<f64>,
    /// Its cost; `None` where the evaluation failed.
    pub cost: Option<f64>,
}

impl Distribution {
    /// A round region.
    pub fn new(mean: &[f64], sigma: f64) -> Self {
        let dim = mean.len();
        Self {
            mean: mean.to_vec(),
            sigma,
            shape: DMatrix::identity(dim, dim),
            root: DMatrix::identity(dim, dim),
            whitener: DMatrix::identity(dim, dim),
            path: DVector::zeros(dim),
            log_condition: 0.0,
            round: true,
        }
    }

    /// How many evaluations make a generation: `4 + ⌊3 ln dim⌋` (Hansen, arXiv 1604.00772, equation 48).
    pub fn generation(dim: usize) -> usize {
        4 + (3.0 * (dim as f64).ln()) as usize
    }

    /// Logarithm of the ratio of the longest axis to the shortest.
    pub fn log_condition(&self) -> f64 {
        self.log_condition
    }

    /// `x` in coordinates where the region is round, but not yet small: `z = shape^-½ x`. `z` is cleared first.
    pub fn whiten(&self, x: &[f64], z: &mut Vec<f64>) {
        z.clear();
        if self.round {
            z.extend_from_slice(x);
            return;
        }
        z.resize(x.len(), 0.0);
        vectorized(
            #[inline(always)]
            || {
                for (column, x) in self.whitener.as_slice().chunks_exact(x.len()).zip(x) {
                    z.iter_mut().zip(column).for_each(|(z, w)| *z = w.mul_add(*x, *z));
                }
            },
        );
    }

    /// [`whiten`](Self::whiten) for [`LANES`] points, `[dim]` each.
    pub fn whiten_lanes(&self, x: &[Lane], z: &mut [Lane]) {
        if self.round { z.copy_from_slice(x) } else { product(&self.whitener, x, z) }
    }

    /// The inverse of [`whiten_lanes`](Self::whiten_lanes).
    pub fn colour_lanes(&self, z: &[Lane], x: &mut [Lane]) {
        if self.round { x.copy_from_slice(z) } else { product(&self.root, z, x) }
    }

    /// Moves and reshapes by one generation: the covariance adaptation of Hansen (arXiv 1604.00772, equations 9, 24 and
    /// 30), with steps clipped as for injected points (Hansen 2011, arXiv 1110.4181, equation 4). `rate` scales the published
    /// learning rates; `anchor` in [0, 1] draws the mean to the best point known.
    pub fn update(&mut self, generation: &mut [Member], best: &[f64], rate: f64, anchor: f64) {
        let dim = self.mean.len();
        let n = dim as f64;
        let cost = |member: &Member| member.cost.unwrap_or(f64::INFINITY);
        generation.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
        let parents = (generation.len() / 2).max(1);
        let raw = |i: usize| (parents as f64 + 0.5).ln() - ((i + 1) as f64).ln();
        let sum: f64 = (0..parents).map(raw).sum();
        let weights: Vec<f64> = (0..parents).map(|i| raw(i) / sum).collect();
        let mass = weights.iter().map(|w| w * w).sum::<f64>().recip();

        let longest = n.sqrt() + 2.0 * n / (n + 2.0);
        let mut z = Vec::with_capacity(dim);
        let steps: Vec<DVector<f64>> = generation[..parents]
            .iter()
            .map(|member| {
                let step = member.x.iter().zip(&self.mean).map(|(x, m)| (x - m) / self.sigma);
                let step = DVector::from_iterator(dim, step);
                self.whiten(step.as_slice(), &mut z);
                let length = z.iter().map(|v| v * v).sum::<f64>().sqrt();
                if length > longest { step * (longest / length) } else { step }
            })
            .collect();
        let mut moved = DVector::zeros(dim);
        steps.iter().zip(&weights).for_each(|(step, w)| moved.axpy(*w, step, 1.0));

        let c_path = (4.0 + mass / n) / (n + 4.0 + 2.0 * mass / n);
        let c_one = (rate * 2.0 / ((n + 1.3) * (n + 1.3) + mass)).min(0.4);
        let c_many =
            (rate * 2.0 * (mass - 2.0 + mass.recip()) / ((n + 2.0) * (n + 2.0) + mass)).clamp(0.0, 0.5);
        self.path.axpy((c_path * (2.0 - c_path) * mass).sqrt(), &moved, 1.0 - c_path);
        self.shape *= 1.0 - c_one - c_many;
        self.shape.ger(c_one, &self.path, &self.path, 1.0);
        steps.iter().zip(&weights).for_each(|(step, w)| self.shape.ger(c_many * w, step, step, 1.0));
        for ((mean, moved), best) in self.mean.iter_mut().zip(&moved).zip(best) {
            *mean += self.sigma * moved;
            *mean += anchor * (best - *mean);
        }
        self.reshape();
    }

    fn reshape(&mut self) {
        let size = self.shape.trace() / self.mean.len() as f64;
        if !(size.is_finite() && size > 0.0) {
            *self = Self::new(&self.mean, self.sigma);
            return;
        }
        self.shape /= size;
        self.path /= size.sqrt();
        self.sigma *= size.sqrt().clamp(0.5, 2.0);
        // A bound on its iterations: the plain call has none.
        let Some(eigen) = SymmetricEigen::try_new(self.shape.clone(), f64::EPSILON, 1000) else {
            *self = Self::new(&self.mean, self.sigma);
            return;
        };
        let floor = eigen.eigenvalues.max() * 1e-10;
        let axes = eigen.eigenvalues.map(|v| v.max(floor).sqrt());
        self.log_condition = (axes.max() / axes.min()).ln();
        let vectors = &eigen.eigenvectors;
        let with = |axes: &DVector<f64>| vectors * DMatrix::from_diagonal(axes) * vectors.transpose();
        self.root = with(&axes);
        self.whitener = with(&axes.map(f64::recip));
        self.round = false;
    }
}

/// A symmetric matrix times [`LANES`] vectors.
fn product(matrix: &DMatrix<f64>, v: &[Lane], out: &mut [Lane]) {
    vectorized(
        #[inline(always)]
        || {
            for (row, out) in matrix.as_slice().chunks_exact(v.len()).zip(out.iter_mut()) {
                let mut sum = [0.0; LANES];
                row.iter().zip(v).for_each(|(m, v)| add_product(&mut sum, *m, v));
                *out = sum;
            }
        },
    );
}
