//! Persistent evolution strategies.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Estimate, Estimator, Moment, at_least_one, finite_mean, from_cbor, perturbed, positive, to_cbor,
    weighted_sum,
};
use crate::{Error, Result, Unroll, random::direction};

/// Persistent evolution strategies over pieces of tasks (Vicol, Metz & Sohl-Dickstein 2021, arXiv 2112.13835,
/// algorithm 2, antithetic):
///
/// `g = 1/(2σP) Σₚ ξₚ·(L(θ + σεₚ) − L(θ − σεₚ))`, where `L` is the loss of the next `truncation` inner steps and
/// `ξₚ = Σ εₚ` sums the pair's directions since its task began.
///
/// An update every few inner steps, without the bias of truncated back-propagation. Each of the pairs has one task at a
/// time; the first ones are cut short by different amounts, so that the pairs are not all at the same place of theirs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pes {
    /// Antithetic pairs, `P`.
    pub pairs: usize,
    /// Inner steps per training step, `K`.
    pub truncation: usize,
    /// Standard deviation of the perturbations, `σ`.
    pub sigma: f64,
}

impl Default for Pes {
    fn default() -> Self {
        Self { pairs: 32, truncation: 10, sigma: 0.02 }
    }
}

impl Pes {
    pub(super) fn validate(&self) -> Result<()> {
        at_least_one("estimator.pairs", self.pairs)?;
        at_least_one("estimator.truncation", self.truncation)?;
        positive("estimator.sigma", self.sigma)
    }

    /// The estimator of these settings with no task begun.
    pub fn build<S>(&self) -> PersistentEs<S> {
        PersistentEs { settings: self.clone(), particles: Vec::new() }
    }
}

/// [`Pes`] with its roll-outs under way.
pub struct PersistentEs<S> {
    settings: Pes,
    particles: Vec<Option<Particle<S>>>,
}

/// A pair of roll-outs of one task.
#[derive(Serialize, Deserialize)]
struct Particle<S> {
    plus: S,
    minus: S,
    /// Σ ε since the task began.
    noise: Vec<f32>,
    left: usize,
}

/// What one piece came to.
struct Piece {
    losses: (f64, f64),
    steps: usize,
}

impl<S> PersistentEs<S> {
    /// The length of pair `pair`'s first task of `horizon` steps: whole pieces, more of them from pair to pair.
    fn staggered(&self, pair: usize, horizon: usize) -> usize {
        let pieces = horizon.div_ceil(self.settings.truncation);
        let first = ((pair + 1) * pieces).div_ceil(self.settings.pairs);
        (first * self.settings.truncation).min(horizon)
    }
}

impl<U: Unroll> Estimator<U> for PersistentEs<U::State>
where
    U::State: Serialize + DeserializeOwned,
{
    fn estimate(&mut self, unroll: &U, at: &mut Moment<'_>) -> Result<Estimate> {
        let Pes { pairs, truncation, sigma } = self.settings;
        let first = self.particles.is_empty();
        self.particles.resize_with(pairs, || None);
        // Tasks are drawn in the order of the pairs, before the threads come in.
        let begun: Vec<Option<(u64, usize)>> = (0..pairs)
            .map(|pair| {
                self.particles[pair].is_none().then(|| {
                    let task = at.tasks.draw();
                    let horizon = unroll.horizon(task).min(at.horizon).max(1);
                    (task, if first { self.staggered(pair, horizon) } else { horizon })
                })
            })
            .collect();

        let (theta, seed, step) = (at.theta, at.seed, at.step);
        let ran: Vec<Result<Piece>> = self
            .particles
            .par_iter_mut()
            .zip(begun)
            .enumerate()
            .with_max_len(1)
            .map(|(pair, (particle, begun))| {
                let noise = direction(seed, step, pair as u64, theta.len());
                let sides = (perturbed(theta, &noise, sigma), perturbed(theta, &noise, -sigma));
                let mut now = match (particle.take(), begun) {
                    (Some(particle), _) => particle,
                    (None, begun) => {
                        let (task, horizon) = begun.unwrap_or((0, 1));
                        Particle {
                            plus: unroll.begin(&sides.0, task, horizon)?,
                            minus: unroll.begin(&sides.1, task, horizon)?,
                            noise: vec![0.0; theta.len()],
                            left: horizon,
                        }
                    }
                };
                now.noise.iter_mut().zip(&noise).for_each(|(sum, e)| *sum += e);
                let steps = truncation.min(now.left);
                let (plus, minus) = (&mut now.plus, &mut now.minus);
                let losses = rayon::join(
                    || unroll.advance(&sides.0, plus, steps),
                    || unroll.advance(&sides.1, minus, steps),
                );
                now.left -= steps;
                *particle = Some(now);
                Ok(Piece { losses: (losses.0?, losses.1?), steps })
            })
            .collect();
        let ran: Vec<Piece> = ran.into_iter().collect::<Result<_>>()?;

        let (loss, failed) = finite_mean(ran.iter().flat_map(|piece| [piece.losses.0, piece.losses.1]));
        let loss = loss.ok_or(Error::AllFailed { step, rollouts: 2 * pairs })?;
        let scale = 1.0 / (2.0 * sigma * pairs as f64);
        let differences = ran.iter().map(|piece| piece.losses.0 - piece.losses.1);
        let weights: Vec<f64> = differences.map(|d| if d.is_finite() { scale * d } else { 0.0 }).collect();
        let sums: Vec<&[f32]> =
            self.particles.iter().map(|p| p.as_ref().map_or(&[][..], |p| p.noise.as_slice())).collect();
        let gradient = weighted_sum(&sums, &weights, theta.len());
        for (particle, piece) in self.particles.iter_mut().zip(&ran) {
            // What has failed once does not go on.
            let failed = !(piece.losses.0.is_finite() && piece.losses.1.is_finite());
            if failed || particle.as_ref().is_some_and(|p| p.left == 0) {
                *particle = None;
            }
        }
        let inner_steps = ran.iter().map(|piece| 2 * piece.steps as u64).sum();
        Ok(Estimate { loss, gradient, inner_steps, failed, parts: BTreeMap::new() })
    }

    fn save(&self) -> Result<Vec<u8>> {
        to_cbor(&self.particles)
    }

    fn load(&mut self, saved: &[u8]) -> Result<()> {
        self.particles = from_cbor(saved)?;
        let found = self.particles.len();
        if found == 0 || found == self.settings.pairs {
            Ok(())
        } else {
            Err(Error::setting("estimator.pairs", format!("{found}, as saved"), self.settings.pairs))
        }
    }
}
