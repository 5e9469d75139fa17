//! Functions 15 to 19: many optima on a landscape with an overall shape.

use std::{f64::consts::TAU, sync::Arc};

use super::{
    Formula, MAX_DIM, Setup, Vector,
    conditioned::stretched_rotation,
    matrix::{minus, oscillate, outside, skew},
    separable::rastrigin_sum,
};

/// f15: Rastrigin's function, turned, skewed and stretched.
pub fn rastrigin(setup: &Setup) -> (Vector, Formula) {
    let (place, first, second) = (setup.place(), setup.r(), setup.r_conditioned_q(10.0));
    let formula = move |x: &[f64]| {
        let mut z = first.apply(&minus(x, &place));
        oscillate(&mut z, x.len());
        skew(&mut z, 0.2, x.len());
        rastrigin_sum(&second.apply(&z)[..x.len()])
    };
    (place, Arc::new(formula))
}

/// f16: twelve octaves of cosines.
pub fn weierstrass(setup: &Setup) -> (Vector, Formula) {
    let (place, first, second) = (setup.place(), setup.r(), setup.r_conditioned_q(0.01));
    let octaves: Vec<(f64, f64)> = (0..12).map(|k| (0.5f64.powi(k), TAU * 3f64.powi(k))).collect();
    let lowest: f64 = octaves.iter().map(|(size, rate)| size * (0.5 * rate).cos()).sum();
    let formula = move |x: &[f64]| {
        let mut z = first.apply(&minus(x, &place));
        oscillate(&mut z, x.len());
        let z = second.apply(&z);
        let waves = |z: &f64| octaves.iter().map(|(size, rate)| size * (rate * (z + 0.5)).cos()).sum::<f64>();
        let mean = z.iter().take(x.len()).map(waves).sum::<f64>() / x.len() as f64;
        10.0 * (mean - lowest).powi(3) + 10.0 / x.len() as f64 * outside(x)
    };
    (place, Arc::new(formula))
}

/// f17 and, with a larger `condition`, f18: ripples that grow in frequency and size away from the optimum.
pub fn schaffers(setup: &Setup, condition: f64) -> (Vector, Formula) {
    let (place, first) = (setup.place(), setup.r());
    let second = setup.q().scaled_rows(&setup.conditioning(condition));
    let formula = move |x: &[f64]| {
        let mut z = first.apply(&minus(x, &place));
        skew(&mut z, 0.5, x.len());
        let z = second.apply(&z);
        let ripples = z[..x.len()].windows(2).map(|pair| {
            let s = pair.iter().map(|z| z * z).sum::<f64>();
            s.powf(0.25) * (1.0 + (50.0 * s.powf(0.1)).sin().powi(2))
        });
        (ripples.sum::<f64>() / (x.len() as f64 - 1.0)).powi(2) + 10.0 * outside(x)
    };
    (place, Arc::new(formula))
}

/// f19: Rosenbrock's valley under Griewank's waves.
pub fn griewank_rosenbrock(setup: &Setup) -> (Vector, Formula) {
    let (turn, place) = stretched_rotation(setup);
    let formula = move |x: &[f64]| {
        let z = turn.apply(&minus(x, &[0.0; MAX_DIM])).map(|z| z + 0.5);
        let waves = z[..x.len()].windows(2).map(|pair| match pair {
            [a, b] => {
                let s = 100.0 * (a * a - b).powi(2) + (1.0 - a).powi(2);
                s / 4000.0 - s.cos()
            }
            _ => 0.0,
        });
        10.0 + 10.0 * waves.sum::<f64>() / (x.len() as f64 - 1.0)
    };
    (place, Arc::new(formula))
}
