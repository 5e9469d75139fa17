//! Inverse Cholesky factors of matrices with some dozens of rows.

use pulp::Simd;
use serde::{Deserialize, Serialize};

use super::lanes::{LANES, Lane, Tile, products, store, total, vectors};

/// How the lower triangle of a matrix is stored: eight rows at a time, by columns up to the diagonal. So it may grow.
pub struct Triangle;

impl Triangle {
    /// Lanes in so many blocks of rows.
    pub fn lanes(blocks: usize) -> usize {
        LANES * blocks * (blocks + 1) / 2
    }

    /// The columns of one block of rows.
    #[inline(always)]
    pub fn block(lanes: &[Lane], block: usize) -> &[Lane] {
        &lanes[Self::lanes(block)..Self::lanes(block + 1)]
    }
}

/// `W = L⁻¹` for a positive definite matrix `K = LLᵀ`, which may grow by rows.
///
/// The inverse and not `L`: in a product no entry waits for the one before, as it does in solving.
///
/// Vectors are given as lanes. Rows that fill the last lane up may hold anything finite: they come out as zeros and
/// count for nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Factor {
    /// A [`Triangle`]; zero above the diagonal and beyond the last row.
    lanes: Vec<Lane>,
}

impl Factor {
    /// Room for `height` lanes of rows; none is used yet.
    pub fn new(height: usize) -> Self {
        Self { lanes: Vec::with_capacity(Triangle::lanes(height)) }
    }

    /// Becomes the other one, in the room that it has.
    pub fn copy_from(&mut self, other: &Self) {
        self.lanes.clone_from(&other.lanes);
    }

    /// Makes room for a matrix of `n` rows, which [`refill`](Self::refill) then factors.
    pub fn reset(&mut self, n: usize) {
        self.lanes.clear();
        self.lanes.resize(Triangle::lanes(n.div_ceil(LANES)), [0.0; LANES]);
    }

    /// The next block of a matrix of `n` rows: `rows` holds it as a [`Triangle`] does, and is overwritten. Pivots are at
    /// least `floor`.
    #[inline(always)]
    pub fn refill<S: Simd>(&mut self, simd: S, n: usize, block: usize, rows: &mut [Lane], floor: f64) {
        let parts = LANES / S::F64_LANES;
        let (rows, pivots) = rows.split_at_mut(LANES * block);
        // Left of the diagonal: the eight rows of L side by side.
        for above in (0..block).rev() {
            for part in 0..parts {
                let product = self.product(simd, above, rows, part);
                store::<S>(&mut rows[LANES * above..], part, &product);
            }
        }
        let mut left = [[0.0; LANES]; LANES];
        for part in 0..parts {
            let mut squares = products(simd, rows, rows, part);
            for (square, pivot) in squares.iter_mut().zip(&*pivots) {
                *square = simd.sub_f64s(S::as_simd_f64s(pivot).0[part], *square);
            }
            store::<S>(&mut left, part, &squares);
        }
        // What is left of the diagonal becomes its inverse factor, and with it the rows of W.
        let inverse = invert(simd, left, floor, n - LANES * block);
        let (before, own) = self.lanes.split_at_mut(Triangle::lanes(block));
        let (own, diagonal) = own[..LANES * (block + 1)].split_at_mut(LANES * block);
        diagonal.copy_from_slice(&inverse);
        for (column, own) in own.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let sums = product_transposed(simd, before, column, rows);
            for part in 0..parts {
                for (own, sum) in own.iter_mut().zip(&sums) {
                    let mut total = simd.splat_f64s(0.0);
                    for s in 0..LANES {
                        let inverse = S::as_simd_f64s(&inverse[s]).0[part];
                        total = simd.negate_mul_add_f64s(simd.splat_f64s(sum[s]), inverse, total);
                    }
                    S::as_mut_simd_f64s(own).0[part] = total;
                }
            }
        }
    }

    /// Row `n`: `row` holds the matrix's, up to the diagonal, and is overwritten.
    #[inline(always)]
    pub fn push<S: Simd>(&mut self, simd: S, n: usize, row: &mut [Lane], floor: f64, room: &mut Vec<Lane>) {
        let (block, place) = (n / LANES, n % LANES);
        self.lanes.resize(Triangle::lanes(block + 1), [0.0; LANES]);
        room.resize(row.len(), [0.0; LANES]);
        self.apply(simd, row, room);
        let inverse = (row[block][place] - squared(room)).max(floor).sqrt().recip();
        self.apply_transposed(simd, room, row);
        let own = &mut self.lanes[Triangle::lanes(block)..];
        for (own, w) in own.iter_mut().zip(&row.as_flattened()[..n]) {
            own[place] = -inverse * w;
        }
        own[n % LANES + LANES * block][place] = inverse;
    }

    /// `out ← Wv`, a vector.
    #[inline(always)]
    pub fn apply<S: Simd>(&self, simd: S, v: &[Lane], out: &mut [Lane]) {
        /// So many sums that do not wait for one another.
        const SUMS: usize = 4;
        let parts = LANES / S::F64_LANES;
        for (block, out) in out.iter_mut().enumerate() {
            let columns = vectors::<S>(Triangle::block(&self.lanes, block));
            for (part, out) in S::as_mut_simd_f64s(out).0.iter_mut().enumerate() {
                let mut sums = [simd.splat_f64s(0.0); SUMS];
                let v = v.as_flattened().as_chunks::<SUMS>().0;
                for (columns, v) in columns.chunks_exact(SUMS * parts).zip(v) {
                    for s in 0..SUMS {
                        sums[s] =
                            simd.mul_add_f64s(columns[s * parts + part], simd.splat_f64s(v[s]), sums[s]);
                    }
                }
                let [a, b, c, d] = sums;
                *out = simd.add_f64s(simd.add_f64s(a, b), simd.add_f64s(c, d));
            }
        }
    }

    /// `out ← Wᵀv`, a vector.
    #[inline(always)]
    pub fn apply_transposed<S: Simd>(&self, simd: S, v: &[Lane], out: &mut [Lane]) {
        let parts = LANES / S::F64_LANES;
        for (column, out) in out.iter_mut().enumerate() {
            let mut lanes = [[0.0; LANES]; LANES];
            for part in 0..parts {
                let mut sums = [simd.splat_f64s(0.0); LANES];
                for (block, v) in v.iter().enumerate().skip(column) {
                    let (tile, v) = (vectors::<S>(tile(&self.lanes, block, column)), S::as_simd_f64s(v).0);
                    for j in 0..LANES {
                        sums[j] = simd.mul_add_f64s(tile[j * parts + part], v[part], sums[j]);
                    }
                }
                store::<S>(&mut lanes, part, &sums);
            }
            for j in 0..LANES {
                out[j] = total(&lanes[j]);
            }
        }
    }

    /// Adds to `squared` `|Wv|²` for [`LANES`] vectors side by side: `rows` are their entries, a multiple of [`LANES`] of
    /// them.
    #[inline(always)]
    pub fn add_squared<S: Simd>(&self, simd: S, rows: &[Lane], squared: &mut Lane) {
        for (part, total) in S::as_mut_simd_f64s(squared).0.iter_mut().enumerate() {
            for block in 0..rows.len() / LANES {
                for v in self.product(simd, block, rows, part) {
                    *total = simd.mul_add_f64s(v, v, *total);
                }
            }
        }
    }

    /// One block of rows of W times [`LANES`] vectors side by side, `part` of their lanes.
    #[inline(always)]
    fn product<S: Simd>(&self, simd: S, block: usize, rows: &[Lane], part: usize) -> [S::f64s; LANES] {
        products(simd, Triangle::block(&self.lanes, block), rows, part)
    }

    /// `ln det K` of the first `n` rows.
    pub fn log_det(&self, n: usize) -> f64 {
        let diagonal = |i: usize| self.lanes[Triangle::lanes(i / LANES) + i][i % LANES];
        -2.0 * (0..n).map(|i| diagonal(i).ln()).sum::<f64>()
    }
}

/// `|v|²`.
#[inline(always)]
pub fn squared(v: &[Lane]) -> f64 {
    let mut sums = [0.0; LANES];
    for v in v {
        for k in 0..LANES {
            sums[k] = v[k].mul_add(v[k], sums[k]);
        }
    }
    total(&sums)
}

#[inline(always)]
fn tile(lanes: &[Lane], block: usize, column: usize) -> &[Lane] {
    &Triangle::block(lanes, block)[LANES * column..][..LANES]
}

/// Eight rows of the transposed triangle times [`LANES`] vectors side by side, `v` being their entries.
#[inline(always)]
fn product_transposed<S: Simd>(simd: S, lanes: &[Lane], column: usize, v: &[Lane]) -> Tile {
    let parts = LANES / S::F64_LANES;
    let mut out = [[0.0; LANES]; LANES];
    for part in 0..parts {
        let mut sums: [S::f64s; LANES] = [simd.splat_f64s(0.0); LANES];
        for (block, v) in v.chunks_exact(LANES).enumerate().skip(column) {
            let (tile, v) = (tile(lanes, block, column), vectors::<S>(v));
            for r in 0..LANES {
                for j in 0..LANES {
                    sums[j] = simd.mul_add_f64s(simd.splat_f64s(tile[j][r]), v[r * parts + part], sums[j]);
                }
            }
        }
        store::<S>(&mut out, part, &sums);
    }
    out
}

const IDENTITY: Tile = {
    let mut tile = [[0.0; LANES]; LANES];
    let mut k = 0;
    while k < LANES {
        tile[k][k] = 1.0;
        k += 1;
    }
    tile
};

/// The inverse Cholesky factor of eight rows, both by columns; zero from row `n` on.
#[inline(always)]
fn invert<S: Simd>(simd: S, mut columns: Tile, floor: f64, n: usize) -> Tile {
    // First without roots, which every pivot would wait for: the diagonal of L is one, and the pivots stand apart.
    let (mut factors, mut pivots) = ([[0.0; LANES]; LANES], [0.0; LANES]);
    for s in 0..LANES.min(n) {
        pivots[s] = columns[s][s].max(floor);
        let inverse = pivots[s].recip();
        for t in s + 1..LANES {
            factors[s][t] = -columns[s][t] * inverse;
            add_scaled(simd, &mut columns, t, factors[s][t], s);
        }
    }
    let mut out = IDENTITY;
    for (s, factors) in factors.iter().enumerate().rev() {
        for (t, factor) in factors.iter().enumerate().skip(s + 1) {
            add_scaled(simd, &mut out, s, *factor, t);
        }
    }
    for pivot in pivots.iter_mut().take(n) {
        *pivot = pivot.sqrt().recip();
    }
    let roots = S::as_simd_f64s(&pivots).0;
    for column in &mut out {
        for (column, root) in S::as_mut_simd_f64s(column).0.iter_mut().zip(roots) {
            *column = simd.mul_f64s(*column, *root);
        }
    }
    out
}

/// Adds to one lane of a tile the multiple of another.
#[inline(always)]
fn add_scaled<S: Simd>(simd: S, tile: &mut Tile, to: usize, factor: f64, from: usize) {
    let from = tile[from];
    let lanes = S::as_mut_simd_f64s(&mut tile[to]).0.iter_mut().zip(S::as_simd_f64s(&from).0);
    for (to, from) in lanes {
        *to = simd.mul_add_f64s(simd.splat_f64s(factor), *from, *to);
    }
}
