//! `dro sfm train`.

use std::{
    fs,
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use dro_record::write_atomically;
use dro_sfm::training::{TrainingConfig, TrainingSession, resume, start};
use dro_train::{Checkpoint, Ended, Metric};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{Outcome, device::DeviceOptions, interrupt, print};

#[derive(Debug, Args)]
pub struct SfmTrain {
    /// Network, data, losses and phases (TOML; docs/configs/sfm.toml explains every key). With --resume it may be left out.
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
    #[command(flatten)]
    on: DeviceOptions,
    /// No progress bar.
    #[arg(long)]
    quiet: bool,
}

/// The name that a configuration has in the folder of its training.
const CONFIG: &str = "config.toml";

impl SfmTrain {
    pub fn execute(self) -> Result<Outcome> {
        let (source, out) = self.places()?;
        let config = read(&source)?;
        let until = self.steps.unwrap_or(config.steps());
        if until > config.steps() {
            bail!(
                "--steps: expected at most {}, the steps of all phases of {}, found {until}",
                config.steps(),
                source.display()
            );
        }
        let interrupted = interrupt::flag()?;
        let steps = config.steps();
        let mut session = self.session(config, &source, &out)?;

        let bar = self.bar(until, session.trainer().steps_done());
        let mut measured = session.metrics().iter().rfind(|m| m.validation.is_some()).cloned();
        let ended = session.run(until, |metric| {
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

        let done = session.trainer().steps_done();
        print(format_args!("{}: {done} of {steps} training steps{}", out.display(), gain(&session)))?;
        if done < steps {
            print(format_args!("go on with: dro sfm train --resume --out {}", out.display()))?;
        }
        Ok(match ended {
            Ended::Finished => Outcome::Done,
            Ended::Stopped => Outcome::Interrupted,
        })
    }

    /// The configuration and the folder.
    fn places(&self) -> Result<(PathBuf, PathBuf)> {
        Ok(match (&self.config, &self.out) {
            (Some(config), Some(out)) => (config.clone(), out.clone()),
            (Some(config), None) => match config.file_stem() {
                Some(stem) => (config.clone(), PathBuf::from(stem)),
                None => bail!("{}: expected a file, found a folder", config.display()),
            },
            (None, Some(out)) => (out.join(CONFIG), out.clone()),
            // The parser of the command line has seen to it.
            (None, None) => bail!("expected a configuration or --out, found neither"),
        })
    }

    fn session(&self, config: TrainingConfig, source: &Path, out: &Path) -> Result<TrainingSession> {
        let device = self.on.open()?;
        let about = toml::to_string(&config)?;
        if !Checkpoint::exists(out) {
            if self.resume {
                bail!("{}: expected a training to go on with, found no checkpoint", out.display());
            }
            fs::create_dir_all(out).with_context(|| out.display().to_string())?;
            write_atomically(out.join(CONFIG), |file| file.write_all(about.as_bytes()))?;
            return Ok(start(config, out, &about, &device)?);
        }
        if !self.resume {
            bail!("{}: expected no training in this folder, or --resume, found a checkpoint", out.display());
        }
        check_same(&config, source, out)?;
        let (session, damage) = resume(config, out, &about, &device)?;
        if let Some(damage) = damage {
            print(format_args!("note: {damage}; going on from the checkpoint before"))?;
        }
        write_atomically(out.join(CONFIG), |file| file.write_all(about.as_bytes()))?;
        Ok(session)
    }

    fn bar(&self, until: u64, done: u64) -> ProgressBar {
        let bar = if self.quiet { ProgressBar::hidden() } else { ProgressBar::new(until) };
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

/// Reads and checks a configuration; errors name the file, the line and the key.
fn read(path: &Path) -> Result<TrainingConfig> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let config: TrainingConfig = toml::from_str(&text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let place = line.map_or(String::new(), |line| format!(", line {line}"));
        anyhow!("{}{place}: {}", path.display(), error.message())
    })?;
    config.validate().with_context(|| path.display().to_string())?;
    Ok(config)
}

/// Refuses a configuration that is not that of the folder's training; the distance between checkpoints may differ.
fn check_same(config: &TrainingConfig, source: &Path, out: &Path) -> Result<()> {
    let (saved, _) = Checkpoint::load(out)?;
    let before: TrainingConfig = toml::from_str(&saved.about)
        .with_context(|| format!("{}: the checkpoint is of another kind of training", out.display()))?;
    let text = |config: &TrainingConfig| {
        let comparable = TrainingConfig { checkpoint_every: 1, ..config.clone() };
        toml::to_string(&comparable)
    };
    let (before, now) = (text(&before)?, text(config)?);
    match before.lines().zip(now.lines()).find(|(before, now)| before != now) {
        None if before == now => Ok(()),
        None => bail!("{}: expected the tables of the training so far", source.display()),
        Some((before, now)) => {
            bail!("{}: expected {before:?}, as in the training so far, found {now:?}", source.display())
        }
    }
}

fn message(metric: &Metric, measured: Option<&Metric>) -> String {
    let number = |x: Option<f64>| x.map_or_else(|| "?".into(), |x| format!("{x:.4}"));
    let part = |name: &str| measured.and_then(|metric| metric.parts.get(name).copied());
    format!(
        "loss {}, abs rel {}, rotation {}°, translation {}°",
        number(metric.loss),
        number(part("abs_rel")),
        number(part("rotation_deg")),
        number(part("translation_deg"))
    )
}

/// What validation said before and says now.
fn gain(session: &TrainingSession) -> String {
    let before = session.metrics().iter().find_map(|metric| metric.validation);
    match (before, session.trainer().best()) {
        (Some(before), Some(best)) => {
            format!(", validation {before:.4} -> {:.4} (best, after step {})", best.score, best.step)
        }
        _ => String::new(),
    }
}
