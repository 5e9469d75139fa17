//! What a run has tried, as a Gaussian process over whitened coordinates.

use serde::{Deserialize, Serialize};

/// Candidates are judged this many at a time, side by side in vector registers.
pub const LANES: usize = 8;

/// One number for each of [`LANES`] candidates. Candidates are `[dim]` lanes.
pub type Lane = [f64; LANES];

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

/// A Gaussian process (Rasmussen & Williams 2006, algorithm 2.1) with the rational-quadratic kernel `(1 + r²/4ℓ²)⁻²`
/// (their equation 4.19 with α = 2): it needs no exponential, and as a mixture of length scales it suits costs of
/// unknown roughness.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Memory {
    dim: usize,
    /// Points in whitened coordinates, `[len, dim]`.
    points: Vec<f64>,
    /// Their costs; `None` where the evaluation failed.
    costs: Vec<Option<f64>>,
    /// Lower Cholesky factor of the kernel matrix, row by row, each `stride` long.
    factor: Vec<f64>,
    stride: usize,
    /// Compressed, centred costs `t`, and `K⁻¹t`.
    targets: Vec<f64>,
    alpha: Vec<f64>,
    inverse_length_sq: f64,
    nugget: f64,
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
        Self {
            dim,
            stride: capacity,
            factor: vec![0.0; capacity * capacity],
            inverse_length_sq: (length * length).recip(),
            nugget: 1e-4,
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
        self.inverse_length_sq.sqrt().recip()
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
        self.points.extend_from_slice(point);
        self.costs.push(cost);
        self.grow(self.costs.len() - 1);
    }

    /// Row `n` of the factor from the rows above it.
    fn grow(&mut self, n: usize) {
        let (dim, stride) = (self.dim, self.stride);
        let point = &self.points[n * dim..(n + 1) * dim];
        let (above, rest) = self.factor.split_at_mut(n * stride);
        let row = &mut rest[..=n];
        let mut diagonal = 1.0 + self.nugget;
        for (j, other) in self.points[..n * dim].chunks_exact(dim).enumerate() {
            let squared: f64 = point.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum();
            let root = (1.0 + 0.25 * squared * self.inverse_length_sq).recip();
            let l = &above[j * stride..=j * stride + j];
            let value = (root * root - dot(&l[..j], &row[..j])) / l[j];
            row[j] = value;
            diagonal -= value * value;
        }
        // Two points in one place leave nothing but the noise, less rounding.
        row[n] = diagonal.max(1e-3 * self.nugget).sqrt();
    }

    /// Looks at the costs anew: after pushes, or with another view.
    pub fn fit(&mut self, view: &View) {
        let n = self.len();
        self.compression = view.compression;
        self.scratch.clear();
        self.scratch.extend(self.costs.iter().flatten());
        (self.best, self.spread) = best_and_spread(&mut self.scratch);
        self.gap = if self.spread > 0.0 { self.spread } else { 1.0 };

        self.targets.clear();
        let mut worst = 0.0f64;
        for cost in &self.costs {
            let t = cost.map_or(f64::NAN, |cost| self.compress(cost));
            // NaN is never the larger one.
            worst = worst.max(t);
            self.targets.push(t);
        }
        // A failed evaluation is as bad as the worst that was seen.
        self.targets.iter_mut().filter(|t| t.is_nan()).for_each(|t| *t = worst);

        let count = n.max(1) as f64;
        let mean = self.targets.iter().sum::<f64>() / count;
        let variance = self.targets.iter().map(|t| (t - mean) * (t - mean)).sum::<f64>() / count;
        self.mean = mean + view.pessimism * variance.sqrt();
        self.targets.iter_mut().for_each(|t| *t -= self.mean);
        self.solve();
        let fitted = dot(&self.targets, &self.alpha) / count;
        self.signal = fitted.clamp(0.05 * variance + 1e-12, 20.0 * variance + 1e-12);
    }

    /// `alpha = K⁻¹ targets` by the two triangular systems.
    fn solve(&mut self) {
        let (n, stride) = (self.len(), self.stride);
        self.alpha.clear();
        self.alpha.extend_from_slice(&self.targets);
        for i in 0..n {
            let row = &self.factor[i * stride..=i * stride + i];
            self.alpha[i] = (self.alpha[i] - dot(&row[..i], &self.alpha[..i])) / row[i];
        }
        for i in (0..n).rev() {
            let row = &self.factor[i * stride..=i * stride + i];
            let value = self.alpha[i] / row[i];
            self.alpha[i] = value;
            self.alpha[..i].iter_mut().zip(&row[..i]).for_each(|(a, l)| *a -= value * l);
        }
    }

    /// Minus twice the log marginal likelihood per point, the signal's variance fitted, up to a constant (Rasmussen &
    /// Williams, equation 5.8).
    fn misfit(&self) -> f64 {
        let n = self.len().max(1) as f64;
        let log_det: f64 = (0..self.len()).map(|i| self.factor[i * self.stride + i].ln()).sum();
        (dot(&self.targets, &self.alpha) / n).max(1e-300).ln() + 2.0 * log_det / n
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
        self.points.clear();
        self.points.extend_from_slice(points);
        self.costs.clear();
        self.costs.extend_from_slice(costs);
        let now = self.length().clamp(bounds.0, bounds.1);
        let other = (now * factor).clamp(bounds.0, bounds.1);
        let misfit = self.refactor(other, view);
        if misfit < self.refactor(now, view) {
            self.refactor(other, view);
        }
    }

    fn refactor(&mut self, length: f64, view: &View) -> f64 {
        self.inverse_length_sq = (length * length).recip();
        self.nugget = view.nugget;
        (0..self.len()).for_each(|n| self.grow(n));
        self.fit(view);
        self.misfit()
    }

    fn compress(&self, cost: f64) -> f64 {
        let gap = if self.spread > 0.0 {
            (cost - self.best) / self.gap
        } else {
            // No two costs differ yet, so there is no unit: only higher and lower.
            f64::from(i8::from(cost > self.best) - i8::from(cost < self.best))
        };
        // New bests lie below zero, where the logarithm ends.
        let gap = gap.clamp(-0.5 / self.compression, 1e300);
        (self.compression * gap).ln_1p() / self.compression.ln_1p()
    }

    /// How a cost looks in the present view; a failed one looks like the worst, the first one like nothing.
    pub fn look(&self, cost: Option<f64>) -> f64 {
        match cost {
            _ if self.targets.is_empty() => 0.0,
            Some(cost) => self.compress(cost) - self.mean,
            None => self.targets.iter().copied().fold(-self.mean, f64::max),
        }
    }

    /// Mean and standard deviation of the prediction at [`LANES`] candidates, `at` being `[dim]`.
    pub fn predict(&mut self, at: &[Lane]) -> (Lane, Lane) {
        let (n, dim, stride) = (self.len(), self.dim, self.stride);
        let mut mean = [0.0; LANES];
        let mut left = [1.0 + self.nugget; LANES];
        self.scratch.clear();
        self.scratch.resize(n * LANES, 0.0);
        let (rows, _) = self.scratch.as_chunks_mut::<LANES>();
        for ((row, point), alpha) in rows.iter_mut().zip(self.points.chunks_exact(dim)).zip(&self.alpha) {
            let root = roots(point, at, self.inverse_length_sq);
            for k in 0..LANES {
                row[k] = root[k] * root[k];
                mean[k] += alpha * row[k];
            }
        }
        for i in 0..n {
            let l = &self.factor[i * stride..=i * stride + i];
            let (solved, rest) = rows.split_at_mut(i);
            let mut sum = rest[0];
            for (l, v) in l[..i].iter().zip(&*solved) {
                for k in 0..LANES {
                    sum[k] -= l * v[k];
                }
            }
            let inverse = l[i].recip();
            for k in 0..LANES {
                sum[k] *= inverse;
                left[k] -= sum[k] * sum[k];
            }
            rest[0] = sum;
        }
        (mean, left.map(|left| (self.signal * left.max(1e-12)).sqrt()))
    }

    /// Gradient of the predicted mean at [`LANES`] candidates; `at` and `out` are `[dim]`.
    pub fn gradient(&self, at: &[Lane], out: &mut [Lane]) {
        out.fill([0.0; LANES]);
        for (point, alpha) in self.points.chunks_exact(self.dim).zip(&self.alpha) {
            let root = roots(point, at, self.inverse_length_sq);
            let weight = root.map(|root| -alpha * self.inverse_length_sq * root * root * root);
            for ((p, at), out) in point.iter().zip(at).zip(out.iter_mut()) {
                for k in 0..LANES {
                    out[k] += weight[k] * (at[k] - p);
                }
            }
        }
    }
}

/// `1/(1 + r²/4ℓ²)` between a point and [`LANES`] candidates: the root of the kernel.
#[inline]
fn roots(point: &[f64], at: &[Lane], inverse_length_sq: f64) -> Lane {
    let mut squared = [0.0; LANES];
    for (p, at) in point.iter().zip(at) {
        for k in 0..LANES {
            let d = at[k] - p;
            squared[k] += d * d;
        }
    }
    squared.map(|squared| (1.0 + 0.25 * squared * inverse_length_sq).recip())
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

/// Four sums side by side, so that the compiler may use vector registers.
#[inline]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (a4, a_rest) = a.as_chunks::<4>();
    let (b4, b_rest) = b.as_chunks::<4>();
    for (a, b) in a4.iter().zip(b4) {
        for k in 0..4 {
            sums[k] += a[k] * b[k];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}
