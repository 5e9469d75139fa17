//! BBOB's own random numbers: instances are the same everywhere because everybody draws them like this.

use super::{MAX_DIM, Vector, matrix::Matrix};

const MODULUS: i64 = 2_147_483_647;

/// `count` numbers in (0, 1): Park and Miller's minimal generator behind a Bays–Durham shuffle of 32 places, as in the
/// BBOB 2009 code, where 0 is replaced by 1e-99.
pub fn uniform(count: usize, seed: i64) -> Vec<f64> {
    let mut state = seed.abs().max(1);
    let mut table = [0i64; 32];
    for place in (0..40).rev() {
        state = step(state);
        if let Some(entry) = table.get_mut(place) {
            *entry = state;
        }
    }
    let mut last = table[0];
    (0..count)
        .map(|_| {
            state = step(state);
            let place = (last / 67_108_865) as usize % table.len();
            last = std::mem::replace(&mut table[place], state);
            let value = last as f64 / 2.147483647e9;
            if value == 0.0 { 1e-99 } else { value }
        })
        .collect()
}

/// `16807 · state mod 2³¹ − 1`.
fn step(state: i64) -> i64 {
    // What fits into 64 bits needs none of Schrage's tricks.
    16_807 * state % MODULUS
}

/// `count` standard normal numbers, by Box and Muller from `2·count` uniform ones.
pub fn normal(count: usize, seed: i64) -> Vec<f64> {
    let u = uniform(2 * count, seed);
    let (radius, angle) = u.split_at(count);
    radius
        .iter()
        .zip(angle)
        .map(|(r, a)| {
            let value = (-2.0 * r.ln()).sqrt() * (std::f64::consts::TAU * a).cos();
            if value == 0.0 { 1e-99 } else { value }
        })
        .collect()
}

/// A random rotation: normal numbers, whose columns are made orthonormal by Gram–Schmidt.
pub fn rotation(dim: usize, seed: i64) -> Matrix {
    let mut columns: Vec<Vec<f64>> = vec![vec![0.0; dim]; dim];
    // Filled row by row of the transposed matrix: number `j·dim + i` is in row i, column j.
    for (column, numbers) in columns.iter_mut().zip(normal(dim * dim, seed).chunks(dim)) {
        column.copy_from_slice(numbers);
    }
    let mut done: Vec<Vec<f64>> = Vec::with_capacity(dim);
    for mut column in columns {
        for other in &done {
            let product: f64 = column.iter().zip(other).map(|(a, b)| a * b).sum();
            column.iter_mut().zip(other).for_each(|(a, b)| *a -= product * b);
        }
        let length = column.iter().map(|a| a * a).sum::<f64>().sqrt();
        column.iter_mut().for_each(|a| *a /= length);
        done.push(column);
    }
    Matrix::from_fn(dim, |i, j| done[j][i])
}

/// Where the optimum is for most functions: four digits in [−4, 4].
pub fn optimum_place(dim: usize, seed: i64) -> Vector {
    let mut place = [0.0; MAX_DIM];
    for (x, u) in place.iter_mut().zip(uniform(dim, seed)) {
        *x = 8.0 * (1e4 * u).floor() / 1e4 - 4.0;
        if *x == 0.0 {
            *x = -1e-5;
        }
    }
    place
}

/// The optimum's value: two digits of a Cauchy number in [−1000, 1000].
pub fn optimum_value(seed: i64) -> f64 {
    let one = |seed| normal(1, seed).first().copied().unwrap_or(1.0);
    let value = ((100.0 * 100.0 * one(seed) / one(seed + 1)) + 0.5).floor() / 100.0;
    value.clamp(-1000.0, 1000.0)
}
