//! A training in a folder: checkpoints, the log of metrics, the curve, the weights.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Instant,
};

use dro_record::{Chart, JsonLines, Line, read_json_lines, write_atomically};
use serde::{Deserialize, Serialize};

use crate::{Checkpoint, Error, Estimator, Report, Result, Settings, Trainer, Unroll};

/// One line of `metrics.jsonl`. Numbers that are not finite are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Training steps done.
    pub step: u64,
    /// The mean meta-loss of the step; absent before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// The mean score on the held-out tasks, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// The gradient's norm before clipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_norm: Option<f64>,
    /// The learning rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Inner steps run in this training step.
    pub inner_steps: u64,
    /// Roll-outs that failed in this training step.
    pub failed: usize,
    /// What the loss is made of, and other measures of validation, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, f64>,
    /// Seconds this training step took; the only number that differs from run to run.
    pub seconds: f64,
}

impl Metric {
    fn of(report: &Report, seconds: f64) -> Self {
        let finite = |x: f64| x.is_finite().then_some(x);
        Self {
            step: report.step,
            loss: finite(report.loss),
            validation: report.validation.and_then(finite),
            gradient_norm: finite(report.gradient_norm),
            rate: finite(report.rate),
            inner_steps: report.inner_steps,
            failed: report.failed,
            parts: report.parts.iter().filter(|(_, x)| x.is_finite()).map(|(n, x)| (n.clone(), *x)).collect(),
            seconds,
        }
    }
}

/// Why [`Session::run`] came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All steps that were asked for are done.
    Finished,
    /// The observer asked to stop; a checkpoint is written.
    Stopped,
}

/// A [`Trainer`] that writes down what it does, and can go on after a crash at any moment.
///
/// | file | what |
/// | --- | --- |
/// | `checkpoint.dro`, `checkpoint.previous.dro` | what a training goes on from |
/// | `metrics.jsonl` | a [`Metric`] a line |
/// | `curve.svg` | loss and validation |
/// | `weights.safetensors` | the best weights by validation |
/// | `best/step-N.safetensors` | the best few, where [`Validation::keep`](crate::Validation::keep) says so |
pub struct Session<U: Unroll> {
    trainer: Trainer<U>,
    folder: PathBuf,
    about: String,
    every: u64,
    log: JsonLines<Metric>,
    metrics: Vec<Metric>,
}

const METRICS: &str = "metrics.jsonl";

impl<U: Unroll> Session<U> {
    /// A training at its start, in a folder that has none yet. The held-out tasks are measured once before the first
    /// step. `about` is kept in checkpoints and weights; `every` is the number of training steps between checkpoints.
    ///
    /// # Errors
    /// If the folder has a checkpoint or cannot be written.
    pub fn start(
        mut trainer: Trainer<U>,
        folder: impl Into<PathBuf>,
        about: impl Into<String>,
        every: u64,
    ) -> Result<Self> {
        let folder = folder.into();
        if Checkpoint::exists(&folder) {
            let reason = "expected a folder without a training, or to resume it, found a checkpoint".into();
            return Err(Error::Checkpoint { path: folder, reason });
        }
        fs::create_dir_all(&folder).map_err(|source| Error::Io { path: folder.clone(), source })?;
        let began = Instant::now();
        let measured = if trainer.settings().validation.every > 0 { Some(trainer.measure()?) } else { None };
        let log = JsonLines::create(folder.join(METRICS))?;
        let mut session =
            Self { trainer, folder, about: about.into(), every: every.max(1), log, metrics: Vec::new() };
        session.note(Metric {
            step: 0,
            loss: None,
            validation: measured.as_ref().map(|measured| measured.score).filter(|v| v.is_finite()),
            gradient_norm: None,
            rate: None,
            inner_steps: 0,
            failed: 0,
            parts: measured.map(|measured| measured.parts).unwrap_or_default(),
            seconds: began.elapsed().as_secs_f64(),
        })?;
        session.keep_best()?;
        session.save()?;
        Ok(session)
    }

    /// Goes on with the training of a folder. The log is cut back to the checkpoint's step. The second value says what
    /// is wrong with the newest checkpoint, if the previous one had to be used.
    ///
    /// # Errors
    /// If there is no good checkpoint, or it does not fit.
    pub fn resume(
        unroll: U,
        estimator: Box<dyn Estimator<U>>,
        settings: Settings,
        folder: impl Into<PathBuf>,
        about: impl Into<String>,
        every: u64,
    ) -> Result<(Self, Option<Error>)> {
        let folder = folder.into();
        let (saved, damage) = Checkpoint::load(&folder)?;
        let trainer = Trainer::resume(unroll, estimator, settings, saved)?;
        let path = folder.join(METRICS);
        let mut metrics: Vec<Metric> = if path.exists() { read_json_lines(&path)? } else { Vec::new() };
        metrics.retain(|metric| metric.step <= trainer.steps_done());
        let mut text = Vec::new();
        for metric in &metrics {
            serde_json::to_writer(&mut text, metric).map_err(Error::outside)?;
            text.push(b'\n');
        }
        write_atomically(&path, |file| file.write_all(&text))?;
        let log = JsonLines::append(path)?;
        Ok((Self { trainer, folder, about: about.into(), every: every.max(1), log, metrics }, damage))
    }

    /// Trains until `until` steps are done in all, or the observer, called after every step, breaks. Ends with a
    /// checkpoint either way.
    pub fn run(&mut self, until: u64, mut observe: impl FnMut(&Metric) -> ControlFlow<()>) -> Result<Ended> {
        let mut saved = self.trainer.steps_done();
        while self.trainer.steps_done() < until {
            let began = Instant::now();
            let report = self.trainer.step()?;
            let metric = Metric::of(&report, began.elapsed().as_secs_f64());
            self.note(metric.clone())?;
            if metric.validation.is_some() {
                self.keep_best()?;
            }
            if report.step.is_multiple_of(self.every) {
                self.save()?;
                saved = report.step;
            }
            if observe(&metric).is_break() {
                self.save()?;
                return Ok(Ended::Stopped);
            }
        }
        if saved != self.trainer.steps_done() {
            self.save()?;
        }
        Ok(Ended::Finished)
    }

    /// The training itself.
    pub fn trainer(&self) -> &Trainer<U> {
        &self.trainer
    }

    /// The log so far.
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn note(&mut self, metric: Metric) -> Result<()> {
        self.log.write(&metric)?;
        self.metrics.push(metric);
        Ok(())
    }

    /// Writes the weights that were measured just now if they are among the best, and removes those that no longer are.
    fn keep_best(&self) -> Result<()> {
        let keep = self.trainer.settings().validation.keep;
        if keep == 0 {
            return Ok(());
        }
        let mut ranked: Vec<(f64, u64)> =
            self.metrics.iter().filter_map(|metric| Some((metric.validation?, metric.step))).collect();
        // Of equal ones the earlier, which `weights.safetensors` is too.
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        ranked.truncate(keep);
        let folder = self.folder.join("best");
        let io = |source| Error::Io { path: folder.clone(), source };
        fs::create_dir_all(&folder).map_err(io)?;
        let step = self.trainer.steps_done();
        if let Some((score, _)) = ranked.iter().find(|(_, ranked)| *ranked == step) {
            let about = [
                ("about", self.about.as_str()),
                ("step", &step.to_string()),
                ("validation", &score.to_string()),
            ];
            self.trainer.unroll().export(&folder.join(best_name(step)), self.trainer.newest(), &about)?;
        }
        for entry in fs::read_dir(&folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let step = name.strip_prefix("step-").and_then(|rest| rest.strip_suffix(".safetensors"));
            let Some(step) = step.and_then(|step| step.parse::<u64>().ok()) else { continue };
            if name == best_name(step) && !ranked.iter().any(|(_, ranked)| *ranked == step) {
                fs::remove_file(&path).map_err(|source| Error::Io { path, source })?;
            }
        }
        Ok(())
    }

    /// Checkpoint, weights and curve. The log goes first: a checkpoint never knows more steps than the log.
    fn save(&mut self) -> Result<()> {
        self.log.sync()?;
        self.trainer.checkpoint(&self.about)?.save(&self.folder)?;
        let step = self.trainer.best().map_or(self.trainer.steps_done(), |best| best.step).to_string();
        let score = self.trainer.best().map_or_else(|| "unknown".into(), |best| best.score.to_string());
        self.trainer.unroll().export(
            &self.folder.join("weights.safetensors"),
            self.trainer.weights(),
            &[("about", &self.about), ("step", &step), ("validation", &score)],
        )?;
        let svg = curve(&self.metrics)?;
        write_atomically(self.folder.join("curve.svg"), |file| file.write_all(svg.as_bytes()))?;
        Ok(())
    }
}

fn best_name(step: u64) -> String {
    format!("step-{step:08}.safetensors")
}

/// Loss and validation over the training steps, as SVG.
pub fn curve(metrics: &[Metric]) -> Result<String> {
    // Long trainings: every point would be megabytes of picture, so means over windows.
    let window = metrics.len().div_ceil(500).max(1);
    let losses = metrics.chunks(window).filter_map(|chunk| {
        let losses: Vec<f64> = chunk.iter().filter_map(|m| m.loss).collect();
        let step = chunk.last()?.step as f64;
        (!losses.is_empty()).then(|| (step, losses.iter().sum::<f64>() / losses.len() as f64))
    });
    let validation = metrics.iter().filter_map(|m| Some((m.step as f64, m.validation?)));
    let chart = Chart::new("Meta-training", "training steps", "meta-loss")
        .line(Line::new("training", losses))
        .line(Line::new("validation", validation));
    Ok(chart.to_svg()?)
}
