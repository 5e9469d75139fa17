//! Four functions that Bayesian optimization is usually shown on.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::BlackBox;

/// Branin, Goldstein–Price and Hartmann's functions of three and six variables (Dixon & Szegő 1978), plain or rescaled
/// to mean 0 and variance 1 over the box as in V. Picheny, T. Wagner, D. Ginsbourger, *A benchmark of kriging-based infill criteria for
/// noisy optimization*, 2013.
///
/// ```
/// use dro_testbed::functions::{BlackBox, Classic};
///
/// let best = &Classic::BraninRescaled.minimisers()[0];
/// assert!((Classic::BraninRescaled.value(best) - -1.0474).abs() < 1e-4);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Classic {
    /// `(y − 5.1x²/4π² + 5x/π − 6)² + 10(1 − 1/8π) cos x + 10` on [−5, 10] × [0, 15]; three optima of 0.3979.
    Branin,
    /// `(Branin − 54.81) / 51.95`: optimum −1.0474.
    BraninRescaled,
    /// A polynomial of degree 8 on [−2, 2]², values from 3 to 10⁶.
    GoldsteinPrice,
    /// `(ln(Goldstein–Price) − 8.693) / 2.427`: optimum −3.1292.
    GoldsteinPriceRescaled,
    /// `−Σ cᵢ exp(−Σ aᵢⱼ (uⱼ − pᵢⱼ)²)`, three variables: optimum −3.8628.
    Hartmann3,
    /// The same with six variables: optimum −3.3224.
    Hartmann6,
}

impl Classic {
    /// The four of Y. Chen et al., *Learning to Learn without Gradient Descent by Gradient Descent*, 2017 (arXiv
    /// 1611.03824).
    pub const CHEN: [Self; 4] =
        [Self::BraninRescaled, Self::GoldsteinPriceRescaled, Self::Hartmann3, Self::Hartmann6];

    /// All places of the lowest value, in the unit box.
    pub fn minimisers(self) -> Vec<Vec<f64>> {
        match self {
            Self::Branin | Self::BraninRescaled => [(-PI, 12.275), (PI, 2.275), (3.0 * PI, 2.475)]
                .map(|(x, y)| vec![(x + 5.0) / 15.0, y / 15.0])
                .to_vec(),
            Self::GoldsteinPrice | Self::GoldsteinPriceRescaled => vec![vec![0.5, 0.25]],
            Self::Hartmann3 => vec![vec![0.11458884, 0.55564889, 0.85254698]],
            Self::Hartmann6 => {
                vec![vec![0.20168951, 0.15001069, 0.47687398, 0.27533243, 0.31165162, 0.65730053]]
            }
        }
    }
}

impl BlackBox for Classic {
    fn name(&self) -> String {
        match self {
            Self::Branin | Self::BraninRescaled => "branin",
            Self::GoldsteinPrice | Self::GoldsteinPriceRescaled => "goldstein-price",
            Self::Hartmann3 => "hartmann3",
            Self::Hartmann6 => "hartmann6",
        }
        .into()
    }

    fn dim(&self) -> usize {
        match self {
            Self::Hartmann3 => 3,
            Self::Hartmann6 => 6,
            _ => 2,
        }
    }

    fn value(&self, u: &[f64]) -> f64 {
        match (self, u) {
            (Self::Branin, &[x, y]) => branin(x, y),
            (Self::BraninRescaled, &[x, y]) => (branin(x, y) - 54.81) / 51.95,
            (Self::GoldsteinPrice, &[x, y]) => goldstein_price(x, y),
            (Self::GoldsteinPriceRescaled, &[x, y]) => (goldstein_price(x, y).ln() - 8.693) / 2.427,
            (Self::Hartmann3, &[a, b, c]) => hartmann(&[a, b, c], &HARTMANN3),
            (Self::Hartmann6, &[a, b, c, d, e, f]) => hartmann(&[a, b, c, d, e, f], &HARTMANN6),
            _ => f64::NAN,
        }
    }

    fn optimum(&self) -> Option<f64> {
        Some(match self {
            Self::Branin => BRANIN,
            Self::BraninRescaled => (BRANIN - 54.81) / 51.95,
            Self::GoldsteinPrice => 3.0,
            Self::GoldsteinPriceRescaled => (3f64.ln() - 8.693) / 2.427,
            Self::Hartmann3 => -3.862_779_787_332_66,
            Self::Hartmann6 => -3.322_368_011_415_51,
        })
    }
}

/// `10/8π`: what is left of Branin's function where its square is zero.
const BRANIN: f64 = 10.0 / (8.0 * PI);

fn branin(u: f64, v: f64) -> f64 {
    let (x, y) = (15.0 * u - 5.0, 15.0 * v);
    (y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0).powi(2)
        + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos()
        + 10.0
}

fn goldstein_price(u: f64, v: f64) -> f64 {
    let (x, y) = (4.0 * u - 2.0, 4.0 * v - 2.0);
    let first =
        (x + y + 1.0).powi(2) * (19.0 - 14.0 * x + 3.0 * x * x - 14.0 * y + 6.0 * x * y + 3.0 * y * y);
    let second = (2.0 * x - 3.0 * y).powi(2)
        * (18.0 - 32.0 * x + 12.0 * x * x + 48.0 * y - 36.0 * x * y + 27.0 * y * y);
    (1.0 + first) * (30.0 + second)
}

/// Rows of `a` and `p`.
type Bumps<const D: usize> = [([f64; D], [f64; D]); 4];

fn hartmann<const D: usize>(u: &[f64; D], bumps: &Bumps<D>) -> f64 {
    let heights = [1.0, 1.2, 3.0, 3.2];
    let bump = |(a, p): &([f64; D], [f64; D])| {
        a.iter().zip(p).zip(u).map(|((a, p), u)| a * (u - p).powi(2)).sum::<f64>()
    };
    -heights.iter().zip(bumps).map(|(height, row)| height * (-bump(row)).exp()).sum::<f64>()
}

const HARTMANN3: Bumps<3> = [
    ([3.0, 10.0, 30.0], [0.3689, 0.1170, 0.2673]),
    ([0.1, 10.0, 35.0], [0.4699, 0.4387, 0.7470]),
    ([3.0, 10.0, 30.0], [0.1091, 0.8732, 0.5547]),
    ([0.1, 10.0, 35.0], [0.0381, 0.5743, 0.8828]),
];

const HARTMANN6: Bumps<6> = [
    ([10.0, 3.0, 17.0, 3.5, 1.7, 8.0], [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886]),
    ([0.05, 10.0, 17.0, 0.1, 8.0, 14.0], [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991]),
    ([3.0, 3.5, 1.7, 10.0, 17.0, 8.0], [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650]),
    ([17.0, 8.0, 0.05, 10.0, 0.1, 14.0], [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381]),
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ALL: [Classic; 6] = [
        Classic::Branin,
        Classic::BraninRescaled,
        Classic::GoldsteinPrice,
        Classic::GoldsteinPriceRescaled,
        Classic::Hartmann3,
        Classic::Hartmann6,
    ];

    /// Steps along the axes, halved where none helps.
    fn descend(f: Classic, mut at: Vec<f64>) -> f64 {
        let (mut step, mut value) = (0.1, f.value(&at));
        while step > 1e-9 {
            let mut moved = false;
            for (axis, sign) in (0..at.len()).flat_map(|axis| [(axis, 1.0), (axis, -1.0)]) {
                let before = at[axis];
                at[axis] = before + sign * step;
                if f.value(&at) < value {
                    (value, moved) = (f.value(&at), true);
                } else {
                    at[axis] = before;
                }
            }
            step *= if moved { 1.0 } else { 0.5 };
        }
        value
    }

    #[test]
    fn the_optimum_is_where_it_is_said_to_be() {
        let published = [0.397887, -1.047, 3.0, -3.13, -3.86, -3.32];
        for (f, published) in ALL.into_iter().zip(published) {
            let optimum = f.optimum().unwrap();
            assert!((optimum - published).abs() < 5e-3, "{f:?}: {optimum}");
            for place in f.minimisers() {
                assert!((f.value(&place) - optimum).abs() < 1e-6, "{f:?}: {}", f.value(&place));
                assert!((descend(f, place) - optimum).abs() < 1e-8 * optimum.abs().max(1.0), "{f:?}");
            }
        }
    }

    /// Instances look a little beyond the box, and must not find anything lower there.
    #[test]
    fn nothing_is_lower_in_a_box_half_as_wide_again() {
        for f in ALL {
            let optimum = f.optimum().unwrap();
            let per_axis = if f.dim() == 6 { 4 } else { 9 };
            for number in 0..usize::pow(per_axis, f.dim() as u32) {
                let digit = |axis: u32| (number / per_axis.pow(axis) % per_axis) as f64;
                let start = (0..f.dim() as u32).map(|a| -0.25 + 1.5 * digit(a) / (per_axis as f64 - 1.0));
                let found = descend(f, start.collect());
                assert!(found > optimum - 1e-8 * optimum.abs().max(1.0), "{f:?}: {found}");
            }
        }
    }

    #[test]
    fn values_at_known_places() {
        // f(0, 0) in the functions' own coordinates, by hand.
        assert!((Classic::Branin.value(&[1.0 / 3.0, 0.0]) - (36.0 + 20.0 - 10.0 / (8.0 * PI))).abs() < 1e-12);
        assert!((Classic::GoldsteinPrice.value(&[0.5, 0.5]) - 600.0).abs() < 1e-9);
        assert!(Classic::Hartmann3.value(&[0.5; 2]).is_nan());
    }
}
