//! The strategy's default constants.

use serde::{Deserialize, Serialize};

/// Hansen's defaults for `n` coordinates and λ candidates (arXiv 1604.00772, table 1, with α_cov = 2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Constants {
    /// One per rank, best first; the first [`parents`](Self::parents) are positive and sum to 1, the others are not.
    pub weights: Vec<f64>,
    pub parents: usize,
    pub mu_eff: f64,
    pub c_sigma: f64,
    pub d_sigma: f64,
    pub c_c: f64,
    pub c_1: f64,
    pub c_mu: f64,
    /// E‖N(0, I)‖.
    pub chi: f64,
    /// Generations between two decompositions, which keeps their share of the time small (appendix B.2).
    pub lag: u32,
}

impl Constants {
    pub fn new(dim: usize, lambda: usize) -> Self {
        let (n, lambda) = (dim as f64, lambda.max(2));
        let raw: Vec<f64> =
            (1..=lambda).map(|i| ((lambda as f64 + 1.0) / 2.0).ln() - (i as f64).ln()).collect();
        let (parents, others) = raw.split_at(lambda / 2);
        let effective = |w: &[f64]| w.iter().sum::<f64>().powi(2) / w.iter().map(|w| w * w).sum::<f64>();
        let (mu, mu_minus) = (effective(parents), effective(others));

        let c_1 = 2.0 / ((n + 1.3).powi(2) + mu);
        let c_mu = (1.0 - c_1).min(2.0 * (0.25 + mu + mu.recip() - 2.0) / ((n + 2.0).powi(2) + mu));
        let c_sigma = (mu + 2.0) / (n + mu + 5.0);

        // Equations 49 to 53: negative weights as large as keep the covariance positive definite.
        let bound =
            (1.0 + c_1 / c_mu).min(1.0 + 2.0 * mu_minus / (mu + 2.0)).min((1.0 - c_1 - c_mu) / (n * c_mu));
        let up: f64 = raw.iter().filter(|w| **w > 0.0).sum();
        let down: f64 = raw.iter().filter(|w| **w < 0.0).map(|w| -w).sum();
        let scale = |w: &f64| if *w >= 0.0 { w / up } else { bound * w / down };
        Self {
            parents: parents.len(),
            mu_eff: mu,
            c_sigma,
            d_sigma: 1.0 + 2.0 * (((mu - 1.0) / (n + 1.0)).sqrt() - 1.0).max(0.0) + c_sigma,
            c_c: (4.0 + mu / n) / (n + 4.0 + 2.0 * mu / n),
            c_1,
            c_mu,
            chi: n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n)),
            lag: ((10.0 * n * (c_1 + c_mu)).recip() as u32).max(1),
            weights: raw.iter().map(scale).collect(),
        }
    }
}

/// λ = 4 + ⌊3 ln n⌋ (equation 48).
pub(super) fn default_lambda(dim: usize) -> usize {
    4 + (3.0 * (dim.max(1) as f64).ln()) as usize
}
