//! Many instances of one function, as in Chen et al. 2017.

use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{BlackBox, Classic};

/// Where the box of an instance lies in the function's own unit box.
///
/// `vᵢ = ½ + tᵢ + s · σᵢ · (u_π(i) − ½)`: the coordinates are permuted by π, flipped by σ ∈ {−1, 1}, scaled by s about
/// the middle (above 1 the box sees more of the function, and every valley is narrower) and moved by t.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// t: translation per coordinate of the function, in ±0.1.
    pub shift: Vec<f64>,
    /// s: 0.9 to 1.1.
    pub scale: f64,
    /// σ: 1 or −1.
    pub flip: Vec<f64>,
    /// π: which coordinate of the instance each of the function's coordinates is.
    pub axes: Vec<usize>,
}

impl Placement {
    /// Drawn uniformly.
    fn draw(dim: usize, rng: &mut ChaCha8Rng) -> Self {
        let mut axes: Vec<usize> = (0..dim).collect();
        axes.shuffle(rng);
        Self {
            shift: (0..dim).map(|_| rng.random_range(-0.1..=0.1)).collect(),
            scale: rng.random_range(0.9..=1.1),
            flip: (0..dim).map(|_| if rng.random() { 1.0 } else { -1.0 }).collect(),
            axes,
        }
    }

    /// The function's coordinates of the instance's `u`.
    fn forward(&self, u: &[f64], v: &mut [f64]) {
        for (((v, shift), flip), &axis) in v.iter_mut().zip(&self.shift).zip(&self.flip).zip(&self.axes) {
            let from = u.get(axis).copied().unwrap_or(f64::NAN);
            *v = 0.5 + shift + self.scale * flip * (from - 0.5);
        }
    }

    /// The instance's coordinates of the function's `v`.
    fn back(&self, v: &[f64]) -> Vec<f64> {
        let mut u = vec![f64::NAN; v.len()];
        for (((v, shift), flip), &axis) in v.iter().zip(&self.shift).zip(&self.flip).zip(&self.axes) {
            if let Some(u) = u.get_mut(axis) {
                *u = 0.5 + flip * (v - 0.5 - shift) / self.scale;
            }
        }
        u
    }
}

/// A [`Classic`] function seen through a seeded [`Placement`].
///
/// Where the instance's box reaches beyond the function's own, the formula goes on; nothing there is lower than the
/// optimum (tested). Placements that leave every optimum outside of the instance's box are drawn again, so that
/// [`optimum`](BlackBox::optimum) can always be reached.
///
/// ```
/// use dro_testbed::functions::{BlackBox, Classic, Instance};
///
/// let instance = Instance::new(Classic::Hartmann6, 7);
/// let best = &instance.minimisers()[0];
/// assert!(best.iter().all(|u| (0.0..=1.0).contains(u)));
/// assert!((instance.value(best) - -3.32237).abs() < 1e-5);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// What is seen.
    pub function: Classic,
    /// From where.
    pub placement: Placement,
}

impl Instance {
    /// The same seed, the same instance.
    pub fn new(function: Classic, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        loop {
            let placement = Placement::draw(function.dim(), &mut rng);
            let instance = Self { function, placement };
            if !instance.minimisers().is_empty() {
                return instance;
            }
        }
    }

    /// The places of the lowest value that are in the box: at least one.
    pub fn minimisers(&self) -> Vec<Vec<f64>> {
        let places = self.function.minimisers().into_iter().map(|v| self.placement.back(&v));
        places.filter(|u| u.iter().all(|u| (0.0..=1.0).contains(u))).collect()
    }
}

impl BlackBox for Instance {
    fn name(&self) -> String {
        self.function.name()
    }

    fn dim(&self) -> usize {
        self.function.dim()
    }

    fn value(&self, u: &[f64]) -> f64 {
        let mut v = [0.0; 6];
        match v.get_mut(..u.len()) {
            Some(v) if u.len() == self.dim() => {
                self.placement.forward(u, v);
                self.function.value(v)
            }
            _ => f64::NAN,
        }
    }

    fn optimum(&self) -> Option<f64> {
        self.function.optimum()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_optimum_can_be_reached_and_is_the_lowest(seed in any::<u64>(), which in 0usize..4, u in prop::array::uniform6(0.0..=1.0)) {
            let instance = Instance::new(Classic::CHEN[which], seed);
            let optimum = instance.optimum().unwrap();
            for place in instance.minimisers() {
                prop_assert!((instance.value(&place) - optimum).abs() < 1e-6);
            }
            prop_assert!(!instance.minimisers().is_empty());
            prop_assert!(instance.value(&u[..instance.dim()]) > optimum - 1e-6);
            prop_assert_eq!(&instance, &Instance::new(Classic::CHEN[which], seed));
        }

        #[test]
        fn back_undoes_forward(seed in any::<u64>(), u in prop::array::uniform5(0.0..=1.0)) {
            let placement = Placement::draw(5, &mut ChaCha8Rng::seed_from_u64(seed));
            let mut v = [0.0; 5];
            placement.forward(&u, &mut v);
            prop_assert!(placement.back(&v).iter().zip(&u).all(|(a, b)| (a - b).abs() < 1e-12));
        }
    }

    #[test]
    fn instances_differ_in_every_way() {
        let drawn: Vec<_> = (0..50).map(|seed| Instance::new(Classic::Hartmann3, seed).placement).collect();
        assert!(drawn.iter().any(|p| p.scale < 0.95) && drawn.iter().any(|p| p.scale > 1.05));
        assert!(
            drawn.iter().any(|p| p.axes == [2, 0, 1]) && drawn.iter().any(|p| p.flip == [-1.0, 1.0, -1.0])
        );
        assert!(drawn.iter().any(|p| p.shift[0] > 0.05) && drawn.iter().any(|p| p.shift[0] < -0.05));
        assert!(Instance::new(Classic::Hartmann3, 0).value(&[0.5; 7]).is_nan());
    }
}
