//! One training from the command line, whatever is trained.

use std::{
    fs,
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use dro_record::write_atomically;
use dro_train::{Checkpoint, Ended, Metric, Session, Trainer, Unroll};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Serialize, de::DeserializeOwned};

use super::{CONFIG, config::Config};
use crate::{Outcome, interrupt, print};

/// What the command line asked for.
pub struct Job {
    pub config: Config,
    /// Where the configuration came from, for messages.
    pub source: PathBuf,
    pub out: PathBuf,
    pub resume: bool,
    /// Training steps to have done in all.
    pub until: u64,
    pub quiet: bool,
}

impl Job {
    /// Trains, writes everything to the folder, and says what came of it.
    pub fn run<U: Unroll>(self, unroll: U) -> Result<Outcome>
    where
        U::State: Serialize + DeserializeOwned + 'static,
    {
        let interrupted = interrupt::flag()?;
        let mut session = self.session(unroll)?;
        let bar = self.bar(session.trainer().steps_done());
        let mut validation = session.metrics().iter().rev().find_map(|metric| metric.validation);
        let ended = session.run(self.until, |metric| {
            validation = metric.validation.or(validation);
            bar.set_message(message(metric, validation));
            bar.inc(1);
            if interrupted.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        bar.finish_and_clear();
        let ended = ended?;

        let done = session.trainer().steps_done();
        print(format_args!(
            "{}: {done} of {} training steps{}",
            self.out.display(),
            self.config.steps,
            gain(&session)
        ))?;
        if done < self.config.steps {
            print(format_args!("go on with: dro train --resume --out {}", self.out.display()))?;
        }
        Ok(match ended {
            Ended::Finished => Outcome::Done,
            Ended::Stopped => Outcome::Interrupted,
        })
    }

    fn session<U: Unroll>(&self, unroll: U) -> Result<Session<U>>
    where
        U::State: Serialize + DeserializeOwned + 'static,
    {
        let (out, every) = (&self.out, self.config.checkpoint_every);
        let (about, settings) = (self.config.to_toml()?, self.config.settings());
        let estimator = self.config.estimator.build()?;
        if !Checkpoint::exists(out) {
            if self.resume {
                bail!("{}: expected a training to go on with, found no checkpoint", out.display());
            }
            fs::create_dir_all(out).with_context(|| out.display().to_string())?;
            write_atomically(out.join(CONFIG), |file| file.write_all(about.as_bytes()))?;
            return Ok(Session::start(Trainer::new(unroll, estimator, settings)?, out, about, every)?);
        }
        if !self.resume {
            bail!("{}: expected no training in this folder, or --resume, found a checkpoint", out.display());
        }
        self.check_same(out)?;
        let (session, damage) = Session::resume(unroll, estimator, settings, out, about.clone(), every)?;
        if let Some(damage) = damage {
            print(format_args!("note: {damage}; going on from the checkpoint before"))?;
        }
        write_atomically(out.join(CONFIG), |file| file.write_all(about.as_bytes()))?;
        Ok(session)
    }

    /// Refuses a configuration that is not that of the folder's training; the number of steps may differ, and the
    /// distance between checkpoints.
    fn check_same(&self, out: &Path) -> Result<()> {
        let (saved, _) = Checkpoint::load(out)?;
        let before: Config = toml::from_str(&saved.about).with_context(|| {
            format!("{}: the checkpoint holds no configuration of this program", out.display())
        })?;
        let allowed = |config: &Config| Config { steps: 1, checkpoint_every: 1, ..config.clone() };
        let (before, now) = (allowed(&before).to_toml()?, allowed(&self.config).to_toml()?);
        match before.lines().zip(now.lines()).find(|(before, now)| before != now) {
            None if before == now => Ok(()),
            None => bail!("{}: expected the tables of the training so far", self.source.display()),
            Some((before, now)) => {
                bail!(
                    "{}: expected {before:?}, as in the training so far, found {now:?}",
                    self.source.display()
                )
            }
        }
    }

    fn bar(&self, done: u64) -> ProgressBar {
        let bar = if self.quiet { ProgressBar::hidden() } else { ProgressBar::new(self.until) };
        if let Ok(style) =
            ProgressStyle::with_template("{bar:30} {pos}/{len} steps, {elapsed} gone, {eta} left  {wide_msg}")
        {
            bar.set_style(style);
        }
        bar.set_position(done);
        bar.reset_eta();
        bar.enable_steady_tick(Duration::from_millis(500));
        bar
    }
}

fn message(metric: &Metric, validation: Option<f64>) -> String {
    let number = |x: Option<f64>| x.map_or_else(|| "?".into(), |x| format!("{x:.4}"));
    format!("loss {}, validation {}", number(metric.loss), number(validation))
}

/// What validation said before and says now.
fn gain<U: Unroll>(session: &Session<U>) -> String {
    let before = session.metrics().iter().find_map(|metric| metric.validation);
    match (before, session.trainer().best()) {
        (Some(before), Some(best)) => {
            format!(", validation {before:.4} -> {:.4} (best, after step {})", best.score, best.step)
        }
        _ => String::new(),
    }
}
