//! Meta-losses: how good a run was, from the costs that it saw.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What a rule is trained to make small, over the costs `y₀, y₁, …` of one task's evaluations in their order, `T` in
/// all, and the best of them so far `bₜ = min(y₀ … yₜ)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum MetaLoss {
    /// `Σ yₜ` (Chen et al. 2017, arXiv 1611.03824, section 2.1, `L_sum`).
    Sum {},
    /// The best cost at the end, `b_{T−1}`. It says little about how to get there.
    Final {},
    /// Minus what was gained: `Σ min(yₜ − bₜ₋₁, 0)` (Chen et al. 2017, section 2.1, `L_OI`). The first evaluation adds
    /// nothing.
    ObservedImprovement {},
    /// `Σ γ^(T−1−t)·(bₜ − y*)`, where `y*` is the lowest cost there is, if it is known (0 if not): with `γ < 1` the start
    /// may be spent on exploration; `γ = 1` is the area under the curve.
    Regret {
        /// `γ`, in (0, 1].
        discount: f64,
    },
}

impl Default for MetaLoss {
    fn default() -> Self {
        Self::Regret { discount: 1.0 }
    }
}

impl MetaLoss {
    /// # Errors
    /// If the discount is out of range.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Regret { discount } if !(*discount > 0.0 && *discount <= 1.0) => {
                Err(Error::setting("loss.discount", "above 0, at most 1", discount))
            }
            _ => Ok(()),
        }
    }

    /// The loss of a whole run.
    ///
    /// ```
    /// use dro_train::MetaLoss;
    /// let costs = [3.0, 5.0, 1.0, 2.0];
    /// assert_eq!(MetaLoss::Sum {}.of(&costs, 0.0), 11.0);
    /// assert_eq!(MetaLoss::Final {}.of(&costs, 0.0), 1.0);
    /// assert_eq!(MetaLoss::ObservedImprovement {}.of(&costs, 0.0), -2.0);
    /// assert_eq!(MetaLoss::Regret { discount: 1.0 }.of(&costs, 1.0), 2.0 + 2.0 + 0.0 + 0.0);
    /// ```
    pub fn of(&self, costs: &[f64], optimum: f64) -> f64 {
        let mut meter = self.meter(costs.len(), optimum);
        costs.iter().map(|cost| meter.add(*cost)).sum()
    }

    /// The loss of a run piece by piece; `horizon` is `T`, `optimum` is `y*`.
    pub fn meter(&self, horizon: usize, optimum: f64) -> Meter {
        Meter { loss: *self, horizon, optimum, seen: 0, best: None, worst: None }
    }
}

/// Adds up a [`MetaLoss`] evaluation by evaluation.
///
/// An evaluation that failed (its cost is not finite) counts as the worst cost seen before it, and as nothing where
/// there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meter {
    loss: MetaLoss,
    horizon: usize,
    optimum: f64,
    seen: usize,
    best: Option<f64>,
    worst: Option<f64>,
}

impl Meter {
    /// What the next evaluation adds to the loss.
    pub fn add(&mut self, cost: f64) -> f64 {
        let cost = if cost.is_finite() { Some(cost) } else { self.worst };
        let at = self.seen;
        self.seen += 1;
        let Some(cost) = cost else { return 0.0 };
        let before = self.best;
        let best = before.map_or(cost, |best| best.min(cost));
        self.best = Some(best);
        self.worst = Some(self.worst.map_or(cost, |worst| worst.max(cost)));
        match self.loss {
            MetaLoss::Sum {} => cost,
            MetaLoss::Final {} => {
                if at + 1 == self.horizon {
                    best
                } else {
                    0.0
                }
            }
            MetaLoss::ObservedImprovement {} => before.map_or(0.0, |before| (cost - before).min(0.0)),
            MetaLoss::Regret { discount } => {
                let left = self.horizon.saturating_sub(at + 1).min(i32::MAX as usize) as i32;
                discount.powi(left) * (best - self.optimum)
            }
        }
    }

    /// The lowest finite cost so far.
    pub fn best(&self) -> Option<f64> {
        self.best
    }
}
