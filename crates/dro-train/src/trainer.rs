//! Training step by step.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    Checkpoint, Descent, Error, Estimator, Moment, Result, Settings, Tasks, Unroll,
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
        estimator.load(&saved.estimator)?;
        Ok(Self {
            held_out: held_out(settings.validation.seed, settings.validation.tasks),
            unroll,
            estimator,
            settings,
            theta: saved.theta,
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
        let every = self.settings.validation.every;
        let due = every > 0 && (self.step.is_multiple_of(every) || self.step == self.settings.steps);
        Ok(Report {
            step: self.step,
            loss: estimate.loss,
            gradient_norm,
            rate,
            inner_steps: estimate.inner_steps,
            failed: estimate.failed,
            validation: if due { Some(self.validate()?) } else { None },
        })
    }

    /// The mean score of the newest weights on the held-out tasks; they are kept if they are the best. A score that is
    /// not finite is never the best.
    pub fn validate(&mut self) -> Result<f64> {
        let scores: Vec<Result<f64>> = self
            .held_out
            .par_iter()
            .with_max_len(1)
            .map(|task| self.unroll.score(&self.theta, *task))
            .collect();
        let scores: Vec<f64> = scores.into_iter().collect::<Result<_>>()?;
        let score = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
        if score.is_finite() && self.best.as_ref().is_none_or(|best| score < best.score) {
            self.best = Some(Best { score, step: self.step, theta: self.theta.clone() });
        }
        Ok(score)
    }

    /// The newest weights.
    pub fn theta(&self) -> &[f32] {
        &self.theta
    }

    /// The best weights by validation, if there was one.
    pub fn best(&self) -> Option<&Best> {
        self.best.as_ref()
    }

    /// The weights to use: the best by validation, or else the newest.
    pub fn weights(&self) -> &[f32] {
        self.best.as_ref().map_or(&self.theta, |best| &best.theta)
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
