//! What `dro train` and `dro sfm train` share: one training in one folder, whatever is trained.

use std::{
    fs,
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use dro_record::write_atomically;
use dro_train::{Checkpoint, Ended, Metric, Session, Unroll};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Outcome, configuration::read, interrupt, print};

/// The name that a configuration has in the folder of its training.
const CONFIG: &str = "config.toml";

#[derive(Debug, Args)]
pub struct TrainingOptions {
    /// What is trained, on what and how (TOML; docs/training.md says where every key is explained). With --resume it may be
    /// left out.
    #[arg(required_unless_present = "resume")]
    config: Option<PathBuf>,
    /// The folder for weights, checkpoints, log, curve and pictures [default: the configuration's name without its ending].
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    out: Option<PathBuf>,
    /// Go on with the training in the folder; the weights will be those of a training without a break.
    #[arg(long)]
    resume: bool,
    /// Stop when N training steps are done in all; a later --resume goes on.
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// No progress bar.
    #[arg(long)]
    quiet: bool,
}

/// A configuration as in a TOML file.
pub trait Configuration: Clone + Serialize + DeserializeOwned {
    /// The first setting that is out of range.
    fn validate(&self) -> Result<()>;

    /// Training steps in all.
    fn steps(&self) -> u64;

    /// The same with fixed values for what may change when a training goes on.
    fn comparable(&self) -> Self;
}

/// Starts a session, or goes on with one; the second value says what is wrong with the newest checkpoint, if the one
/// before had to be used.
pub type Opened<U> = (Session<U>, Option<dro_train::Error>);

/// What the command line asked for.
pub struct Job<C> {
    pub config: C,
    /// Where the configuration came from, for messages.
    source: PathBuf,
    out: PathBuf,
    resume: bool,
    /// Training steps to have done in all.
    until: u64,
    quiet: bool,
}

impl TrainingOptions {
    /// Reads and checks the configuration.
    pub fn job<C: Configuration>(self) -> Result<Job<C>> {
        let (source, out) = match (self.config, self.out) {
            (Some(config), Some(out)) => (config, out),
            (Some(config), None) => match config.file_stem() {
                Some(stem) => (config.clone(), PathBuf::from(stem)),
                None => bail!("{}: expected a file, found a folder", config.display()),
            },
            (None, Some(out)) => (out.join(CONFIG), out),
            // The parser of the command line has seen to it.
            (None, None) => bail!("expected a configuration or --out, found neither"),
        };
        let config: C = read(&source)?;
        let (steps, until) = (config.steps(), self.steps.unwrap_or(config.steps()));
        if until > steps {
            bail!("--steps: expected at most {steps}, the steps of {}, found {until}", source.display());
        }
        Ok(Job { config, source, out, resume: self.resume, until, quiet: self.quiet })
    }
}

impl<C: Configuration> Job<C> {
    /// Trains, writes everything to the folder, and says what came of it.
    ///
    /// * `command`: with which the training goes on
    /// * `open`: from the folder, the configuration as text, and whether there is a training to go on with
    /// * `message`: for the progress bar, from the newest step and the newest with a validation
    pub fn run<U: Unroll>(
        self,
        command: &str,
        open: impl FnOnce(&C, &Path, &str, bool) -> Result<Opened<U>>,
        message: impl Fn(&Metric, Option<&Metric>) -> String,
    ) -> Result<Outcome> {
        let interrupted = interrupt::flag()?;
        let mut session = self.session(open)?;
        let bar = self.bar(session.trainer().steps_done());
        let mut measured = session.metrics().iter().rfind(|m| m.validation.is_some()).cloned();
        let ended = session.run(self.until, |metric| {
            if metric.validation.is_some() {
                measured = Some(metric.clone());
            }
            bar.set_message(message(metric, measured.as_ref()));
            bar.inc(1);
            if interrupted.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        bar.finish_and_clear();
        let ended = ended?;

        let (done, steps, out) = (session.trainer().steps_done(), self.config.steps(), self.out.display());
        print(format_args!("{out}: {done} of {steps} training steps{}", gain(&session)))?;
        if done < steps {
            print(format_args!("go on with: {command} --resume --out {out}"))?;
        }
        Ok(match ended {
            Ended::Finished => Outcome::Done,
            Ended::Stopped => Outcome::Interrupted,
        })
    }

    fn session<U: Unroll>(
        &self,
        open: impl FnOnce(&C, &Path, &str, bool) -> Result<Opened<U>>,
    ) -> Result<Session<U>> {
        let out = &self.out;
        let about = toml::to_string(&self.config)?;
        let write = || write_atomically(out.join(CONFIG), |file| file.write_all(about.as_bytes()));
        if !Checkpoint::exists(out) {
            if self.resume {
                bail!("{}: expected a training to go on with, found no checkpoint", out.display());
            }
            fs::create_dir_all(out).with_context(|| out.display().to_string())?;
            write()?;
            return Ok(open(&self.config, out, &about, false)?.0);
        }
        if !self.resume {
            bail!("{}: expected no training in this folder, or --resume, found a checkpoint", out.display());
        }
        self.check_same()?;
        let (session, damage) = open(&self.config, out, &about, true)?;
        if let Some(damage) = damage {
            print(format_args!("note: {damage}; going on from the checkpoint before"))?;
        }
        write()?;
        Ok(session)
    }

    /// Refuses a configuration that is not that of the folder's training.
    fn check_same(&self) -> Result<()> {
        let (saved, _) = Checkpoint::load(&self.out)?;
        let before: C = toml::from_str(&saved.about).with_context(|| {
            format!("{}: the checkpoint is of another kind of training", self.out.display())
        })?;
        let text = |config: &C| toml::to_string(&config.comparable());
        let (before, now) = (text(&before)?, text(&self.config)?);
        let source = self.source.display();
        match before.lines().zip(now.lines()).find(|(before, now)| before != now) {
            None if before == now => Ok(()),
            None => bail!("{source}: expected the tables of the training so far"),
            Some((before, now)) => {
                bail!("{source}: expected {before:?}, as in the training so far, found {now:?}")
            }
        }
    }

    fn bar(&self, done: u64) -> ProgressBar {
        let bar = if self.quiet { ProgressBar::hidden() } else { ProgressBar::new(self.until) };
        if let Ok(style) =
            ProgressStyle::with_template("{bar:24} {pos}/{len} steps, {elapsed} gone, {eta} left  {wide_msg}")
        {
            bar.set_style(style);
        }
        bar.set_position(done);
        bar.reset_eta();
        bar.enable_steady_tick(Duration::from_millis(500));
        bar
    }
}

/// A number for the progress bar.
pub fn number(x: Option<f64>) -> String {
    x.map_or_else(|| "?".into(), |x| format!("{x:.4}"))
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
