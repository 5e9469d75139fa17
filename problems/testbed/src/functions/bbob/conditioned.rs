//! Functions 6 to 14: one valley or basin, moderately to badly conditioned.

use std::sync::Arc;

use super::{
    Formula, MAX_DIM, Matrix, Setup, Vector,
    matrix::{ladder, minus, oscillate, oscillated, outside, skew},
    random,
};

/// f6: a hundred times as steep outside of one sector.
pub fn attractive_sector(setup: &Setup) -> (Vector, Formula) {
    let (place, turn) = (setup.place(), setup.r_conditioned_q(10.0));
    let formula = move |x: &[f64]| {
        let z = turn.apply(&minus(x, &place));
        let steep = |z: f64, place: f64| if z * place > 0.0 { 100.0 * z } else { z };
        let sum: f64 = z.iter().zip(&place).take(x.len()).map(|(z, p)| steep(*z, *p).powi(2)).sum();
        oscillated(sum).powf(0.9)
    };
    (place, Arc::new(formula))
}

/// f7: plateaus on an ellipsoid.
pub fn step_ellipsoid(setup: &Setup) -> (Vector, Formula) {
    let place = setup.place();
    let first = setup.q().scaled_rows(&setup.conditioning(10.0));
    let (second, weights) = (setup.r(), ladder(100.0, setup.dim));
    let formula = move |x: &[f64]| {
        let mut steps = first.apply(&minus(x, &place));
        let slope = steps[0].abs() / 1e4;
        for z in steps.iter_mut().take(x.len()) {
            // Ties go up, also below zero.
            *z = if z.abs() > 0.5 { (*z + 0.5).floor() } else { (10.0 * *z + 0.5).floor() / 10.0 };
        }
        let z = second.apply(&steps);
        let sum: f64 = weights.iter().zip(&z).map(|(w, z)| w * z * z).sum();
        0.1 * sum.max(slope) + outside(x)
    };
    (place, Arc::new(formula))
}

/// `max(1, √D / 8)`, by which the Rosenbrock functions are stretched.
pub fn stretch(dim: usize) -> f64 {
    f64::max(1.0, (dim as f64).sqrt() / 8.0)
}

fn rosenbrock_sum(z: &[f64]) -> f64 {
    z.windows(2)
        .map(|pair| match pair {
            [a, b] => 100.0 * (a * a - b).powi(2) + (a - 1.0).powi(2),
            _ => 0.0,
        })
        .sum()
}

/// f8.
pub fn rosenbrock(setup: &Setup) -> (Vector, Formula) {
    let (place, factor) = (setup.place().map(|x| 0.75 * x), stretch(setup.dim));
    let formula = move |x: &[f64]| {
        let z = minus(x, &place).map(|d| factor * d + 1.0);
        rosenbrock_sum(&z[..x.len()])
    };
    (place, Arc::new(formula))
}

/// The stretched rotation of f9 and f19, `z = M x + ½`, and where z is 1.
pub fn stretched_rotation(setup: &Setup) -> (Matrix, Vector) {
    let factor = stretch(setup.dim);
    let turn = setup.q();
    let mut half = [0.0; MAX_DIM];
    half.iter_mut().take(setup.dim).for_each(|h| *h = 0.5 / factor);
    let place = turn.apply_transposed(&half);
    (turn.scaled_rows(&vec![factor; setup.dim]), place)
}

/// f9.
pub fn rosenbrock_rotated(setup: &Setup) -> (Vector, Formula) {
    let (turn, place) = stretched_rotation(setup);
    let formula = move |x: &[f64]| {
        let z = turn.apply(&minus(x, &[0.0; MAX_DIM])).map(|z| z + 0.5);
        rosenbrock_sum(&z[..x.len()])
    };
    (place, Arc::new(formula))
}

/// f10: the ellipsoid of f2, turned.
pub fn ellipsoid(setup: &Setup) -> (Vector, Formula) {
    let (place, turn, weights) = (setup.place(), setup.r(), ladder(1e6, setup.dim));
    let formula = move |x: &[f64]| {
        let mut z = turn.apply(&minus(x, &place));
        oscillate(&mut z, x.len());
        weights.iter().zip(&z).map(|(w, z)| w * z * z).sum()
    };
    (place, Arc::new(formula))
}

/// f11: one direction is a thousand times as sensitive as the others.
pub fn discus(setup: &Setup) -> (Vector, Formula) {
    let (place, turn) = (setup.place(), setup.r());
    let formula = move |x: &[f64]| {
        let mut z = turn.apply(&minus(x, &place));
        oscillate(&mut z, x.len());
        (1e6 - 1.0) * z[0] * z[0] + z.iter().map(|z| z * z).sum::<f64>()
    };
    (place, Arc::new(formula))
}

/// f12: one direction is a thousand times less sensitive than the others, and bent.
pub fn bent_cigar(setup: &Setup) -> (Vector, Formula) {
    let (place, turn) = (random::optimum_place(setup.dim, setup.seed + 1_000_000), setup.r());
    let formula = move |x: &[f64]| {
        let mut z = turn.apply(&minus(x, &place));
        skew(&mut z, 0.5, x.len());
        let z = turn.apply(&z);
        let others: f64 = z.iter().skip(1).map(|z| z * z).sum();
        z[0] * z[0] + 1e6 * others
    };
    (place, Arc::new(formula))
}

/// f13: a sharp ridge leads to the optimum.
pub fn sharp_ridge(setup: &Setup) -> (Vector, Formula) {
    let (place, turn) = (setup.place(), setup.r_conditioned_q(10.0));
    let formula = move |x: &[f64]| {
        let z = turn.apply(&minus(x, &place));
        let others: f64 = z.iter().skip(1).map(|z| z * z).sum();
        z[0] * z[0] + 100.0 * others.sqrt()
    };
    (place, Arc::new(formula))
}

/// f14: the powers differ, so that the conditioning grows towards the optimum.
pub fn sum_of_powers(setup: &Setup) -> (Vector, Formula) {
    let (place, turn, last) = (setup.place(), setup.r(), setup.dim as f64 - 1.0);
    let formula = move |x: &[f64]| {
        let z = turn.apply(&minus(x, &place));
        let powers = z.iter().take(x.len()).enumerate();
        powers.map(|(i, z)| z.abs().powf(2.0 + 4.0 * i as f64 / last)).sum::<f64>().sqrt()
    };
    (place, Arc::new(formula))
}
