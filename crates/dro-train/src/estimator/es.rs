//! Antithetic evolution strategies.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Estimate, Estimator, Moment, at_least_one, finite_mean, perturbed, positive, weighted_sum};
use crate::{Error, Result, Unroll, random::direction};

/// What becomes of the losses of a pair before they weigh its direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shaping {
    /// Nothing: an unbiased estimate of the gradient of the smoothed meta-loss. Every pair has tasks of its own.
    #[default]
    None,
    /// Losses are replaced, task by task, by their ranks among all perturbations, centred to [−½, ½] (Salimans et al.
    /// 2017, arXiv 1703.03864, section 2.1): the scale of a task does not matter, and a failure is the worst rank. All
    /// pairs have the same tasks.
    Rank,
    /// Only which of the two is better counts, as ±½. Every pair has tasks of its own.
    Sign,
}

/// Antithetic evolution strategies over whole tasks (Salimans et al. 2017, arXiv 1703.03864; Nesterov & Spokoiny 2017):
///
/// `g = 1/(2σP) Σₚ εₚ·(L(θ + σεₚ) − L(θ − σεₚ))`, with `εₚ ~ N(0, I)` and `L` the mean over the pair's tasks.
///
/// Both sides of a pair run on the same tasks with the same seeds (common random numbers).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Es {
    /// Antithetic pairs, `P`.
    pub pairs: usize,
    /// Tasks of each pair.
    pub tasks: usize,
    /// Standard deviation of the perturbations, `σ`.
    pub sigma: f64,
    /// What becomes of the losses.
    pub shaping: Shaping,
}

impl Default for Es {
    fn default() -> Self {
        Self { pairs: 32, tasks: 1, sigma: 0.02, shaping: Shaping::None }
    }
}

impl Es {
    pub(super) fn validate(&self) -> Result<()> {
        at_least_one("estimator.pairs", self.pairs)?;
        at_least_one("estimator.tasks", self.tasks)?;
        positive("estimator.sigma", self.sigma)
    }

    /// What each pair's direction weighs, times 2P, from the losses `[pair][task][sign]`; failed roll-outs have none.
    fn weights(&self, losses: &[f64]) -> Vec<f64> {
        let per_pair = 2 * self.tasks;
        match self.shaping {
            Shaping::None => losses
                .chunks_exact(per_pair)
                .map(|pair| {
                    let differences = pair.chunks_exact(2).map(|l| l[0] - l[1]);
                    finite_mean(differences).0.unwrap_or(0.0)
                })
                .collect(),
            Shaping::Sign => losses
                .chunks_exact(per_pair)
                .map(|pair| {
                    let signs = pair.chunks_exact(2).map(|l| half_sign(l[0], l[1]));
                    signs.sum::<f64>() / self.tasks as f64
                })
                .collect(),
            Shaping::Rank => {
                let mut weights = vec![0.0; self.pairs];
                for task in 0..self.tasks {
                    let at = |pair: usize, sign: usize| pair * per_pair + 2 * task + sign;
                    let of_task: Vec<f64> =
                        (0..self.pairs).flat_map(|p| [losses[at(p, 0)], losses[at(p, 1)]]).collect();
                    let ranks = centred_ranks(&of_task);
                    for (weight, pair) in weights.iter_mut().zip(ranks.chunks_exact(2)) {
                        *weight += (pair[0] - pair[1]) / self.tasks as f64;
                    }
                }
                weights
            }
        }
    }
}

/// ±½ by which is lower; a failed one is higher than any.
fn half_sign(plus: f64, minus: f64) -> f64 {
    let order = |l: f64| if l.is_finite() { l } else { f64::INFINITY };
    match order(plus).partial_cmp(&order(minus)) {
        Some(std::cmp::Ordering::Greater) => 0.5,
        Some(std::cmp::Ordering::Less) => -0.5,
        _ => 0.0,
    }
}

/// Ranks from −½ (the lowest) to ½; equal values share the mean of their ranks, and failed ones are the highest.
pub(crate) fn centred_ranks(losses: &[f64]) -> Vec<f64> {
    let key = |l: f64| if l.is_finite() { l } else { f64::INFINITY };
    let mut order: Vec<usize> = (0..losses.len()).collect();
    order.sort_by(|&a, &b| key(losses[a]).total_cmp(&key(losses[b])));
    let mut ranks = vec![0.0; losses.len()];
    let last = losses.len().saturating_sub(1).max(1) as f64;
    let mut from = 0;
    while from < order.len() {
        let same = |i: &&usize| key(losses[**i]) == key(losses[order[from]]);
        let to = from + order[from..].iter().take_while(same).count();
        let rank = (from + to - 1) as f64 / 2.0;
        order[from..to].iter().for_each(|&i| ranks[i] = rank / last - 0.5);
        from = to;
    }
    ranks
}

impl<U: Unroll> Estimator<U> for Es {
    fn estimate(&mut self, unroll: &U, at: &mut Moment<'_>) -> Result<Estimate> {
        let shared = self.shaping == Shaping::Rank;
        let count = if shared { self.tasks } else { self.pairs * self.tasks };
        let tasks: Vec<u64> = (0..count).map(|_| at.tasks.draw()).collect();
        let (theta, seed, step, cap) = (at.theta, at.seed, at.step, at.horizon);

        let noises: Vec<Vec<f32>> = (0..self.pairs as u64)
            .into_par_iter()
            .map(|pair| direction(seed, step, pair, theta.len()))
            .collect();
        let ran: Vec<Result<(f64, usize)>> = (0..2 * self.pairs * self.tasks)
            .into_par_iter()
            .with_max_len(1)
            .map(|job| {
                let (pair, of_pair, sign) = (job / (2 * self.tasks), job / 2 % self.tasks, job % 2);
                let task = tasks[if shared { of_pair } else { pair * self.tasks + of_pair }];
                let scale = if sign == 0 { self.sigma } else { -self.sigma };
                let theta = perturbed(theta, &noises[pair], scale);
                let horizon = unroll.horizon(task).min(cap).max(1);
                let mut state = unroll.begin(&theta, task, horizon)?;
                Ok((unroll.advance(&theta, &mut state, horizon)?, horizon))
            })
            .collect();
        let ran: Vec<(f64, usize)> = ran.into_iter().collect::<Result<_>>()?;

        let losses: Vec<f64> = ran.iter().map(|(loss, _)| *loss).collect();
        let (loss, failed) = finite_mean(losses.iter().copied());
        let loss = loss.ok_or(Error::AllFailed { step, rollouts: losses.len() })?;
        let scale = 1.0 / (2.0 * self.sigma * self.pairs as f64);
        let weights: Vec<f64> = self.weights(&losses).iter().map(|w| scale * w).collect();
        Ok(Estimate {
            loss,
            gradient: weighted_sum(&noises, &weights, theta.len()),
            inner_steps: ran.iter().map(|(_, steps)| *steps as u64).sum(),
            failed,
            parts: BTreeMap::new(),
        })
    }
}
