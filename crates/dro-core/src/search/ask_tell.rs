//! What all searches share: trial numbers, tells in any order, the incumbent.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Frame, Incumbent, Search};
use crate::{Error, Result};

/// The algorithm inside an [`AskTell`]: propose a candidate, absorb its cost.
///
/// Candidates may be proposed while others are open, and are absorbed in any order that the caller's evaluations
/// allow, so a strategy that works in generations counts what it absorbs.
pub trait Strategy: Send + Serialize + DeserializeOwned {
    /// The name that [`Method`](super::Method) gives it.
    const NAME: &'static str;

    /// The coordinates it works in.
    fn frame(&self) -> &Frame;

    /// Writes the next candidate to `x` (which holds no meaning before) and gives a tag that comes back with its cost.
    /// Boxed coordinates may be out of [0, 1]; they are clamped, and [`absorb`](Self::absorb) gets what was evaluated.
    fn propose(&mut self, x: &mut [f64]) -> u32;

    /// Takes the cost of a proposed candidate: finite, or +∞ where the evaluation failed.
    fn absorb(&mut self, tag: u32, x: &[f64], cost: f64);
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Open {
    id: u64,
    tag: u32,
    x: Vec<f64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Told {
    trial: Open,
    /// `None` where the evaluation failed: JSON has no infinity.
    cost: Option<f64>,
}

/// A [`Search`] around a [`Strategy`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct AskTell<S: Strategy> {
    strategy: S,
    asked: u64,
    open: Vec<Open>,
    /// Told since the last ask: absorbed then, in the order of their numbers.
    told: Vec<Told>,
    best: Option<(f64, Open)>,
    /// Vectors to use again, so that a step allocates nothing.
    #[serde(skip)]
    spare: Vec<Vec<f64>>,
}

impl<S: Strategy> AskTell<S> {
    /// Nothing asked yet.
    pub fn new(strategy: S) -> Self {
        Self { strategy, asked: 0, open: Vec::new(), told: Vec::new(), best: None, spare: Vec::new() }
    }

    /// The algorithm inside.
    pub fn strategy(&self) -> &S {
        &self.strategy
    }

    fn absorb_told(&mut self) {
        self.told.sort_unstable_by_key(|told| told.trial.id);
        for told in self.told.drain(..) {
            let cost = told.cost.unwrap_or(f64::INFINITY);
            self.strategy.absorb(told.trial.tag, &told.trial.x, cost);
            self.spare.push(told.trial.x);
        }
    }
}

impl<S: Strategy> Search for AskTell<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn dim(&self) -> usize {
        self.strategy.frame().dim()
    }

    fn ask(&mut self, x: &mut [f64]) -> Result<u64> {
        if x.len() != self.dim() {
            return Err(Error::argument("coordinates", format!("{} numbers", self.dim()), x.len()));
        }
        self.absorb_told();
        let tag = self.strategy.propose(x);
        self.strategy.frame().clamp(x);
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(x);
        let id = self.asked;
        self.asked += 1;
        self.open.push(Open { id, tag, x: kept });
        Ok(id)
    }

    fn tell(&mut self, trial: u64, cost: f64) -> Result<()> {
        let Some(place) = self.open.iter().position(|open| open.id == trial) else {
            return Err(Error::UnknownTrial {
                id: trial,
                open: self.open.iter().map(|open| open.id).collect(),
            });
        };
        let open = self.open.swap_remove(place);
        let cost = cost.is_finite().then_some(cost);
        if let Some(cost) = cost {
            let better = match &self.best {
                Some((best, at)) => cost < *best || (cost == *best && open.id < at.id),
                None => true,
            };
            if better {
                match &mut self.best {
                    Some((best, at)) => {
                        *best = cost;
                        (at.id, at.tag) = (open.id, open.tag);
                        at.x.clone_from(&open.x);
                    }
                    none => *none = Some((cost, open.clone())),
                }
            }
        }
        self.told.push(Told { trial: open, cost });
        Ok(())
    }

    fn best(&self) -> Option<Incumbent<'_>> {
        self.best.as_ref().map(|(cost, at)| Incumbent { trial: at.id, x: &at.x, cost: *cost })
    }

    fn state(&self) -> Result<serde_json::Value> {
        let failed = |source| Error::State { method: S::NAME.into(), source };
        let state = serde_json::to_value(self).map_err(failed)?;
        Ok(serde_json::json!({ "method": S::NAME, "state": state }))
    }
}
