//! What a run has tried, as a Gaussian process over whitened coordinates.

use serde::{Deserialize, Serialize};

use super::{
    lanes::{LANES, Lane},
    regression::{Points, Regression},
};

/// How the costs in a [`Memory`] are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// `c` in the compression of costs above the best, `ln(1 + c·g)/ln(1 + c)`, `g` being the gap to the best over the
    /// median's gap. So an increasing affine change of the cost changes nothing.
    pub compression: f64,
    /// Variance of the noise over that of the signal.
    pub nugget: f64,
    /// The prior mean, in standard deviations above the mean of what was seen.
    pub pessimism: f64,
}

/// Points, and their costs as a [`Regression`] sees them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Memory {
    dim: usize,
    /// In whitened coordinates.
    points: Points,
    /// `None` where the evaluation failed.
    costs: Vec<Option<f64>>,
    /// Compressed and centred costs.
    targets: Vec<f64>,
    regression: Regression,
    /// With another length scale, while both are compared.
    #[serde(skip)]
    other: Option<Regression>,
    variance: f64,
    signal: f64,
    /// The prior mean in compressed units above the best, which is 0 there.
    mean: f64,
    best: f64,
    gap: f64,
    spread: f64,
    compression: f64,
    #[serde(skip)]
    scratch: Vec<f64>,
}

impl Memory {
    /// Room for `capacity` points of `dim` coordinates; `length` is the first length scale.
    pub fn new(dim: usize, capacity: usize, length: f64) -> Self {
        let height = capacity.div_ceil(LANES);
        Self {
            dim,
            points: Points::new(dim, height),
            regression: Regression::new(height, length, 1e-4),
            signal: 1.0,
            gap: 1.0,
            compression: 1.0,
            ..Self::default()
        }
    }

    /// How many points.
    pub fn len(&self) -> usize {
        self.costs.len()
    }

    /// The kernel's length scale ℓ, in whitened units.
    pub fn length(&self) -> f64 {
        self.regression.length()
    }

    /// The median's cost minus the best; zero where no two costs differ.
    pub fn spread(&self) -> f64 {
        self.spread
    }

    /// The best cost as [`look`](Self::look) sees it, and the signal's standard deviation.
    pub fn level(&self) -> (f64, f64) {
        (-self.mean, self.signal.sqrt())
    }

    /// One more point. Nothing is predicted from it before [`fit`](Self::fit).
    pub fn push(&mut self, point: &[f64], cost: Option<f64>) {
        self.points.set(self.len(), point);
        self.costs.push(cost);
        self.regression.push(&self.points);
    }

    /// Looks at the costs anew: after pushes, or with another view.
    pub fn fit(&mut self, view: &View) {
        self.aim(view);
        self.regression.solve(&self.targets);
        self.weigh();
    }

    /// Costs into targets.
    fn aim(&mut self, view: &View) {
        self.compression = view.compression;
        self.scratch.clear();
        self.scratch.extend(self.costs.iter().flatten());
        (self.best, self.spread) = best_and_spread(&mut self.scratch);
        self.gap = if self.spread > 0.0 { self.spread } else { 1.0 };

        self.targets.clear();
        let mut worst = 0.0f64;
        let unit = self.unit();
        for cost in &self.costs {
            let t = cost.map_or(f64::NAN, |cost| unit * self.compress(cost));
            // NaN is never the larger one.
            worst = worst.max(t);
            self.targets.push(t);
        }
        // A failed evaluation is as bad as the worst that was seen.
        self.targets.iter_mut().filter(|t| t.is_nan()).for_each(|t| *t = worst);

        let count = self.len().max(1) as f64;
        let mean = self.targets.iter().sum::<f64>() / count;
        self.variance = self.targets.iter().map(|t| (t - mean) * (t - mean)).sum::<f64>() / count;
        self.mean = mean + view.pessimism * self.variance.sqrt();
        self.targets.iter_mut().for_each(|t| *t -= self.mean);
    }

    fn weigh(&mut self) {
        let bounds = (0.05 * self.variance + 1e-12, 20.0 * self.variance + 1e-12);
        self.signal = self.regression.fitted().clamp(bounds.0, bounds.1);
    }

    /// New points `[len, dim]`, and whichever length scale explains them better: the present one, or `factor` times it;
    /// both within `bounds`.
    pub fn rebuild(
        &mut self,
        points: &[f64],
        costs: &[Option<f64>],
        view: &View,
        factor: f64,
        bounds: (f64, f64),
    ) {
        points.chunks_exact(self.dim).enumerate().for_each(|(i, point)| self.points.set(i, point));
        self.costs.clear();
        self.costs.extend_from_slice(costs);
        self.aim(view);
        let now = self.length().clamp(bounds.0, bounds.1);
        let length = (now * factor).clamp(bounds.0, bounds.1);
        let other = self.other.get_or_insert_with(|| self.regression.clone());
        for (regression, length) in [(&mut self.regression, now), (&mut *other, length)] {
            regression.refill(&self.points, self.costs.len(), length, view.nugget);
            regression.solve(&self.targets);
        }
        if other.misfit() < self.regression.misfit() {
            std::mem::swap(other, &mut self.regression);
        }
        self.weigh();
    }

    /// Compressed units per logarithm.
    fn unit(&self) -> f64 {
        self.compression.ln_1p().recip()
    }

    /// The cost above the best, as a logarithm.
    fn compress(&self, cost: f64) -> f64 {
        let gap = if self.spread > 0.0 {
            (cost - self.best) / self.gap
        } else {
            // No two costs differ yet, so there is no unit: only higher and lower.
            f64::from(i8::from(cost > self.best) - i8::from(cost < self.best))
        };
        // New bests lie below zero, where the logarithm ends.
        let gap = gap.clamp(-0.5 / self.compression, 1e300);
        (self.compression * gap).ln_1p()
    }

    /// How a cost looks in the present view; a failed one looks like the worst, the first one like nothing.
    pub fn look(&self, cost: Option<f64>) -> f64 {
        match cost {
            _ if self.targets.is_empty() => 0.0,
            Some(cost) => self.unit() * self.compress(cost) - self.mean,
            None => self.targets.iter().copied().fold(-self.mean, f64::max),
        }
    }

    /// Mean and standard deviation of the prediction at [`LANES`] candidates, `at` being `[dim]`.
    pub fn predict(&mut self, at: &[Lane]) -> (Lane, Lane) {
        let (mean, variance) = self.regression.predict(&self.points, at);
        (mean, variance.map(|variance| (self.signal * variance).sqrt()))
    }

    /// Gradient of the predicted mean at [`LANES`] candidates; `at` and `out` are `[dim]`.
    pub fn gradient(&self, at: &[Lane], out: &mut [Lane]) {
        self.regression.gradient(&self.points, at, out);
    }
}

/// The lowest value, and how far the median is above it: or, where more than half are the lowest, the highest.
fn best_and_spread(costs: &mut [f64]) -> (f64, f64) {
    if costs.is_empty() {
        return (0.0, 0.0);
    }
    let middle = costs.len() / 2;
    let (below, median, above) = costs.select_nth_unstable_by(middle, f64::total_cmp);
    let best = below.iter().copied().fold(*median, f64::min);
    let spread = *median - best;
    let spread = if spread > 0.0 { spread } else { above.iter().copied().fold(*median, f64::max) - best };
    // Costs near the largest float: their difference is not one.
    (best, if spread.is_finite() { spread } else { f64::MAX })
}
