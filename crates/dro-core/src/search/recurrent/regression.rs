//! Gaussian-process regression with one length scale.

use pulp::{Arch, Simd, WithSimd};
use serde::{Deserialize, Serialize};

use super::{
    factor::Factor,
    lanes::{LANES, Lane, add_squared_difference, vectorized, vectors, vectors_mut},
};

/// Points as lanes: `[dim, height]`, eight neighbouring points in a lane.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Points {
    lanes: Vec<Lane>,
    height: usize,
}

impl Points {
    /// Room for `height` lanes of points.
    pub fn new(dim: usize, height: usize) -> Self {
        Self { lanes: vec![[0.0; LANES]; dim * height], height }
    }

    /// Puts `point` in place `i`.
    pub fn set(&mut self, i: usize, point: &[f64]) {
        for (row, p) in self.lanes.chunks_exact_mut(self.height).zip(point) {
            row[i / LANES][i % LANES] = *p;
        }
    }

    /// The rows of coordinates, `height` lanes each.
    #[inline(always)]
    fn rows(&self) -> std::slice::ChunksExact<'_, Lane> {
        self.lanes.chunks_exact(self.height)
    }
}

/// The regression (Rasmussen & Williams 2006, algorithm 2.1) with the rational-quadratic kernel `(1 + r²/4ℓ²)⁻²` (their
/// equation 4.19 with α = 2): it needs no exponential, and as a mixture of length scales it suits costs of unknown
/// roughness.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Regression {
    inverse_length_sq: f64,
    nugget: f64,
    len: usize,
    /// Of the kernel matrix `K`.
    factor: Factor,
    /// `K⁻¹t`, with zeros to the end of the last lane.
    alpha: Vec<Lane>,
    /// `tᵀK⁻¹t` per point.
    fitted: f64,
    #[serde(skip)]
    scratch: Vec<Lane>,
}

impl Regression {
    /// No points yet; room for `height` lanes of them.
    pub fn new(height: usize, length: f64, nugget: f64) -> Self {
        Self {
            inverse_length_sq: (length * length).recip(),
            nugget,
            factor: Factor::new(height),
            ..Self::default()
        }
    }

    /// The kernel's length scale ℓ.
    pub fn length(&self) -> f64 {
        self.inverse_length_sq.sqrt().recip()
    }

    /// `tᵀK⁻¹t` per point: the signal's variance that explains the targets best.
    pub fn fitted(&self) -> f64 {
        self.fitted
    }

    /// Two points in one place leave nothing but the noise, less rounding.
    fn floor(&self) -> f64 {
        1e-3 * self.nugget
    }

    /// Takes in the next of `points`; nothing is predicted from it before [`solve`](Self::solve).
    pub fn push(&mut self, points: &Points) {
        let (n, floor) = (self.len, self.floor());
        self.len += 1;
        let mut row = std::mem::take(&mut self.scratch);
        row.resize(self.len.div_ceil(LANES), [0.0; LANES]);
        vectorized(
            #[inline(always)]
            || {
                self.kernel(points, n, 0, &mut row);
                row[n / LANES][n % LANES] += self.nugget;
                self.factor.push(n, &mut row, floor);
            },
        );
        self.scratch = row;
    }

    /// Takes in the first `n` of `points` anew, with another length scale and noise.
    pub fn refill(&mut self, points: &Points, n: usize, length: f64, nugget: f64) {
        self.inverse_length_sq = (length * length).recip();
        (self.nugget, self.len) = (nugget, n);
        let floor = self.floor();
        let mut factor = std::mem::take(&mut self.factor);
        vectorized(
            #[inline(always)]
            || {
                factor.refill(
                    n,
                    floor,
                    #[inline(always)]
                    |k, column| {
                        self.kernel(points, k, k / LANES, column);
                        column[0][k % LANES] += nugget;
                    },
                );
            },
        );
        self.factor = factor;
    }

    /// Explains the targets `t`, one for each point.
    pub fn solve(&mut self, targets: &[f64]) {
        self.alpha.resize(targets.len().div_ceil(LANES), [0.0; LANES]);
        self.alpha.as_flattened_mut()[..targets.len()].copy_from_slice(targets);
        vectorized(
            #[inline(always)]
            || self.factor.solve(&mut self.alpha),
        );
        let sum: f64 = targets.iter().zip(self.alpha.as_flattened()).map(|(t, a)| t * a).sum();
        self.fitted = sum / targets.len().max(1) as f64;
    }

    /// Minus twice the log marginal likelihood per point, the signal's variance fitted, up to a constant (Rasmussen &
    /// Williams, equation 5.8).
    pub fn misfit(&self) -> f64 {
        self.fitted.max(1e-300).ln() + self.factor.log_det(self.len) / self.len.max(1) as f64
    }

    /// The kernel between point `n` and those from lane `first` on, as many as `out` has room for.
    #[inline(always)]
    fn kernel(&self, points: &Points, n: usize, first: usize, out: &mut [Lane]) {
        out.fill([0.0; LANES]);
        for row in points.rows() {
            let p = row[n / LANES][n % LANES];
            out.iter_mut().zip(&row[first..]).for_each(|(out, q)| add_squared_difference(out, q, p));
        }
        for out in out {
            for out in out {
                let root = out.mul_add(0.25 * self.inverse_length_sq, 1.0).recip();
                *out = root * root;
            }
        }
    }

    /// Mean of the prediction at [`LANES`] candidates, and its variance over the signal's; `at` is `[dim]`.
    pub fn predict(&mut self, points: &Points, at: &[Lane]) -> (Lane, Lane) {
        let mut rows = std::mem::take(&mut self.scratch);
        rows.resize(self.alpha.len() * LANES, [0.0; LANES]);
        let (mut mean, mut squared) = ([0.0; LANES], [0.0; LANES]);
        Arch::new().dispatch(Predict {
            regression: self,
            points,
            at,
            rows: &mut rows,
            mean: &mut mean,
            squared: &mut squared,
        });
        self.scratch = rows;
        (mean, squared.map(|squared| (1.0 + self.nugget - squared).max(1e-12)))
    }

    /// Gradient of the predicted mean at [`LANES`] candidates; `at` and `out` are `[dim]`.
    pub fn gradient(&self, points: &Points, at: &[Lane], out: &mut [Lane]) {
        Arch::new().dispatch(Gradient { regression: self, points, at, out });
    }

    /// The root of the kernel between the points of lane `i` and one vector of candidates, `part` of their lane.
    #[inline(always)]
    fn roots<S: Simd>(
        &self,
        simd: S,
        points: &Points,
        i: usize,
        at: &[S::f64s],
        part: usize,
    ) -> [S::f64s; LANES] {
        // As many independent sums hide the time that one addition takes.
        let mut squared = [simd.splat_f64s(0.0); LANES];
        for (row, at) in points.rows().zip(at.chunks_exact(LANES / S::F64_LANES)) {
            for r in 0..LANES {
                let d = simd.sub_f64s(at[part], simd.splat_f64s(row[i][r]));
                squared[r] = simd.mul_add_f64s(d, d, squared[r]);
            }
        }
        let (one, scale) = (simd.splat_f64s(1.0), simd.splat_f64s(0.25 * self.inverse_length_sq));
        // A loop: the closure of `map` would be compiled without the machine's instructions.
        for squared in &mut squared {
            *squared = simd.div_f64s(one, simd.mul_add_f64s(*squared, scale, one));
        }
        squared
    }
}

/// The arguments of [`Regression::predict`], for the instructions that the machine has.
struct Predict<'a> {
    regression: &'a Regression,
    points: &'a Points,
    at: &'a [Lane],
    rows: &'a mut [Lane],
    mean: &'a mut Lane,
    squared: &'a mut Lane,
}

impl WithSimd for Predict<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { regression, points, at, rows, mean, squared } = self;
        let (at, parts) = (vectors::<S>(at), LANES / S::F64_LANES);
        for (part, mean) in S::as_mut_simd_f64s(mean).0.iter_mut().enumerate() {
            let blocks = vectors_mut::<S>(rows).chunks_exact_mut(LANES * parts);
            for (i, (rows, alpha)) in blocks.zip(&regression.alpha).enumerate() {
                let roots = regression.roots(simd, points, i, at, part);
                for r in 0..LANES {
                    let value = simd.mul_f64s(roots[r], roots[r]);
                    *mean = simd.mul_add_f64s(simd.splat_f64s(alpha[r]), value, *mean);
                    rows[r * parts + part] = value;
                }
            }
        }
        regression.factor.add_squared(simd, rows, squared);
    }
}

/// The arguments of [`Regression::gradient`].
struct Gradient<'a> {
    regression: &'a Regression,
    points: &'a Points,
    at: &'a [Lane],
    out: &'a mut [Lane],
}

impl WithSimd for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { regression, points, at, out } = self;
        out.fill([0.0; LANES]);
        let (at, out, parts) = (vectors::<S>(at), vectors_mut::<S>(out), LANES / S::F64_LANES);
        for part in 0..parts {
            for (i, alpha) in regression.alpha.iter().enumerate() {
                let mut weights = regression.roots(simd, points, i, at, part);
                for r in 0..LANES {
                    let scale = simd.splat_f64s(-alpha[r] * regression.inverse_length_sq);
                    let cube = simd.mul_f64s(simd.mul_f64s(weights[r], weights[r]), weights[r]);
                    weights[r] = simd.mul_f64s(scale, cube);
                }
                let lanes = at.chunks_exact(parts).zip(out.chunks_exact_mut(parts));
                for (row, (at, out)) in points.rows().zip(lanes) {
                    let mut sum = out[part];
                    for r in 0..LANES {
                        let d = simd.sub_f64s(at[part], simd.splat_f64s(row[i][r]));
                        sum = simd.mul_add_f64s(weights[r], d, sum);
                    }
                    out[part] = sum;
                }
            }
        }
    }
}
