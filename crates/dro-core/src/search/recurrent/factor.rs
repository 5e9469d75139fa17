//! Cholesky factors of matrices with some dozens of rows.

use std::array::from_fn;

use pulp::Simd;
use serde::{Deserialize, Serialize};

use super::lanes::{LANES, Lane, add_product, dot, vectors_mut};

/// The lower factor `L` of a positive definite matrix `LLᵀ`, which may grow by rows.
///
/// Vectors are given as lanes. Rows that fill the last lane up may hold anything finite: they come out as zeros and
/// count for nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Factor {
    /// `L_ij` is lane `i % 8` of `j · height + i / 8`; zero above the diagonal.
    columns: Vec<Lane>,
    /// Lanes in a column.
    height: usize,
    /// `1/L_jj`; zero beyond the last row.
    inverse_diagonal: Vec<f64>,
}

impl Factor {
    /// Room for `height` lanes of rows; none is used yet.
    pub fn new(height: usize) -> Self {
        let rows = height * LANES;
        Self { columns: vec![[0.0; LANES]; rows * height], height, inverse_diagonal: vec![0.0; rows] }
    }

    /// Factors the matrix of `n` rows whose columns `fill` writes: from lane `k / 8` down for column `k`. Pivots are at
    /// least `floor`.
    #[inline(always)]
    pub fn refill(&mut self, n: usize, floor: f64, mut fill: impl FnMut(usize, &mut [Lane])) {
        /// So many columns at a time: one pass over the new column for all of them.
        const AT_ONCE: usize = 4;
        let (height, used) = (self.height, n.div_ceil(LANES));
        self.inverse_diagonal[n..].fill(0.0);
        for k in 0..n {
            let (lane, place) = (k / LANES, k % LANES);
            let (before, rest) = self.columns.split_at_mut(k * height);
            let column = &mut rest[lane..used];
            fill(k, column);
            let (blocks, single) = before.split_at(k / AT_ONCE * AT_ONCE * height);
            for block in blocks.chunks_exact(AT_ONCE * height) {
                let [a, b, c, d]: [_; AT_ONCE] = from_fn(|r| &block[r * height + lane..r * height + used]);
                let factors = [-a[0][place], -b[0][place], -c[0][place], -d[0][place]];
                for ((((v, a), b), c), d) in column.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                    let mut sum = *v;
                    add_product(&mut sum, factors[0], a);
                    add_product(&mut sum, factors[1], b);
                    add_product(&mut sum, factors[2], c);
                    add_product(&mut sum, factors[3], d);
                    *v = sum;
                }
            }
            for before in single.chunks_exact(height) {
                let factor = -before[lane][place];
                column.iter_mut().zip(&before[lane..used]).for_each(|(v, a)| add_product(v, factor, a));
            }
            column[0][..place].fill(0.0);
            let inverse = column[0][place].max(floor).sqrt().recip();
            column.iter_mut().for_each(|v| *v = v.map(|v| v * inverse));
            self.inverse_diagonal[k] = inverse;
        }
    }

    /// Row `n`: `row` holds the matrix's, up to the diagonal, and is overwritten.
    #[inline(always)]
    pub fn push(&mut self, n: usize, row: &mut [Lane], floor: f64) {
        let mut diagonal = row[n / LANES][n % LANES];
        self.forward(row);
        for (j, column) in self.columns.chunks_exact_mut(self.height).enumerate().take(n) {
            let v = row[j / LANES][j % LANES];
            column[n / LANES][n % LANES] = v;
            diagonal = (-v).mul_add(v, diagonal);
        }
        let inverse = diagonal.max(floor).sqrt().recip();
        let column = &mut self.columns[n * self.height..(n + 1) * self.height];
        column.fill([0.0; LANES]);
        column[n / LANES][n % LANES] = inverse.recip();
        self.inverse_diagonal[n] = inverse;
    }

    /// `v ← L⁻¹v`.
    #[inline(always)]
    fn forward(&self, v: &mut [Lane]) {
        let used = v.len();
        let columns = self.columns.chunks_exact(self.height).zip(&self.inverse_diagonal);
        for (j, (column, inverse)) in columns.enumerate().take(used * LANES) {
            let (lane, place) = (j / LANES, j % LANES);
            let value = v[lane][place] * inverse;
            v[lane..].iter_mut().zip(&column[lane..used]).for_each(|(v, l)| add_product(v, -value, l));
            v[lane][place] = value;
        }
    }

    /// `v ← (LLᵀ)⁻¹v`.
    #[inline(always)]
    pub fn solve(&self, v: &mut [Lane]) {
        self.forward(v);
        for lane in (0..v.len()).rev() {
            let (block, below) = v[lane..].split_at_mut(1);
            let columns: [_; LANES] = from_fn(|r| {
                let column = &self.columns[(lane * LANES + r) * self.height..][..self.height];
                &column[lane..=lane + below.len()]
            });
            // Eight sums that do not wait for one another; then the triangle at the diagonal.
            let mut solved = block[0];
            for r in 0..LANES {
                solved[r] -= dot(&columns[r][1..], below);
            }
            for r in (0..LANES).rev() {
                for s in r + 1..LANES {
                    solved[r] = (-columns[r][0][s]).mul_add(solved[s], solved[r]);
                }
                solved[r] *= self.inverse_diagonal[lane * LANES + r];
            }
            block[0] = solved;
        }
    }

    /// Adds to `squared` `|L⁻¹v|²` for [`LANES`] vectors side by side: `rows` are their entries, a multiple of [`LANES`]
    /// of them, and are overwritten.
    ///
    /// In the machine's own vectors: eight sums at a time are more than the compiler keeps in registers by itself.
    #[inline(always)]
    pub fn add_squared<S: Simd>(&self, simd: S, rows: &mut [Lane], squared: &mut Lane) {
        let parts = LANES / S::F64_LANES;
        let blocks = rows.len() / LANES;
        let rows = vectors_mut::<S>(rows);
        for (part, total) in S::as_mut_simd_f64s(squared).0.iter_mut().enumerate() {
            for i in 0..blocks {
                let (solved, rest) = rows.split_at_mut(i * LANES * parts);
                let mut sums: [S::f64s; LANES] = from_fn(|r| rest[r * parts + part]);
                for (column, v) in self.columns.chunks_exact(self.height).zip(solved.chunks_exact(parts)) {
                    let (l, v) = (&column[i], v[part]);
                    for r in 0..LANES {
                        sums[r] = simd.mul_add_f64s(simd.splat_f64s(-l[r]), v, sums[r]);
                    }
                }
                for r in 0..LANES {
                    let j = i * LANES + r;
                    let v = simd.mul_f64s(sums[r], simd.splat_f64s(self.inverse_diagonal[j]));
                    *total = simd.mul_add_f64s(v, v, *total);
                    rest[r * parts + part] = v;
                    let l = &self.columns[j * self.height + i];
                    for s in r + 1..LANES {
                        sums[s] = simd.mul_add_f64s(simd.splat_f64s(-l[s]), v, sums[s]);
                    }
                }
            }
        }
    }

    /// `ln det LLᵀ` of the first `n` rows.
    pub fn log_det(&self, n: usize) -> f64 {
        -2.0 * self.inverse_diagonal[..n].iter().map(|inverse| inverse.ln()).sum::<f64>()
    }
}
