//! What a run has tried, as a Gaussian process over whitened coordinates.

use serde::{Deserialize, Serialize};

use super::{
    elementary::ln_1p,
    lanes::{LANES, Lane, total, vectorized},
    regression::{Points, Regression, Room},
};

/// Gaps to the best are compressed up to here.
const HIGHEST: f64 = 1e300;

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
    /// Those that did not fail, from low to high.
    sorted: Vec<f64>,
    /// Compressed and centred costs, with zeros to the end of the last lane.
    targets: Vec<Lane>,
    regression: Regression,
    variance: f64,
    signal: f64,
    /// The prior mean in compressed units above the best, which is 0 there.
    mean: f64,
    /// The highest target.
    worst: f64,
    gap: f64,
    spread: f64,
    compression: f64,
}

/// What [`Memory::rebuild`] works on; it holds nothing from one call to the next.
#[derive(Debug, Clone, Default)]
pub struct Rebuild {
    /// Squared distances.
    squares: Vec<Lane>,
    /// With another length scale, while both are compared.
    other: Regression,
    pub room: Room,
}

impl Memory {
    /// Room for `capacity` points of `dim` coordinates; `length` is the first length scale.
    pub fn new(dim: usize, capacity: usize, length: f64) -> Self {
        let height = capacity.div_ceil(LANES);
        Self {
            dim,
            points: Points::new(dim, height),
            costs: Vec::with_capacity(capacity),
            sorted: Vec::with_capacity(capacity),
            targets: Vec::with_capacity(height),
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

    /// Their costs; `None` where the evaluation failed.
    pub fn costs(&self) -> &[Option<f64>] {
        &self.costs
    }

    /// The share of the points whose costs are not above this one.
    pub fn rank(&self, cost: f64) -> f64 {
        self.sorted.partition_point(|other| *other <= cost) as f64 / self.len().max(1) as f64
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
    pub fn push(&mut self, point: &[f64], cost: Option<f64>, room: &mut Room) {
        self.points.set(self.len(), point);
        self.costs.push(cost);
        if let Some(cost) = cost {
            let place = self.sorted.partition_point(|other| *other <= cost);
            self.sorted.insert(place, cost);
        }
        self.regression.push(&self.points, room);
    }

    /// Looks at the costs anew: after pushes, or with another view.
    pub fn fit(&mut self, view: &View, room: &mut Room) {
        self.aim(view);
        self.regression.solve(&self.targets, room);
        self.weigh();
    }

    /// Costs into targets.
    fn aim(&mut self, view: &View) {
        self.compression = view.compression;
        self.spread = spread(&self.sorted);
        self.gap = if self.spread > 0.0 { self.spread } else { 1.0 };
        let (count, best) = (self.len(), self.best());
        self.targets.resize(count.div_ceil(LANES), [0.0; LANES]);
        let targets = self.targets.as_flattened_mut();
        targets[count..].fill(best);
        targets.iter_mut().zip(&self.costs).for_each(|(target, cost)| *target = cost.unwrap_or(best));
        let unit = self.unit();
        vectorized(
            #[inline(always)]
            || {
                for target in self.targets.as_flattened_mut() {
                    let gap = (*target - best) / self.gap;
                    *target = unit * ln_1p(self.compression * gap.min(HIGHEST));
                }
            },
        );
        let targets = &mut self.targets.as_flattened_mut()[..count];
        self.worst = targets.iter().copied().fold(0.0, f64::max);
        // A failed evaluation is as bad as the worst that was seen.
        if self.sorted.len() < count {
            let failed = targets.iter_mut().zip(&self.costs).filter(|(_, cost)| cost.is_none());
            failed.for_each(|(target, _)| *target = self.worst);
        }
        let count = count.max(1) as f64;
        let mean = sum(targets, |t| t) / count;
        self.variance = sum(targets, |t| (t - mean) * (t - mean)) / count;
        self.mean = mean + view.pessimism * self.variance.sqrt();
        targets.iter_mut().for_each(|t| *t -= self.mean);
    }

    fn weigh(&mut self) {
        let bounds = (0.05 * self.variance + 1e-12, 20.0 * self.variance + 1e-12);
        self.signal = self.regression.fitted().clamp(bounds.0, bounds.1);
    }

    /// Keeps the points of these places only, which ascend. Nothing is predicted before [`rebuild`](Self::rebuild).
    pub fn keep(&mut self, places: impl Iterator<Item = usize>) {
        let mut kept = 0;
        for place in places {
            self.costs[kept] = self.costs[place];
            kept += 1;
        }
        self.costs.truncate(kept);
        self.sorted.clear();
        self.sorted.extend(self.costs.iter().flatten());
        self.sorted.sort_unstable_by(f64::total_cmp);
    }

    /// New coordinates `[len, dim]`, and whichever length scale explains them better: the present one, or `factor` times it;
    /// both within `bounds`.
    pub fn rebuild(
        &mut self,
        points: &[f64],
        view: &View,
        factor: f64,
        bounds: (f64, f64),
        desk: &mut Rebuild,
    ) {
        points.chunks_exact(self.dim).enumerate().for_each(|(i, point)| self.points.set(i, point));
        self.aim(view);
        let now = self.length().clamp(bounds.0, bounds.1);
        let length = (now * factor).clamp(bounds.0, bounds.1);
        let Rebuild { squares, other, room } = desk;
        self.points.squares(self.len(), squares);
        let both = [(&mut self.regression, now), (&mut *other, length)];
        Regression::refill(both, squares, self.costs.len(), view.nugget, room);
        for regression in [&mut self.regression, &mut *other] {
            regression.solve(&self.targets, room);
        }
        if other.misfit() < self.regression.misfit() {
            self.regression.copy_from(other);
        }
        self.weigh();
    }

    /// Zero where nothing was seen.
    fn best(&self) -> f64 {
        self.sorted.first().copied().unwrap_or(0.0)
    }

    /// Compressed units per logarithm.
    fn unit(&self) -> f64 {
        ln_1p(self.compression).recip()
    }

    /// The cost above the best, as a logarithm.
    fn compress(&self, cost: f64) -> f64 {
        let best = self.best();
        let gap = if self.spread > 0.0 {
            (cost - best) / self.gap
        } else {
            // No two costs differ yet, so there is no unit: only higher and lower.
            f64::from(i8::from(cost > best) - i8::from(cost < best))
        };
        // New bests lie below zero, where the logarithm ends.
        ln_1p(self.compression * gap.clamp(-0.5 / self.compression, HIGHEST))
    }

    /// How a cost looks in the present view; a failed one looks like the worst, the first one like nothing.
    pub fn look(&self, cost: Option<f64>) -> f64 {
        match cost {
            _ if self.targets.is_empty() => 0.0,
            Some(cost) => self.unit() * self.compress(cost) - self.mean,
            None => self.worst - self.mean,
        }
    }

    /// Mean and standard deviation of the prediction at [`LANES`] candidates, `at` being `[dim]`.
    pub fn predict(&self, at: &[Lane], room: &mut Room) -> (Lane, Lane) {
        let (mean, variance) = self.regression.predict(&self.points, at, room);
        (mean, variance.map(|variance| (self.signal * variance).sqrt()))
    }

    /// Gradient of the predicted mean at [`LANES`] candidates; `at` and `out` are `[dim]`.
    pub fn gradient(&self, at: &[Lane], out: &mut [Lane]) {
        self.regression.gradient(&self.points, at, out);
    }
}

/// How far the median is above the lowest: or, where more than half are the lowest, the highest.
fn spread(sorted: &[f64]) -> f64 {
    let [best, .., worst] = sorted else { return 0.0 };
    let spread = sorted[sorted.len() / 2] - best;
    let spread = if spread > 0.0 { spread } else { worst - best };
    // Costs near the largest float: their difference is not one.
    if spread.is_finite() { spread } else { f64::MAX }
}

/// The sum of `f` over the values, eight at a time.
fn sum(values: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    let (lanes, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for lane in lanes {
        for k in 0..LANES {
            sums[k] += f(lane[k]);
        }
    }
    total(&sums) + rest.iter().map(|value| f(*value)).sum::<f64>()
}
