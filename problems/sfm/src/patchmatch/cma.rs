//! Evolution strategy with covariance adaptation, for one block.
//!
//! `dro_core::baselines::CmaEs` is the general one: coordinates in [0, 1], negative weights, restarts, trials in any
//! order. This one works in the block's own units, measures its mean first and never restarts, and the bounds of the
//! solver's tests were measured with its very numbers; another strategy would be a change of results.

use candle_core::{DType, Device, Tensor};
use dro_core::{Cost, Optimizer, Turn};
use nalgebra::{DMatrix, DVector, SymmetricEigen};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::pose::standard_normal;

/// CMA-ES on one real block of batch 1 (Hansen, *The CMA Evolution Strategy: A Tutorial*, arXiv 1604.00772, with its
/// default constants, positive weights only).
///
/// Asks for its mean first, then for generations of candidates; the block's value is the best so far.
#[derive(Debug)]
pub struct CmaEs {
    rng: ChaCha8Rng,
    lambda: usize,
    mean: DVector<f64>,
    sigma: f64,
    covariance: DMatrix<f64>,
    /// Eigenvectors times the square roots of eigenvalues.
    root: DMatrix<f64>,
    inverse_root: DMatrix<f64>,
    path_sigma: DVector<f64>,
    path_c: DVector<f64>,
    told: Vec<(f64, DVector<f64>)>,
    best: Option<(f64, DVector<f64>)>,
    generation: usize,
}

impl CmaEs {
    /// Starts from a mean of `dim` zeros with steps of `sigma`.
    pub fn new(dim: usize, sigma: f64, seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            lambda: 4 + (3.0 * (dim.max(1) as f64).ln()) as usize,
            mean: DVector::zeros(dim),
            sigma,
            covariance: DMatrix::identity(dim, dim),
            root: DMatrix::identity(dim, dim),
            inverse_root: DMatrix::identity(dim, dim),
            path_sigma: DVector::zeros(dim),
            path_c: DVector::zeros(dim),
            told: Vec::new(),
            best: None,
            generation: 0,
        }
    }

    fn sample(&mut self) -> DVector<f64> {
        if self.best.is_none() {
            return self.mean.clone();
        }
        let rng = &mut self.rng;
        let z = DVector::from_fn(self.mean.len(), |_, _| standard_normal(rng));
        &self.mean + self.sigma * (&self.root * z)
    }

    /// The candidates up to the next change of the distribution, so many at most: first the mean alone.
    fn generation(&mut self, most: usize) -> Vec<DVector<f64>> {
        let count = if self.best.is_none() { 1 } else { self.lambda - self.told.len() };
        (0..count.min(most)).map(|_| self.sample()).collect()
    }

    /// Learns what a candidate costs.
    fn judged(&mut self, total: f32, x: DVector<f64>) {
        let total = if total.is_finite() { f64::from(total) } else { f64::INFINITY };
        if self.best.is_some() {
            self.told.push((total, x.clone()));
        }
        if self.best.as_ref().is_none_or(|(best, _)| total < *best) {
            self.best = Some((total, x));
        }
        if self.told.len() >= self.lambda {
            self.adapt();
        }
    }

    /// One generation's update of mean, paths, covariance and step (equations 39 to 47 of the tutorial).
    fn adapt(&mut self) {
        let n = self.mean.len() as f64;
        self.told.sort_by(|a, b| a.0.total_cmp(&b.0));
        let parents = self.lambda / 2;
        let raw: Vec<f64> =
            (0..parents).map(|i| ((self.lambda as f64 + 1.0) / 2.0).ln() - ((i + 1) as f64).ln()).collect();
        let sum: f64 = raw.iter().sum();
        let weights: Vec<f64> = raw.iter().map(|w| w / sum).collect();
        let mu = weights.iter().map(|w| w * w).sum::<f64>().recip();
        let c_sigma = (mu + 2.0) / (n + mu + 5.0);
        let d_sigma = 1.0 + 2.0 * (((mu - 1.0) / (n + 1.0)).sqrt() - 1.0).max(0.0) + c_sigma;
        let c_c = (4.0 + mu / n) / (n + 4.0 + 2.0 * mu / n);
        let c_1 = 2.0 / ((n + 1.3).powi(2) + mu);
        let c_mu = (1.0 - c_1).min(2.0 * (mu - 2.0 + mu.recip()) / ((n + 2.0).powi(2) + mu));
        let expected = n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n));

        let steps: Vec<DVector<f64>> =
            self.told.iter().take(parents).map(|(_, x)| (x - &self.mean) / self.sigma).collect();
        let mut step = DVector::zeros(self.mean.len());
        for (w, s) in weights.iter().zip(&steps) {
            step += *w * s;
        }
        self.mean += self.sigma * &step;
        self.path_sigma = (1.0 - c_sigma) * &self.path_sigma
            + (c_sigma * (2.0 - c_sigma) * mu).sqrt() * (&self.inverse_root * &step);
        let length = self.path_sigma.norm();
        self.generation += 1;
        let settled = (1.0 - (1.0 - c_sigma).powi(2 * self.generation as i32)).sqrt();
        let h = if length / settled < (1.4 + 2.0 / (n + 1.0)) * expected { 1.0 } else { 0.0 };
        self.path_c = (1.0 - c_c) * &self.path_c + h * (c_c * (2.0 - c_c) * mu).sqrt() * &step;
        self.covariance *= 1.0 - c_1 - c_mu + (1.0 - h) * c_1 * c_c * (2.0 - c_c);
        self.covariance += c_1 * &self.path_c * self.path_c.transpose();
        for (w, s) in weights.iter().zip(&steps) {
            self.covariance += c_mu * *w * s * s.transpose();
        }
        self.sigma *= (c_sigma / d_sigma * (length / expected - 1.0)).exp();
        self.told.clear();
        // Without a limit the decomposition of a matrix that is not finite never ends; the old shape stays then.
        let Some(eigen) = SymmetricEigen::try_new(self.covariance.clone(), f64::EPSILON, 10_000) else {
            return;
        };
        let roots = eigen.eigenvalues.map(|v| v.max(1e-14).sqrt());
        let v = &eigen.eigenvectors;
        self.root = v * DMatrix::from_diagonal(&roots);
        self.inverse_root = v * DMatrix::from_diagonal(&roots.map(f64::recip)) * v.transpose();
    }
}

impl Optimizer for CmaEs {
    fn ask(&mut self, turn: &Turn<'_>) -> dro_core::Result<Tensor> {
        let x = self.sample();
        Ok(Tensor::from_slice(x.as_slice(), turn.value().dims(), &Device::Cpu)?
            .to_dtype(turn.value().dtype())?)
    }

    fn tell(&mut self, _turn: &Turn<'_>, candidate: &Tensor, cost: &Cost) -> dro_core::Result<Tensor> {
        let total = cost.total.to_vec1::<f32>()?.first().copied().unwrap_or(f32::INFINITY);
        self.judged(
            total,
            DVector::from_vec(candidate.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?),
        );
        let best = self.best.as_ref().map_or(&self.mean, |(_, x)| x);
        Ok(Tensor::from_slice(best.as_slice(), candidate.dims(), &Device::Cpu)?
            .to_dtype(candidate.dtype())?)
    }
}

/// The least of a cost of `dim` numbers that so many evaluations find from zeros, first steps `step`, and where it is.
pub(super) fn lowest(
    dim: usize,
    step: f64,
    evaluations: usize,
    seed: u64,
    cost: impl Fn(&[f64]) -> f64,
) -> (f64, Vec<f64>) {
    let all = |candidates: &[DVector<f64>]| candidates.iter().map(|x| cost(x.as_slice())).collect();
    lowest_of_generations(dim, step, evaluations, seed, all)
}

/// The same of a cost that is worth to be evaluated in parallel, a generation at a time.
pub(super) fn lowest_in_parallel(
    dim: usize,
    step: f64,
    evaluations: usize,
    seed: u64,
    cost: impl Fn(&[f64]) -> f64 + Sync,
) -> (f64, Vec<f64>) {
    let all = |candidates: &[DVector<f64>]| candidates.par_iter().map(|x| cost(x.as_slice())).collect();
    lowest_of_generations(dim, step, evaluations, seed, all)
}

fn lowest_of_generations(
    dim: usize,
    step: f64,
    evaluations: usize,
    seed: u64,
    cost: impl Fn(&[DVector<f64>]) -> Vec<f64>,
) -> (f64, Vec<f64>) {
    let mut strategy = CmaEs::new(dim, step, seed);
    let mut left = evaluations;
    while left > 0 {
        let candidates = strategy.generation(left);
        left -= candidates.len();
        for (total, x) in cost(&candidates).into_iter().zip(candidates) {
            // Rounded as the totals of all costs are.
            strategy.judged(total as f32, x);
        }
    }
    let (total, x) = strategy.best.unwrap_or((f64::INFINITY, strategy.mean));
    (total, x.as_slice().to_vec())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use dro_core::{Budget, CostFunction, Schedule, cost_fn, minimize};

    use super::*;

    /// The best total after `updates` on a cost of five numbers, from zeros.
    fn best(f: impl Fn(&[f64]) -> f64, updates: usize, seed: u64) -> f32 {
        let cost = cost_fn(5, f).unwrap();
        let zeros = Tensor::zeros((1, 5), DType::F64, &Device::Cpu).unwrap();
        let start = cost.space().point(vec![zeros]).unwrap();
        let schedule = Schedule::single(cost.space().id("x").unwrap(), updates);
        let mut cma = CmaEs::new(5, 0.3, seed);
        let solution = minimize(&cost, &mut cma, &start, &schedule, &Budget::default(), &mut []).unwrap();
        solution.best_total.to_vec1::<f32>().unwrap()[0]
    }

    #[test]
    fn a_sheared_narrow_valley_is_followed_to_its_end() {
        // Condition 10⁴ along axes that no coordinate follows: what a strategy without a covariance crawls along.
        let valley = |v: &[f64]| {
            let sum: f64 = v.iter().map(|x| x - 1.0).sum();
            1e4 * sum * sum + v.iter().enumerate().map(|(i, x)| (x - i as f64).powi(2)).sum::<f64>()
        };
        // On the valley's floor, Σ x = 5, the nearest to (0, 1, 2, 3, 4) is each less 1: 5 in all.
        for seed in 0..5 {
            let found = best(valley, 1500, seed);
            assert!((found - 5.0).abs() < 0.01, "seed {seed}: {found}");
        }
    }

    #[test]
    fn costs_that_are_not_finite_are_survived() {
        for seed in 0..3 {
            assert!(
                best(|v| if v[0] > 0.1 { f64::NAN } else { v.iter().map(|x| x * x).sum() }, 200, seed) < 1e-9
            );
            assert!(best(|_| f64::NAN, 200, seed).is_infinite());
        }
    }

    /// The search is the same whether the driver asks for one candidate at a time or generations are judged at once.
    #[test]
    fn generations_at_once_are_the_same_search() {
        let bowl = |v: &[f64]| v.iter().enumerate().map(|(i, x)| (i + 1) as f64 * (x - 0.7).powi(2)).sum();
        for evaluations in [1, 2, 9, 10, 57, 200] {
            let alone = lowest(5, 0.3, evaluations, 3, bowl);
            assert_eq!(alone, lowest_in_parallel(5, 0.3, evaluations, 3, bowl));
            assert_eq!(alone.0 as f32, best(bowl, evaluations, 3), "{evaluations}");
        }
    }
}
