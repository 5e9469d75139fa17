//! Gaussian-process regression with one length scale.

use pulp::{Arch, Simd, WithSimd};
use serde::{Deserialize, Serialize};

use super::{
    factor::{Factor, Triangle, squared},
    lanes::{LANES, Lane, store, vectors, vectors_mut},
};

/// Points as lanes: `[height, dim]`, eight neighbouring points in a lane.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Points {
    lanes: Vec<Lane>,
    dim: usize,
}

impl Points {
    /// Room for `height` lanes of points.
    pub fn new(dim: usize, height: usize) -> Self {
        Self { lanes: vec![[0.0; LANES]; dim * height], dim }
    }

    /// Puts `point` in place `i`.
    pub fn set(&mut self, i: usize, point: &[f64]) {
        for (lane, p) in self.lanes[i / LANES * self.dim..].iter_mut().zip(point) {
            lane[i % LANES] = *p;
        }
    }

    /// Eight points, by coordinates.
    #[inline(always)]
    fn block(&self, i: usize) -> &[Lane] {
        &self.lanes[i * self.dim..(i + 1) * self.dim]
    }

    /// Squared distances of the first `n` points from one another, as a [`Triangle`].
    pub fn squares(&self, n: usize, out: &mut Vec<Lane>) {
        out.resize(Triangle::lanes(n.div_ceil(LANES)), [0.0; LANES]);
        Arch::new().dispatch(Squares { points: self, out });
    }
}

/// Squared distances between eight points and one vector of others, `part` of the lanes that `at` gives by coordinates.
#[inline(always)]
fn squares<S: Simd>(simd: S, block: &[Lane], at: &[S::f64s], part: usize) -> [S::f64s; LANES] {
    // As many independent sums hide the time that one addition takes.
    let mut squared = [simd.splat_f64s(0.0); LANES];
    for (point, at) in block.iter().zip(at.chunks_exact(LANES / S::F64_LANES)) {
        for r in 0..LANES {
            let d = simd.sub_f64s(at[part], simd.splat_f64s(point[r]));
            squared[r] = simd.mul_add_f64s(d, d, squared[r]);
        }
    }
    squared
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
}

/// Room to work in; it holds nothing from one call to the next.
#[derive(Debug, Clone, Default)]
pub struct Room {
    pub rows: Vec<Lane>,
    pub others: Vec<Lane>,
}

impl Regression {
    /// No points yet; room for `height` lanes of them.
    pub fn new(height: usize, length: f64, nugget: f64) -> Self {
        Self {
            inverse_length_sq: (length * length).recip(),
            nugget,
            factor: Factor::new(height),
            alpha: Vec::with_capacity(height),
            ..Self::default()
        }
    }

    /// Becomes the other one, in the room that it has.
    pub fn copy_from(&mut self, other: &Self) {
        let Self { inverse_length_sq, nugget, len, factor, alpha, fitted } = other;
        (self.inverse_length_sq, self.nugget) = (*inverse_length_sq, *nugget);
        (self.len, self.fitted) = (*len, *fitted);
        self.factor.copy_from(factor);
        self.alpha.clone_from(alpha);
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
    pub fn push(&mut self, points: &Points, room: &mut Room) {
        Arch::new().dispatch(Push { regression: self, points, room });
    }

    /// Both take in the first `n` points anew, each with its length scale and all with this noise; `squares` are the
    /// points' squared distances as [`Points::squares`] gives them.
    ///
    /// Block by block in turn: the machine works at one while the pivots of the other wait for one another.
    pub fn refill(both: [(&mut Self, f64); 2], squares: &[Lane], n: usize, nugget: f64, room: &mut Room) {
        let both = both.map(|(regression, length)| {
            regression.inverse_length_sq = (length * length).recip();
            (regression.nugget, regression.len) = (nugget, n);
            regression.factor.reset(n);
            regression
        });
        Arch::new().dispatch(Refill { both, squares, room });
    }

    /// Explains the targets, one for each point, with zeros to the end of the last lane.
    pub fn solve(&mut self, targets: &[Lane], room: &mut Room) {
        Arch::new().dispatch(Solve { regression: self, targets, room });
    }

    /// Minus twice the log marginal likelihood per point, the signal's variance fitted, up to a constant (Rasmussen &
    /// Williams, equation 5.8).
    pub fn misfit(&self) -> f64 {
        self.fitted.max(1e-300).ln() + self.factor.log_det(self.len) / self.len.max(1) as f64
    }

    /// Mean of the prediction at [`LANES`] candidates, and its variance over the signal's; `at` is `[dim]`.
    pub fn predict(&self, points: &Points, at: &[Lane], room: &mut Room) -> (Lane, Lane) {
        let (mean, squared) =
            Arch::new().dispatch(Predict { regression: self, points, at, rows: &mut room.rows });
        (mean, squared.map(|squared| (1.0 + self.nugget - squared).max(1e-12)))
    }

    /// Gradient of the predicted mean at [`LANES`] candidates; `at` and `out` are `[dim]`.
    pub fn gradient(&self, points: &Points, at: &[Lane], out: &mut [Lane]) {
        Arch::new().dispatch(Gradient { regression: self, points, at, out });
    }

    /// The root of the kernel at squared distances.
    #[inline(always)]
    fn roots<S: Simd>(&self, simd: S, squared: &mut [S::f64s]) {
        let (one, scale) = (simd.splat_f64s(1.0), simd.splat_f64s(0.25 * self.inverse_length_sq));
        let (pairs, rest) = squared.as_chunks_mut::<2>();
        for [a, b] in pairs {
            // Two reciprocals for one division, which is slow. The product is finite: whitened points are less than 10³⁰
            // lengths apart.
            let (x, y) = (simd.mul_add_f64s(*a, scale, one), simd.mul_add_f64s(*b, scale, one));
            let inverse = simd.div_f64s(one, simd.mul_f64s(x, y));
            (*a, *b) = (simd.mul_f64s(inverse, y), simd.mul_f64s(inverse, x));
        }
        for squared in rest {
            *squared = simd.div_f64s(one, simd.mul_add_f64s(*squared, scale, one));
        }
    }

    /// Squared distances into the kernel.
    #[inline(always)]
    fn kernel<S: Simd>(&self, simd: S, squared: &mut [Lane]) {
        // The pairs that [`roots`](Self::roots) makes must not depend on how long the machine's vectors are.
        let (pairs, rest) = squared.as_chunks_mut::<2>();
        for part in 0..LANES / S::F64_LANES {
            for [a, b] in &mut *pairs {
                let (a, b) = (&mut S::as_mut_simd_f64s(a).0[part], &mut S::as_mut_simd_f64s(b).0[part]);
                let mut roots = [*a, *b];
                self.roots(simd, &mut roots);
                (*a, *b) = (simd.mul_f64s(roots[0], roots[0]), simd.mul_f64s(roots[1], roots[1]));
            }
            for a in &mut *rest {
                let a = &mut S::as_mut_simd_f64s(a).0[part];
                let mut root = [*a];
                self.roots(simd, &mut root);
                *a = simd.mul_f64s(root[0], root[0]);
            }
        }
    }
}

/// The arguments of [`Points::squares`], for the instructions that the machine has.
struct Squares<'a> {
    points: &'a Points,
    out: &'a mut [Lane],
}

impl WithSimd for Squares<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let parts = LANES / S::F64_LANES;
        let (mut rest, mut block) = (self.out, 0);
        while let Some((own, below)) = rest.split_at_mut_checked(LANES * (block + 1)) {
            for (i, out) in own.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                for part in 0..parts {
                    let at = vectors::<S>(self.points.block(block));
                    let squared = squares(simd, self.points.block(i), at, part);
                    store::<S>(out, part, &squared);
                }
            }
            (rest, block) = (below, block + 1);
        }
    }
}

/// The arguments of [`Regression::push`].
struct Push<'a> {
    regression: &'a mut Regression,
    points: &'a Points,
    room: &'a mut Room,
}

impl WithSimd for Push<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { regression, points, room } = self;
        let n = regression.len;
        regression.len += 1;
        let row = &mut room.rows;
        row.resize(n / LANES + 1, [0.0; LANES]);
        let parts = LANES / S::F64_LANES;
        for (at, out) in vectors_mut::<S>(row).iter_mut().enumerate() {
            let mut squared = simd.splat_f64s(0.0);
            for (point, others) in points.block(n / LANES).iter().zip(points.block(at / parts)) {
                let d =
                    simd.sub_f64s(S::as_simd_f64s(others).0[at % parts], simd.splat_f64s(point[n % LANES]));
                squared = simd.mul_add_f64s(d, d, squared);
            }
            *out = squared;
        }
        regression.kernel(simd, row);
        row[n / LANES][n % LANES] += regression.nugget;
        let floor = regression.floor();
        regression.factor.push(simd, n, row, floor, &mut room.others);
    }
}

/// The arguments of [`Regression::refill`].
struct Refill<'a> {
    both: [&'a mut Regression; 2],
    squares: &'a [Lane],
    room: &'a mut Room,
}

impl WithSimd for Refill<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { mut both, squares, room } = self;
        let n = both[0].len;
        for block in 0..n.div_ceil(LANES) {
            for (regression, rows) in both.iter_mut().zip([&mut room.rows, &mut room.others]) {
                rows.clear();
                rows.extend_from_slice(Triangle::block(squares, block));
                regression.kernel(simd, rows);
                for r in 0..LANES {
                    rows[LANES * block + r][r] += regression.nugget;
                }
                let floor = regression.floor();
                regression.factor.refill(simd, n, block, rows, floor);
            }
        }
    }
}

/// The arguments of [`Regression::solve`].
struct Solve<'a> {
    regression: &'a mut Regression,
    targets: &'a [Lane],
    room: &'a mut Room,
}

impl WithSimd for Solve<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { regression, targets, room } = self;
        let Regression { factor, alpha, fitted, len, .. } = regression;
        room.rows.resize(targets.len(), [0.0; LANES]);
        alpha.resize(targets.len(), [0.0; LANES]);
        factor.apply(simd, targets, &mut room.rows);
        factor.apply_transposed(simd, &room.rows, alpha);
        *fitted = squared(&room.rows) / (*len).max(1) as f64;
    }
}

/// The arguments of [`Regression::predict`].
struct Predict<'a> {
    regression: &'a Regression,
    points: &'a Points,
    at: &'a [Lane],
    rows: &'a mut Vec<Lane>,
}

impl WithSimd for Predict<'_> {
    /// The mean, and what the points explain of the variance.
    type Output = (Lane, Lane);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (Lane, Lane) {
        let Self { regression, points, at, rows } = self;
        let (at, parts) = (vectors::<S>(at), LANES / S::F64_LANES);
        let (mut mean, mut squared) = ([0.0; LANES], [0.0; LANES]);
        rows.resize(regression.alpha.len() * LANES, [0.0; LANES]);
        for (part, mean) in S::as_mut_simd_f64s(&mut mean).0.iter_mut().enumerate() {
            let blocks = vectors_mut::<S>(rows).chunks_exact_mut(LANES * parts);
            for (i, (rows, alpha)) in blocks.zip(&regression.alpha).enumerate() {
                let mut roots = squares(simd, points.block(i), at, part);
                regression.roots(simd, &mut roots);
                for r in 0..LANES {
                    let value = simd.mul_f64s(roots[r], roots[r]);
                    *mean = simd.mul_add_f64s(simd.splat_f64s(alpha[r]), value, *mean);
                    rows[r * parts + part] = value;
                }
            }
        }
        regression.factor.add_squared(simd, rows, &mut squared);
        (mean, squared)
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
                let mut weights = squares(simd, points.block(i), at, part);
                regression.roots(simd, &mut weights);
                for r in 0..LANES {
                    let scale = simd.splat_f64s(-alpha[r] * regression.inverse_length_sq);
                    let cube = simd.mul_f64s(simd.mul_f64s(weights[r], weights[r]), weights[r]);
                    weights[r] = simd.mul_f64s(scale, cube);
                }
                let lanes = at.chunks_exact(parts).zip(out.chunks_exact_mut(parts));
                for (point, (at, out)) in points.block(i).iter().zip(lanes) {
                    let mut sum = out[part];
                    for r in 0..LANES {
                        let d = simd.sub_f64s(at[part], simd.splat_f64s(point[r]));
                        sum = simd.mul_add_f64s(weights[r], d, sum);
                    }
                    out[part] = sum;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Runs vector code.
    trait Machine {
        fn run<W: WithSimd>(&self, work: W) -> W::Output;
    }

    /// With the instructions that this machine has.
    struct This;
    /// Without any vectors.
    struct Plain;

    impl Machine for This {
        fn run<W: WithSimd>(&self, work: W) -> W::Output {
            Arch::new().dispatch(work)
        }
    }

    impl Machine for Plain {
        fn run<W: WithSimd>(&self, work: W) -> W::Output {
            Scalar.vectorize(work)
        }
    }

    /// Predictions and gradients, from a regression that grew and from two made at once.
    fn results(machine: &impl Machine) -> Vec<Lane> {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let (dim, count) = (3, 21);
        let (mut points, mut room) = (Points::new(dim, 3), Room::default());
        let mut grown = Regression::new(3, 0.8, 1e-3);
        for i in 0..count {
            points.set(i, &[rng.random(), rng.random(), rng.random()]);
            machine.run(Push { regression: &mut grown, points: &points, room: &mut room });
        }
        let mut squares = vec![[0.0; LANES]; Triangle::lanes(3)];
        machine.run(Squares { points: &points, out: &mut squares });
        let (mut first, mut second) = (grown.clone(), grown.clone());
        second.inverse_length_sq *= 2.0;
        for regression in [&mut first, &mut second] {
            regression.factor.reset(count);
        }
        machine.run(Refill { both: [&mut first, &mut second], squares: &squares, room: &mut room });
        let mut targets: [Lane; 3] = std::array::from_fn(|_| std::array::from_fn(|_| rng.random()));
        targets.as_flattened_mut()[count..].fill(0.0);
        let at: [Lane; 3] = std::array::from_fn(|_| std::array::from_fn(|_| rng.random()));
        let mut results = Vec::new();
        for mut regression in [grown, first, second] {
            machine.run(Solve { regression: &mut regression, targets: &targets, room: &mut room });
            let (regression, points, at) = (&regression, &points, &at);
            let (mean, squared) = machine.run(Predict { regression, points, at, rows: &mut room.rows });
            let mut gradient = [[0.0; LANES]; 3];
            machine.run(Gradient { regression, points, at, out: &mut gradient });
            results.extend([mean, squared]);
            results.extend(gradient);
        }
        results
    }

    #[test]
    fn every_machine_computes_the_same() {
        let results = results(&This);
        assert!(results.iter().flatten().all(|v| v.is_finite()));
        assert_eq!(results, self::results(&Plain));
    }
}
