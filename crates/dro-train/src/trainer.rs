//! Training step by step.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Checkpoint, Descent, Error, Estimator, Moment, Result, Settings, Tasks, Unroll, Validated,
    descent::{clip, norm},
    random::held_out,
};

/// The best weights by validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The mean score on the held-out tasks.
    pub score: f64,
    /// Training steps done when it was measured.
    pub step: u64,
    /// The weights.
    pub theta: Vec<f32>,
}

/// What one training step came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Training steps done, this one included.
    pub step: u64,
    /// The mean meta-loss of the step's roll-outs, at the weights before the step (and around them, for evolution
    /// strategies).
    pub loss: f64,
    /// The gradient's norm before clipping.
    pub gradient_norm: f64,
    /// The learning rate.
    pub rate: f64,
    /// Inner steps run.
    pub inner_steps: u64,
    /// Roll-outs that failed.
    pub failed: usize,
    /// The mean score on the held-out tasks, if this step was one to measure it.
    pub validation: Option<f64>,
    /// What the loss is made of, and other measures of validation, by name.
    pub parts: BTreeMap<String, f64>,
}

/// Trains the parameters of an [`Unroll`]: estimates the meta-gradient, clips it, steps, measures on held-out tasks now
/// and then, and keeps the best weights.
///
/// Everything is repeatable: the same unroll, estimator and settings give the same weights bit by bit, on any number of
/// threads, and across [`checkpoint`](Self::checkpoint) and [`resume`](Self::resume).
pub struct Trainer<U: Unroll> {
    unroll: U,
    estimator: Box<dyn Estimator<U>>,
    settings: Settings,
    held_out: Vec<u64>,
    theta: Vec<f32>,
    averaged: Option<Vec<f32>>,
    descent: Descent,
    tasks: Tasks,
    step: u64,
    best: Option<Best>,
}

impl<U: Unroll> Trainer<U> {
    /// A training at its start.
    ///
    /// # Errors
    /// If a setting is out of range, or the unroll's initial θ is not of its own length.
    pub fn new(unroll: U, estimator: Box<dyn Estimator<U>>, settings: Settings) -> Result<Self> {
        settings.validate()?;
        let theta = unroll.initial(settings.seed);
        check_length("the rule's initial parameters", unroll.parameters(), theta.len())?;
        Ok(Self {
            descent: Descent::new(&settings.optimizer, theta.len()),
            tasks: Tasks::new(settings.seed),
            held_out: held_out(settings.validation.seed, settings.validation.tasks),
            step: 0,
            best: None,
            averaged: settings.average.map(|_| theta.clone()),
            unroll,
            estimator,
            settings,
            theta,
        })
    }

    /// The same with other weights to start from, such as those of an earlier training.
    ///
    /// # Errors
    /// If they are not of the unroll's length.
    pub fn starting_from(mut self, theta: Vec<f32>) -> Result<Self> {
        check_length("the parameters to start from", self.theta.len(), theta.len())?;
        self.averaged = self.settings.average.map(|_| theta.clone());
        self.theta = theta;
        Ok(self)
    }

    /// Goes on from a checkpoint, with the weights that an uninterrupted training would have had.
    ///
    /// # Errors
    /// If the checkpoint was made with other settings (only [`Settings::steps`] may differ) or for another number of
    /// parameters.
    pub fn resume(
        unroll: U,
        mut estimator: Box<dyn Estimator<U>>,
        settings: Settings,
        saved: Checkpoint,
    ) -> Result<Self> {
        settings.validate()?;
        let same_length = Settings { steps: settings.steps, ..saved.settings.clone() };
        if same_length != settings {
            let shown = |settings: &Settings| serde_json::to_string(settings).unwrap_or_default();
            return Err(Error::setting("settings", shown(&same_length), shown(&settings)));
        }
        let count = unroll.parameters();
        check_length("the checkpoint's parameters", count, saved.theta.len())?;
        check_length("the checkpoint's moments", count, saved.descent.parameters())?;
        if let Some(best) = &saved.best {
            check_length("the checkpoint's best parameters", count, best.theta.len())?;
        }
        if let Some(averaged) = &saved.averaged {
            check_length("the checkpoint's averaged parameters", count, averaged.len())?;
        }
        estimator.load(&saved.estimator)?;
        Ok(Self {
            held_out: held_out(settings.validation.seed, settings.validation.tasks),
            unroll,
            estimator,
            settings,
            theta: saved.theta,
            averaged: saved.averaged,
            descent: saved.descent,
            tasks: saved.tasks,
            step: saved.step,
            best: saved.best,
        })
    }

    /// Everything that [`resume`](Self::resume) needs; `about` is kept with it, such as the text of a configuration.
    pub fn checkpoint(&self, about: &str) -> Result<Checkpoint> {
        Ok(Checkpoint {
            about: about.into(),
            settings: self.settings.clone(),
            step: self.step,
            theta: self.theta.clone(),
            averaged: self.averaged.clone(),
            descent: self.descent.clone(),
            tasks: self.tasks,
            best: self.best.clone(),
            estimator: self.estimator.save()?,
        })
    }

    /// One training step.
    ///
    /// # Errors
    /// If a roll-out errs, all of them fail, or the gradient is not finite.
    pub fn step(&mut self) -> Result<Report> {
        let estimate = self.estimator.estimate(
            &self.unroll,
            &mut Moment {
                theta: &self.theta,
                step: self.step,
                seed: self.settings.seed,
                horizon: self.settings.curriculum.map_or(usize::MAX, |c| c.at(self.step)),
                tasks: &mut self.tasks,
            },
        )?;
        let mut gradient = estimate.gradient;
        let gradient_norm = match self.settings.clip {
            Some(limit) => clip(&mut gradient, limit),
            None => norm(&gradient),
        };
        if !gradient_norm.is_finite() {
            return Err(Error::Gradient { step: self.step, norm: gradient_norm });
        }
        let rate = self.settings.schedule.at(self.step, self.settings.steps);
        self.descent.step(&mut self.theta, &gradient, rate);
        self.step += 1;
        if let (Some(averaged), Some(decay)) = (&mut self.averaged, self.settings.average) {
            // Young averages follow quickly, or they would remember the start for long.
            let decay = decay.min(self.step as f64 / (self.step as f64 + 9.0));
            for (a, t) in averaged.iter_mut().zip(&self.theta) {
                *a = (decay * f64::from(*a) + (1.0 - decay) * f64::from(*t)) as f32;
            }
        }
        let every = self.settings.validation.every;
        let due = every > 0 && (self.step.is_multiple_of(every) || self.step == self.settings.steps);
        let mut parts = estimate.parts;
        let validation = if due {
            let Validated { score, parts: measured } = self.measure()?;
            parts.extend(measured);
            Some(score)
        } else {
            None
        };
        Ok(Report {
            step: self.step,
            loss: estimate.loss,
            gradient_norm,
            rate,
            inner_steps: estimate.inner_steps,
            failed: estimate.failed,
            validation,
            parts,
        })
    }

    /// The score on the held-out tasks of the newest weights, or of their average where one is kept; they are kept if they
    /// are the best. A score that is not finite is never the best.
    pub fn validate(&mut self) -> Result<f64> {
        Ok(self.measure()?.score)
    }

    /// [`validate`](Self::validate) with all measures.
    pub fn measure(&mut self) -> Result<Validated> {
        let validated = self.unroll.validate(self.newest(), &self.held_out)?;
        let score = validated.score;
        if score.is_finite() && self.best.as_ref().is_none_or(|best| score < best.score) {
            self.best = Some(Best { score, step: self.step, theta: self.newest().to_vec() });
        }
        Ok(validated)
    }

    /// The newest weights.
    pub fn theta(&self) -> &[f32] {
        &self.theta
    }

    /// The newest weights, or their average where one is kept: what was measured last.
    pub fn newest(&self) -> &[f32] {
        self.averaged.as_ref().unwrap_or(&self.theta)
    }

    /// The best weights by validation, if there was one.
    pub fn best(&self) -> Option<&Best> {
        self.best.as_ref()
    }

    /// The weights to use: the best by validation, or else the newest or their average.
    pub fn weights(&self) -> &[f32] {
        self.best.as_ref().map_or(self.newest(), |best| &best.theta)
    }

    /// Training steps done.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is trained.
    pub fn unroll(&self) -> &U {
        &self.unroll
    }
}

fn check_length(name: &str, expected: usize, found: usize) -> Result<()> {
    if expected == found { Ok(()) } else { Err(Error::setting(name, format!("{expected} numbers"), found)) }
}
