//! Normally distributed numbers, many at a time.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};

use rand::Rng;

use super::{
    elementary::ln,
    lanes::{LANES, Lane, vectorized},
};

/// Room for random bits and what becomes of them.
#[derive(Debug, Clone, Default)]
pub struct Noise {
    bits: Vec<u32>,
    normals: Vec<Lane>,
}

impl Noise {
    /// `count` lanes of independent standard normal numbers by the transformation of Box & Muller (1958). They come from 32
    /// bits each, so none is beyond 6.7.
    pub fn draw(&mut self, rng: &mut impl Rng, count: usize) -> &[Lane] {
        let pairs = count.div_ceil(2);
        self.bits.resize(2 * pairs * LANES, 0);
        self.normals.resize(2 * pairs, [0.0; LANES]);
        rng.fill(&mut self.bits[..]);
        let (radii, angles) = self.bits.split_at(pairs * LANES);
        let (x, y) = self.normals.split_at_mut(pairs);
        vectorized(
            #[inline(always)]
            || {
                let out = x.as_flattened_mut().iter_mut().zip(y.as_flattened_mut());
                for ((x, y), (radius, angle)) in out.zip(radii.iter().zip(angles)) {
                    (*x, *y) = pair(*radius, *angle);
                }
            },
        );
        &self.normals[..count]
    }
}

/// Two numbers from 64 random bits.
#[inline(always)]
fn pair(radius: u32, angle: u32) -> (f64, f64) {
    /// The series of sine (over the angle) and cosine in the angle's square, from the highest term down.
    const SINE: [f64; 5] = [1.0 / 362_880.0, -1.0 / 5_040.0, 1.0 / 120.0, -1.0 / 6.0, 1.0];
    const COSINE: [f64; 6] = [-1.0 / 3_628_800.0, 1.0 / 40_320.0, -1.0 / 720.0, 1.0 / 24.0, -0.5, 1.0];
    let length = (-2.0 * ln((f64::from(radius) + 1.0) / 2f64.powi(32))).sqrt();
    // Up to an eighth of a turn to either side, where the series end below 1e-11; two more bits make it any angle.
    let turn = (f64::from(angle >> 2) + 0.5) * (FRAC_PI_2 / 2f64.powi(30)) - FRAC_PI_4;
    let (mut sine, mut cosine) = (-1.0 / 39_916_800.0, 1.0 / 479_001_600.0);
    for coefficient in SINE {
        sine = (turn * turn).mul_add(sine, coefficient);
    }
    for coefficient in COSINE {
        cosine = (turn * turn).mul_add(cosine, coefficient);
    }
    let (along, across) = (if angle & 1 == 0 { length } else { -length } * cosine, length * turn * sine);
    if angle & 2 == 0 { (along, across) } else { (across, along) }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn they_are_normal_and_independent() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut noise = Noise::default();
        let count = 20_000;
        let normals = noise.draw(&mut rng, count).as_flattened();
        let n = normals.len() as f64;
        // Moments of the standard normal distribution, within four of their standard errors.
        for (power, moment, variance) in
            [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0), (6, 15.0, 10_170.0)]
        {
            let mean = normals.iter().map(|v| v.powi(power)).sum::<f64>() / n;
            assert!((mean - moment).abs() < 4.0 * (variance / n).sqrt(), "{power}: {mean}");
        }
        let below = |limit: f64| normals.iter().filter(|v| **v < limit).count() as f64 / n;
        for (limit, share) in [
            (-2.0, 0.022_75),
            (-1.0, 0.158_66),
            (-0.5, 0.308_54),
            (0.0, 0.5),
            (1.0, 0.841_34),
            (2.5, 0.993_79),
        ] {
            assert!((below(limit) - share).abs() < 4.0 * (share * (1.0 - share) / n).sqrt(), "{limit}");
        }
        // The two of a pair, and neighbours.
        let (x, y) = normals.split_at(normals.len() / 2);
        for shift in [0, 1, LANES] {
            let products =
                |f: fn(f64) -> f64| x.iter().zip(&y[shift..]).map(|(x, y)| f(*x) * f(*y)).sum::<f64>();
            assert!(products(|v| v).abs() < 4.0 * (n / 2.0).sqrt(), "{shift}");
            assert!(products(|v| v * v - 1.0).abs() < 4.0 * (4.0 * n / 2.0).sqrt(), "{shift}");
        }
    }

    #[test]
    fn the_ends_are_finite() {
        for radius in [0, 1, u32::MAX] {
            for angle in [0, 1, 2, 3, u32::MAX] {
                let (x, y) = pair(radius, angle);
                let length = (-2.0 * ((f64::from(radius) + 1.0) / 2f64.powi(32)).ln()).sqrt();
                assert!((x.hypot(y) - length).abs() < 1e-10 * (1.0 + length), "{radius} {angle}: {x} {y}");
            }
        }
    }
}
