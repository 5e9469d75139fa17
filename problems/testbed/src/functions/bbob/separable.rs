//! Functions 1 to 5: no rotation, so that one coordinate after the other can be solved.

use std::{f64::consts::TAU, sync::Arc};

use super::{
    Formula, Setup, Vector,
    matrix::{ladder, minus, oscillate, outside, skew},
};

/// f1: `‖z‖²`.
pub fn sphere(setup: &Setup) -> (Vector, Formula) {
    let place = setup.place();
    (place, Arc::new(move |x| x.iter().zip(&place).map(|(x, p)| (x - p).powi(2)).sum()))
}

/// f2: `Σ 10^(6i/(D−1)) zᵢ²` behind `T_osz`.
pub fn ellipsoid(setup: &Setup) -> (Vector, Formula) {
    let (place, weights) = (setup.place(), ladder(1e6, setup.dim));
    let formula = move |x: &[f64]| {
        let mut z = minus(x, &place);
        oscillate(&mut z, x.len());
        weights.iter().zip(&z).map(|(w, z)| w * z * z).sum()
    };
    (place, Arc::new(formula))
}

/// `10 (D − Σ cos 2πzᵢ) + ‖z‖²`.
pub fn rastrigin_sum(z: &[f64]) -> f64 {
    10.0 * z.iter().map(|z| 1.0 - (TAU * z).cos()).sum::<f64>() + z.iter().map(|z| z * z).sum::<f64>()
}

/// f3.
pub fn rastrigin(setup: &Setup) -> (Vector, Formula) {
    let (place, weights) = (setup.place(), setup.conditioning(10.0));
    let formula = move |x: &[f64]| {
        let mut z = minus(x, &place);
        oscillate(&mut z, x.len());
        skew(&mut z, 0.2, x.len());
        z.iter_mut().zip(&weights).for_each(|(z, w)| *z *= w);
        rastrigin_sum(&z[..x.len()])
    };
    (place, Arc::new(formula))
}

/// f4: every other coordinate is ten times as steep on one side.
pub fn bueche_rastrigin(setup: &Setup) -> (Vector, Formula) {
    let (mut place, weights) = (setup.place(), setup.conditioning(10.0));
    place.iter_mut().step_by(2).for_each(|x| *x = x.abs());
    let formula = move |x: &[f64]| {
        let mut z = minus(x, &place);
        oscillate(&mut z, x.len());
        for (i, (z, w)) in z.iter_mut().zip(&weights).enumerate() {
            *z *= if *z > 0.0 && i % 2 == 0 { 10.0 * w } else { *w };
        }
        rastrigin_sum(&z[..x.len()]) + 100.0 * outside(x)
    };
    (place, Arc::new(formula))
}

/// f5: a plane whose lowest value is in a corner of the box; beyond it the plane is level.
pub fn linear_slope(setup: &Setup) -> (Vector, Formula) {
    let corner = setup.place().map(|x| if x < 0.0 { -5.0 } else { 5.0 });
    let slopes: Vec<f64> =
        ladder(10.0, setup.dim).iter().zip(&corner).map(|(s, c)| s * f64::signum(*c)).collect();
    let formula = move |x: &[f64]| {
        let terms = x.iter().zip(&corner).zip(&slopes);
        terms.map(|((x, c), s)| 5.0 * s.abs() - s * if x * c < 25.0 { x } else { c }).sum()
    };
    (corner, Arc::new(formula))
}
