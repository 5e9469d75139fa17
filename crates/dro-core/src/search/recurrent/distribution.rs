//! Where a run is looking: a Gaussian whose shape adapts.

use nalgebra::{DMatrix, DVector, DVectorView, SymmetricEigen};
use serde::{Deserialize, Serialize};

use super::{lanes::Lane, square::Square};

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
    root: Square,
    whitener: Square,
    path: DVector<f64>,
    log_condition: f64,
    /// The shape is the identity still: nothing to multiply.
    round: bool,
}

impl Distribution {
    /// A round region.
    pub fn new(mean: &[f64], sigma: f64) -> Self {
        let dim = mean.len();
        Self {
            mean: mean.to_vec(),
            sigma,
            shape: DMatrix::identity(dim, dim),
            root: Square::zeros(dim),
            whitener: Square::zeros(dim),
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

    /// Points `x`, one after the other, in coordinates where the region is round, but not yet small: `z = shape^-½ x`. What
    /// was in `z` is overwritten.
    pub fn whiten(&self, x: &[f64], z: &mut Vec<f64>) {
        z.resize(x.len(), 0.0);
        if self.round { z.copy_from_slice(x) } else { self.whitener.apply(x, z) }
    }

    /// [`whiten`](Self::whiten) for [`LANES`] points, `[dim]` each.
    pub fn whiten_lanes(&self, x: &[Lane], z: &mut [Lane]) {
        if self.round { z.copy_from_slice(x) } else { self.whitener.apply_lanes(x, z) }
    }

    /// The inverse of [`whiten_lanes`](Self::whiten_lanes).
    pub fn colour_lanes(&self, z: &[Lane], x: &mut [Lane]) {
        if self.round { x.copy_from_slice(z) } else { self.root.apply_lanes(z, x) }
    }

    /// Moves and reshapes by one generation, `xs` being its points one after the other and `order` their places, the best
    /// first: the covariance adaptation of Hansen (arXiv 1604.00772, equations 9, 24 and 30), with steps clipped as for
    /// injected points (Hansen 2011, arXiv 1110.4181, equation 4). `rate` scales the published learning rates; `anchor` in
    /// [0, 1] draws the mean to the best point known.
    pub fn update(&mut self, xs: &[f64], order: &[usize], best: &[f64], rate: f64, anchor: f64) {
        let dim = self.mean.len();
        let n = dim as f64;
        let parents = (order.len() / 2).max(1);
        let raw = |i: usize| (parents as f64 + 0.5).ln() - ((i + 1) as f64).ln();
        let sum: f64 = (0..parents).map(raw).sum();
        let weights: Vec<f64> = (0..parents).map(|i| raw(i) / sum).collect();
        let mass = weights.iter().map(|w| w * w).sum::<f64>().recip();

        let longest = n.sqrt() + 2.0 * n / (n + 2.0);
        let mut z = Vec::with_capacity(dim);
        let mut steps = Vec::with_capacity(parents * dim);
        for &place in &order[..parents.min(order.len())] {
            let from = steps.len();
            let x = &xs[place * dim..][..dim];
            steps.extend(x.iter().zip(&self.mean).map(|(x, m)| (x - m) / self.sigma));
            self.whiten(&steps[from..], &mut z);
            let length = z.iter().map(|v| v * v).sum::<f64>().sqrt();
            if length > longest {
                steps[from..].iter_mut().for_each(|step| *step *= longest / length);
            }
        }
        let steps = || steps.chunks_exact(dim).map(|step| DVectorView::from_slice(step, dim)).zip(&weights);
        let mut moved = DVector::zeros(dim);
        steps().for_each(|(step, w)| moved.axpy(*w, &step, 1.0));

        let c_path = (4.0 + mass / n) / (n + 4.0 + 2.0 * mass / n);
        let c_one = (rate * 2.0 / ((n + 1.3) * (n + 1.3) + mass)).min(0.4);
        let c_many =
            (rate * 2.0 * (mass - 2.0 + mass.recip()) / ((n + 2.0) * (n + 2.0) + mass)).clamp(0.0, 0.5);
        self.path.axpy((c_path * (2.0 - c_path) * mass).sqrt(), &moved, 1.0 - c_path);
        self.shape *= 1.0 - c_one - c_many;
        self.shape.ger(c_one, &self.path, &self.path, 1.0);
        steps().for_each(|(step, w)| self.shape.ger(c_many * w, &step, &step, 1.0));
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
        let vectors = eigen.eigenvectors.as_slice();
        self.root.compose(vectors, axes.as_slice());
        self.whitener.compose(vectors, axes.map(f64::recip).as_slice());
        self.round = false;
    }
}
