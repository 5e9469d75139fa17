//! Functions 20, 23 and 24: many optima and little overall shape.

use std::{f64::consts::TAU, sync::Arc};

use super::{
    Formula, MAX_DIM, Setup, Vector,
    matrix::{minus, outside},
    random,
};

/// Twice the optimum's coordinates in f20, up to the sign.
const SCHWEFEL: f64 = 4.2096874637;

/// f20: the best optimum is far from the second best.
pub fn schwefel(setup: &Setup) -> (Vector, Formula) {
    let mut signs = [0.0; MAX_DIM];
    for (sign, u) in signs.iter_mut().zip(random::uniform(setup.dim, setup.seed)) {
        *sign = if u < 0.5 { -1.0 } else { 1.0 };
    }
    let weights = setup.conditioning(10.0);
    let formula = move |x: &[f64]| {
        let (mut sum, mut penalty, mut before) = (0.0, 0.0, SCHWEFEL);
        for ((x, sign), weight) in x.iter().zip(&signs).zip(&weights) {
            let flipped = 2.0 * sign * x;
            let coupled = flipped + 0.25 * (before - SCHWEFEL);
            before = flipped;
            let z = 100.0 * (weight * (coupled - SCHWEFEL) + SCHWEFEL);
            sum += z * z.abs().sqrt().sin();
            penalty += (z.abs() - 500.0).max(0.0).powi(2);
        }
        0.01 * (penalty + 418.9828872724339 - sum / x.len() as f64)
    };
    (signs.map(|sign| 0.5 * SCHWEFEL * sign), Arc::new(formula))
}

/// f23: rugged everywhere, and the same everywhere.
pub fn katsuura(setup: &Setup) -> (Vector, Formula) {
    let (place, turn) = (setup.place(), setup.r_conditioned_q(100.0));
    let formula = move |x: &[f64]| {
        let dim = x.len() as f64;
        let z = turn.apply(&minus(x, &place));
        let rugged = |z: f64| {
            let mut power = 1.0;
            (0..32).map(|_| (power *= 2.0, (power * z - (power * z).round()).abs() / power).1).sum::<f64>()
        };
        let factors = z.iter().take(x.len()).enumerate();
        let product: f64 = factors.map(|(i, z)| 1.0 + (i as f64 + 1.0) * rugged(*z)).product();
        10.0 / dim / dim * (product.powf(10.0 / dim.powf(1.2)) - 1.0) + outside(x)
    };
    (place, Arc::new(formula))
}

/// f24: two funnels, of which the wider one is the wrong one.
pub fn lunacek(setup: &Setup) -> (Vector, Formula) {
    const GOOD: f64 = 2.5;
    let (dim, depth) = (setup.dim as f64, 1.0);
    let shape = 1.0 - 0.5 / ((dim + 20.0).sqrt() - 4.1);
    let bad = -((GOOD * GOOD - depth) / shape).sqrt();
    let mut signs = [0.0; MAX_DIM];
    for (sign, g) in signs.iter_mut().zip(random::normal(setup.dim, setup.seed)) {
        *sign = if g < 0.0 { -1.0 } else { 1.0 };
    }
    let turn = setup.r().product(&setup.conditioning(100.0), &setup.q());
    let formula = move |x: &[f64]| {
        let (mut from_good, mut good, mut wrong) = ([0.0; MAX_DIM], 0.0, 0.0);
        for ((d, x), sign) in from_good.iter_mut().zip(x).zip(&signs) {
            let flipped = 2.0 * sign * x;
            *d = flipped - GOOD;
            good += d.powi(2);
            wrong += (flipped - bad).powi(2);
        }
        let z = turn.apply(&from_good);
        let waves: f64 = z.iter().take(x.len()).map(|z| (TAU * z).cos()).sum();
        f64::min(good, depth * dim + shape * wrong) + 10.0 * (dim - waves) + 1e4 * outside(x)
    };
    (signs.map(|sign| 0.5 * GOOD * sign), Arc::new(formula))
}
