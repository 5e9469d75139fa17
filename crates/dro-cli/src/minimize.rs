//! `dro minimize`.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::{Args, ValueEnum, builder::NonEmptyStringValueParser, value_parser};
use dro_core::search::Method;
use dro_external::{
    Entry, Files, Format, Header, Journal, Program, Report, Study, Variables, Watch, write_results,
};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{Outcome, interrupt, print};

/// A program that has answered nothing for so long gets a hint.
const SILENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Args)]
pub struct Minimize {
    /// The variables: one `variable` table each, with name, kind, lower, upper, choices, log, shape, start, scale
    /// (docs/minimize.md).
    #[arg(long, value_name = "FILE")]
    space: PathBuf,
    /// The cost program, run by the shell. It reads candidates as lines of JSON, {"id":7,"x":{"lr":0.1}}, and answers
    /// each with a line, {"id":7,"cost":0.42} or {"id":7,"cost":"failed"}.
    #[arg(long, value_name = "COMMAND", value_parser = NonEmptyStringValueParser::new())]
    cost: String,
    /// Evaluations, failed ones included.
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = value_parser!(u64).range(1..))]
    budget: u64,
    /// Folder for the results and the journal.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Everything random is drawn from this [default: 0; with --resume the journal's].
    #[arg(long, allow_hyphen_values = true, value_parser = value_parser!(u64).range(..=i64::MAX as u64))]
    seed: Option<u64>,
    /// Programs that run side by side.
    #[arg(long, value_name = "N", default_value_t = 1, allow_hyphen_values = true, value_parser = value_parser!(u16).range(1..=1024))]
    jobs: u16,
    /// Candidates that are open at once; the result depends on this and not on --jobs [default: --jobs; with --resume
    /// the journal's].
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = value_parser!(u32).range(1..=65536))]
    batch: Option<u32>,
    /// An evaluation that takes longer has failed, and its program is ended [default: no limit].
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true, value_parser = seconds)]
    timeout: Option<Duration>,
    /// The search [default: the learned one; with --resume the journal's]; an unknown name lists all.
    #[arg(long, value_name = "NAME")]
    method: Option<Method>,
    /// Stop at a cost at or below this.
    #[arg(long, value_name = "COST", allow_hyphen_values = true, value_parser = finite)]
    target: Option<f64>,
    /// Stop after N evaluations without a better one.
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = value_parser!(u64).range(1..))]
    patience: Option<u64>,
    /// Start no evaluation after this time.
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true, value_parser = seconds)]
    time: Option<Duration>,
    /// Start the program anew for every candidate and close its input after the line: for programs that read to the
    /// end of their input.
    #[arg(long)]
    one_shot: bool,
    /// Forms of the result, separated by commas [default: all]; journal.jsonl and curve.svg are always written.
    #[arg(long, value_enum, value_delimiter = ',')]
    format: Vec<FormatChoice>,
    /// Go on with the run in --out: evaluations that its journal has are not done again. Without a journal, begin.
    #[arg(long)]
    resume: bool,
    /// Replace the run in --out.
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,
    /// No progress bar and no closing text.
    #[arg(long, short)]
    quiet: bool,
}

/// `--format`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatChoice {
    /// result.json.
    Json,
    /// result.toml.
    Toml,
    /// evaluations.csv.
    Csv,
}

impl From<FormatChoice> for Format {
    fn from(choice: FormatChoice) -> Self {
        match choice {
            FormatChoice::Json => Self::Json,
            FormatChoice::Toml => Self::Toml,
            FormatChoice::Csv => Self::Csv,
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let duration = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("expected a positive number of seconds, found {text:?}"))
}

fn finite(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(format!("expected a finite number, found {text:?}")),
    }
}

impl Minimize {
    pub fn execute(self) -> Result<Outcome> {
        let variables = Variables::read(&self.space)?;
        let interrupted = interrupt::flag()?;
        let files = Files::new(&self.out);
        files.make()?;
        let earlier = if self.resume { Journal::resume(files.journal())? } else { None };
        let mut journal = match earlier {
            Some(journal) => {
                // What was not said is as it was.
                let own = journal.header();
                let header = self.header(&variables, own.method, own.seed, own.batch);
                journal.check(&header)?;
                journal
            }
            None => {
                if self.overwrite {
                    files.remove_earlier()?;
                } else if !self.resume {
                    files.refuse_earlier()?;
                }
                let header = self.header(&variables, Method::ALL[0], 0, self.jobs.into());
                Journal::create(files.journal(), header)?
            }
        };
        let header = journal.header().clone();

        let mut program =
            Program::new(&self.cost).jobs(self.jobs.into()).one_shot(self.one_shot).log(files.log());
        if let Some(limit) = self.timeout {
            program = program.timeout(limit);
        }
        let mut study = Study::new(variables).method(header.method).seed(header.seed).batch(header.batch);
        study = study.evaluations(usize::try_from(self.budget)?);
        if let Some(target) = self.target {
            study = study.target(target);
        }
        if let Some(patience) = self.patience {
            study = study.patience(usize::try_from(patience)?);
        }
        if let Some(time) = self.time {
            study = study.time(time);
        }
        let mut progress = Progress::new(self.quiet, self.budget, interrupted);
        let report = study.minimize(&program, Some(&mut journal), &mut progress);
        drop(progress);
        let report = report?;
        if report.interrupted && report.best.is_none() {
            if !self.quiet {
                print("interrupted before any evaluation succeeded; --resume goes on")?;
            }
            return Ok(Outcome::Interrupted);
        }
        let mut formats = vec![Format::Svg];
        match self.format.as_slice() {
            [] => formats.extend(Format::ALL),
            some => formats.extend(some.iter().map(|&format| Format::from(format))),
        }
        let written = write_results(&self.out, &report, &header, &self.cost, &formats)?;
        if !self.quiet {
            self.tell(&report, &written)?;
        }
        Ok(if report.interrupted { Outcome::Interrupted } else { Outcome::Done })
    }

    fn header(&self, variables: &Variables, method: Method, seed: u64, batch: usize) -> Header {
        let batch = self.batch.and_then(|batch| usize::try_from(batch).ok()).unwrap_or(batch);
        Header::new(variables, self.method.unwrap_or(method), self.seed.unwrap_or(seed), batch)
    }

    fn tell(&self, report: &Report, written: &[PathBuf]) -> Result<()> {
        let best = report.best()?;
        if let Some(cost) = best.cost {
            print(format_args!("best cost {cost}, evaluation {}: {}", best.id, best.x))?;
        }
        let failed = report.evaluations.iter().filter(|entry| entry.cost.is_none()).count();
        let failed = if failed > 0 { format!("; {failed} failed") } else { String::new() };
        if report.interrupted {
            let done = report.evaluations.len();
            print(format_args!("interrupted after {done} evaluations{failed}; --resume goes on"))?;
        } else {
            print(format_args!("{}{failed}", report.termination))?;
        }
        let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let names: Vec<_> = written.iter().filter_map(name).collect();
        print(format_args!("{}: {}, journal.jsonl", self.out.display(), names.join(", ")))
    }
}

/// A progress bar over evaluations, with the best cost; drawn on stderr if that is a terminal.
struct Progress {
    bar: ProgressBar,
    interrupted: Arc<AtomicBool>,
    began: Instant,
    failed: usize,
}

impl Progress {
    fn new(quiet: bool, budget: u64, interrupted: Arc<AtomicBool>) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(budget) };
        let template = "{bar:30} {pos}/{len} evaluations, {elapsed} gone, {eta} left  {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(500));
        Self { bar, interrupted, began: Instant::now(), failed: 0 }
    }
}

impl Watch for Progress {
    fn told(&mut self, entry: &Entry, best: Option<f64>, replayed: bool) {
        self.failed += usize::from(entry.cost.is_none());
        let best = best.map_or("none succeeded yet".into(), |best| format!("best {best:.6e}"));
        let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        self.bar.set_message(format!("{best}{failed}"));
        self.bar.inc(1);
        if replayed {
            // They took no time now, and say nothing of the time left.
            self.bar.reset_eta();
        }
    }

    fn interrupted(&mut self) -> bool {
        if self.bar.position() == 0 && self.began.elapsed() > SILENCE {
            self.bar.set_message("no answer yet; does the program flush its output after every line?");
        }
        self.interrupted.load(Ordering::Relaxed)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
