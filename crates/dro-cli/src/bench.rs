//! `dro bench testbed`.

use std::{
    io::Write,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use dro_core::search::Method;
use dro_record::write_atomically;
use dro_testbed::{
    Error,
    protocol::{Report, Settings, Watch, bbob, chen, export, refresh, toys},
};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{Outcome, interrupt, print};

#[derive(Debug, Subcommand)]
pub enum Bench {
    /// All optimizers on the same test functions and toys.
    Testbed(Testbed),
}

#[derive(Debug, Args)]
pub struct Testbed {
    /// The folder for curves (CSV, SVG), pictures and tables.md.
    #[arg(long, value_name = "DIR", required_unless_present = "export_instances")]
    out: Option<PathBuf>,
    /// What is run.
    #[arg(long, value_enum, default_value_t = SuiteChoice::All)]
    suite: SuiteChoice,
    /// Which methods; all if not given.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    methods: Vec<Method>,
    /// Instances of each of Chen's functions, and of each toy (at most 21), at least 2 [default: 100].
    #[arg(long, value_name = "N")]
    repeats: Option<usize>,
    /// Instances of each BBOB function [default: 5].
    #[arg(long, value_name = "N")]
    instances: Option<u32>,
    /// Dimensions of the BBOB functions, 2 to 40 [default: 2,5,10].
    #[arg(long, value_name = "DIMS", value_delimiter = ',')]
    dims: Vec<usize>,
    /// Everything random is drawn from this.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// A look at everything in little time: 5 repeats, 2 dimensions, 1 instance, where not said otherwise.
    #[arg(long)]
    quick: bool,
    /// Refresh the page testbed.md and its pictures in this folder as well.
    #[arg(long, value_name = "DIR", requires = "out")]
    docs: Option<PathBuf>,
    /// Run nothing; write the instances as JSON, for other programs to be compared on them.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["out", "docs"])]
    export_instances: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SuiteChoice {
    /// Branin, Goldstein–Price, Hartmann 3 and 6 after Chen et al. 2017.
    Chen,
    /// The 24 noiseless BBOB functions.
    Bbob,
    /// Small real problems without derivatives.
    Toys,
    /// All of them.
    All,
}

impl Bench {
    pub fn execute(self) -> Result<Outcome> {
        let Self::Testbed(testbed) = self;
        testbed.execute()
    }
}

impl Testbed {
    fn settings(&self) -> Settings {
        let mut settings = if self.quick { Settings::quick() } else { Settings::default() };
        settings.seed = self.seed;
        settings.repeats = self.repeats.unwrap_or(settings.repeats);
        settings.instances = self.instances.unwrap_or(settings.instances);
        if !self.methods.is_empty() {
            settings.methods.clone_from(&self.methods);
        }
        if !self.dims.is_empty() {
            settings.dims.clone_from(&self.dims);
        }
        settings
    }

    /// What makes the same numbers again.
    fn command(&self) -> String {
        let settings = self.settings();
        let suite =
            self.suite.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        let join = |parts: Vec<String>| parts.join(",");
        let mut command = format!(
            "dro bench testbed --suite {suite} --repeats {} --instances {} --dims {} --seed {}",
            settings.repeats,
            settings.instances,
            join(settings.dims.iter().map(ToString::to_string).collect()),
            settings.seed,
        );
        if !self.methods.is_empty() {
            command +=
                &format!(" --methods {}", join(self.methods.iter().map(ToString::to_string).collect()));
        }
        command
    }

    fn execute(self) -> Result<Outcome> {
        let settings = self.settings();
        settings.check()?;
        if let Some(path) = &self.export_instances {
            let text = serde_json::to_string_pretty(&export(&settings))?;
            write_atomically(path, |file| writeln!(file, "{text}"))?;
            return Ok(Outcome::Done);
        }
        let Some(out) = &self.out else { bail!("--out: expected a folder, found nothing") };
        let watch = Progress { bar: ProgressBar::no_length(), interrupted: interrupt::flag()? };
        let wants = |suite| self.suite == suite || self.suite == SuiteChoice::All;
        let command = self.command();

        let mut reports: Vec<Report> = Vec::new();
        let mut outcome = Outcome::Done;
        let suites: [(SuiteChoice, &dyn Fn() -> dro_testbed::Result<Report>); 3] = [
            (SuiteChoice::Chen, &|| chen::run(&settings, &watch)?.report()),
            (SuiteChoice::Bbob, &|| bbob::run(&settings, &watch)?.report()),
            (SuiteChoice::Toys, &|| toys::run(&settings, &watch)?.report()),
        ];
        for (suite, run) in suites {
            if !wants(suite) {
                continue;
            }
            match run() {
                Ok(report) => {
                    report.write(out)?;
                    watch.bar.suspend(|| print(format_args!("{}", report.table)))?;
                    reports.push(report);
                }
                Err(Error::Interrupted) => {
                    outcome = Outcome::Interrupted;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        watch.bar.finish_and_clear();
        // Of an interrupted run the finished suites are there; the document is only made of whole runs.
        if let Outcome::Interrupted = outcome {
            print(format_args!("interrupted: {} of the suites are complete", reports.len()))?;
            return Ok(outcome);
        }
        let tables: Vec<&str> = reports.iter().map(|report| report.table.as_str()).collect();
        let tables = format!("`{command}`\n\n{}", tables.join("\n"));
        write_atomically(out.join("tables.md"), |file| file.write_all(tables.as_bytes()))?;
        if let Some(book) = &self.docs {
            refresh(book, &reports, &command)?;
        }
        Ok(outcome)
    }
}

/// A bar over searches, on stderr if that is a terminal.
struct Progress {
    bar: ProgressBar,
    interrupted: Arc<AtomicBool>,
}

impl Watch for Progress {
    fn begin(&self, what: &str, searches: usize) {
        self.bar.reset();
        self.bar.set_length(searches as u64);
        self.bar.set_message(what.to_owned());
        if let Ok(style) =
            ProgressStyle::with_template("{msg}  {bar:30} {pos}/{len} searches, {elapsed} gone, {eta} left")
        {
            self.bar.set_style(style);
        }
    }

    fn advance(&self) {
        self.bar.inc(1);
    }

    fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
