//! What changes over a training: the learning rate, and how long tasks are.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The learning rate over the training steps, as in a configuration file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateSchedule {
    /// How it falls.
    pub kind: RateKind,
    /// The rate at its highest, `η`.
    pub rate: f64,
    /// Over this many steps it rises to `η` in a straight line: step `s` has `η·(s + 1)/warm_up`.
    pub warm_up: u64,
    /// `cosine`: where it ends, as a part of `η`, in [0, 1].
    pub floor: f64,
    /// `step`: multiplied by `factor` after every so many steps.
    pub every: u64,
    /// `step`: in (0, 1].
    pub factor: f64,
    /// The rate is also multiplied by the factor of the last piece that has begun.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<RatePiece>,
}

/// A part of a training with a learning rate of its own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RatePiece {
    /// The first step of it, from 0.
    pub from: u64,
    /// What the rate is multiplied by, above 0.
    pub factor: f64,
}

/// How the learning rate falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateKind {
    /// Not at all.
    Constant,
    /// Along half a cosine from `η` after the warm-up to `floor·η` at the last step (Loshchilov & Hutter 2017, arXiv
    /// 1608.03983, equation 5, without restarts).
    Cosine,
    /// By `factor` after every `every` steps.
    Step,
}

impl Default for RateSchedule {
    fn default() -> Self {
        Self {
            kind: RateKind::Constant,
            rate: 1e-3,
            warm_up: 0,
            floor: 0.0,
            every: 1000,
            factor: 0.5,
            pieces: Vec::new(),
        }
    }
}

impl RateSchedule {
    /// The rate at `step` (from 0) of `steps` in all.
    ///
    /// ```
    /// use dro_train::{RateKind, RateSchedule};
    /// let schedule = RateSchedule { kind: RateKind::Cosine, rate: 0.1, warm_up: 10, ..Default::default() };
    /// assert_eq!(schedule.at(4, 110), 0.05);
    /// assert!((schedule.at(60, 110) - 0.05).abs() < 1e-12);
    /// ```
    pub fn at(&self, step: u64, steps: u64) -> f64 {
        let begun = self.pieces.iter().rfind(|piece| piece.from <= step);
        self.whole_at(step, steps) * begun.map_or(1.0, |piece| piece.factor)
    }

    fn whole_at(&self, step: u64, steps: u64) -> f64 {
        if step < self.warm_up {
            return self.rate * (step + 1) as f64 / self.warm_up as f64;
        }
        match self.kind {
            RateKind::Constant => self.rate,
            RateKind::Cosine => {
                let whole = steps.saturating_sub(self.warm_up).max(1) as f64;
                let gone = ((step - self.warm_up) as f64 / whole).min(1.0);
                let cosine = 0.5 * (1.0 + (std::f64::consts::PI * gone).cos());
                self.rate * (self.floor + (1.0 - self.floor) * cosine)
            }
            RateKind::Step => {
                let falls = (step / self.every.max(1)).min(i32::MAX as u64) as i32;
                self.rate * self.factor.powi(falls)
            }
        }
    }

    /// # Errors
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(self.rate > 0.0 && self.rate.is_finite()) {
            return Err(Error::setting("schedule.rate", "above zero", self.rate));
        }
        if !(0.0..=1.0).contains(&self.floor) {
            return Err(Error::setting("schedule.floor", "0 to 1", self.floor));
        }
        if self.every == 0 {
            return Err(Error::setting("schedule.every", "at least 1", self.every));
        }
        if !(self.factor > 0.0 && self.factor <= 1.0) {
            return Err(Error::setting("schedule.factor", "above 0, at most 1", self.factor));
        }
        for piece in &self.pieces {
            if !(piece.factor > 0.0 && piece.factor.is_finite()) {
                return Err(Error::setting("schedule.pieces.factor", "above 0", piece.factor));
            }
        }
        if !self.pieces.is_sorted_by_key(|piece| piece.from) {
            return Err(Error::setting("schedule.pieces", "pieces in the order of their steps", "another"));
        }
        Ok(())
    }
}

/// How many inner steps tasks have at most: short ones first, where gradients are tame and updates cheap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curriculum {
    /// At the first training step.
    pub from: usize,
    /// At training step `over` and later.
    pub to: usize,
    /// Training steps from the one to the other, in a straight line. 0: `to` from the start.
    pub over: u64,
}

impl Curriculum {
    /// The most inner steps a task has that begins at training step `step`.
    pub fn at(&self, step: u64) -> usize {
        if step >= self.over {
            return self.to;
        }
        let part = step as f64 / self.over as f64;
        (self.from as f64 + part * (self.to as f64 - self.from as f64)).round() as usize
    }

    /// # Errors
    /// If there are tasks of no step.
    pub fn validate(&self) -> Result<()> {
        for (name, value) in [("curriculum.from", self.from), ("curriculum.to", self.to)] {
            if value == 0 {
                return Err(Error::setting(name, "at least 1", value));
            }
        }
        Ok(())
    }
}
