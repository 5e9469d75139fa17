//! What a study leaves behind.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use dro_core::search::Method;
use dro_record::write_atomically;
use serde::Serialize;
use serde_json::Value;

use crate::{Assignment, Entry, Error, FailureKind, Header, Report, Result, curve};

/// A form of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// `result.json`: the best candidate and how it went.
    Json,
    /// `result.toml`: the same.
    Toml,
    /// `evaluations.csv`: every evaluation.
    Csv,
    /// `curve.svg`: cost over evaluations.
    Svg,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Json, Self::Toml, Self::Csv, Self::Svg];

    /// The file.
    pub fn file(self) -> &'static str {
        match self {
            Self::Json => "result.json",
            Self::Toml => "result.toml",
            Self::Csv => "evaluations.csv",
            Self::Svg => "curve.svg",
        }
    }
}

/// The files of a study in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    folder: PathBuf,
}

impl Files {
    /// Nothing is made or read yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// `journal.jsonl`: every evaluation as it was finished.
    pub fn journal(&self) -> PathBuf {
        self.folder.join("journal.jsonl")
    }

    /// `stderr.log`: what the program wrote to stderr.
    pub fn log(&self) -> PathBuf {
        self.folder.join("stderr.log")
    }

    /// Makes the folder.
    ///
    /// # Errors
    /// If it is no folder or cannot be made.
    pub fn make(&self) -> Result<()> {
        if self.folder.exists() && !self.folder.is_dir() {
            let name = self.folder.display().to_string();
            return Err(Error::argument(name, "a folder for the results", "a file"));
        }
        std::fs::create_dir_all(&self.folder).map_err(Error::io(&self.folder))
    }

    /// # Errors
    /// [`Error::Occupied`] if one of the files is there.
    pub fn refuse_earlier(&self) -> Result<()> {
        match self.all().into_iter().find(|path| path.exists()) {
            None => Ok(()),
            Some(path) => {
                let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Err(Error::Occupied { folder: self.folder.clone(), file })
            }
        }
    }

    /// Removes the files of an earlier study, so that they cannot be taken for this one's.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn remove_earlier(&self) -> Result<()> {
        for path in self.all() {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::io(path)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn all(&self) -> Vec<PathBuf> {
        let results = Format::ALL.iter().map(|format| self.folder.join(format.file()));
        [self.journal(), self.log()].into_iter().chain(results).collect()
    }
}

/// `result.json` and `result.toml`. What holds a table stands last, for TOML.
#[derive(Serialize)]
struct Summary<'a> {
    best_cost: f64,
    /// The number of the best evaluation, from 0.
    best_id: u64,
    evaluations: usize,
    termination: String,
    interrupted: bool,
    seconds: f64,
    method: Method,
    seed: u64,
    batch: usize,
    cost: &'a str,
    dro: &'a str,
    /// Lines of the program that mean nothing.
    garbage_lines: u64,
    best: &'a Assignment,
    failed: Failed,
}

#[derive(Serialize, Default)]
struct Failed {
    total: usize,
    reported: usize,
    crashed: usize,
    timed_out: usize,
    flooded: usize,
}

impl Failed {
    fn count(evaluations: &[Entry]) -> Self {
        let mut failed = Self::default();
        for failure in evaluations.iter().filter_map(|entry| entry.failure.as_ref()) {
            failed.total += 1;
            *match failure.kind {
                FailureKind::Reported => &mut failed.reported,
                FailureKind::Crashed => &mut failed.crashed,
                FailureKind::TimedOut => &mut failed.timed_out,
                FailureKind::Flooded => &mut failed.flooded,
            } += 1;
        }
        failed
    }
}

/// Writes the results of a study to `folder` in the given forms; `command` is the cost program's. The paths that were
/// written. Each file is whole or not there.
///
/// # Errors
/// [`Error::NothingSucceeded`] if there is nothing to write; if a file cannot be written.
pub fn write_results(
    folder: &Path,
    report: &Report,
    header: &Header,
    command: &str,
    formats: &[Format],
) -> Result<Vec<PathBuf>> {
    let best = report.best()?;
    let summary = Summary {
        best_cost: best.cost.unwrap_or(f64::NAN),
        best_id: best.id,
        evaluations: report.evaluations.len(),
        termination: report.termination.to_string(),
        interrupted: report.interrupted,
        seconds: report.seconds,
        method: header.method,
        seed: header.seed,
        batch: header.batch,
        cost: command,
        dro: &header.dro,
        garbage_lines: report.evaluations.iter().map(|entry| entry.garbage).sum(),
        best: &best.x,
        failed: Failed::count(&report.evaluations),
    };
    let mut written = Vec::new();
    for format in Format::ALL.into_iter().filter(|format| formats.contains(format)) {
        let path = folder.join(format.file());
        let content = match format {
            Format::Json => serde_json::to_vec_pretty(&summary).map_err(io::Error::from),
            Format::Toml => {
                toml::to_string_pretty(&summary).map(String::into_bytes).map_err(io::Error::other)
            }
            Format::Csv => table(&report.evaluations),
            Format::Svg => Ok(curve::draw(&report.evaluations, command)?.into_bytes()),
        };
        let content = content.map_err(Error::io(&path))?;
        write_atomically(&path, |file| {
            file.write_all(&content)?;
            if content.ends_with(b"\n") { Ok(()) } else { file.write_all(b"\n") }
        })?;
        written.push(path);
    }
    Ok(written)
}

/// One row per evaluation; arrays take a column per element, `name[0][1]`.
fn table(evaluations: &[Entry]) -> io::Result<Vec<u8>> {
    let mut rows = csv::Writer::from_writer(Vec::new());
    let mut columns = Vec::new();
    if let Some(first) = evaluations.first() {
        for (name, value) in &first.x.0 {
            flatten(name, value, &mut columns);
        }
    }
    let fixed = ["id", "cost", "best_cost", "failure", "reason", "seconds"].map(String::from);
    rows.write_record(fixed.iter().chain(columns.iter().map(|(name, _)| name)))?;
    let mut best = f64::INFINITY;
    for entry in evaluations {
        best = best.min(entry.cost.unwrap_or(f64::INFINITY));
        let kind = match &entry.failure {
            Some(failure) => serde_json::to_value(failure.kind)?.as_str().unwrap_or_default().to_owned(),
            None => String::new(),
        };
        let mut cells = Vec::new();
        for (name, value) in &entry.x.0 {
            flatten(name, value, &mut cells);
        }
        let fixed = [
            entry.id.to_string(),
            entry.cost.map_or("failed".into(), number),
            if best.is_finite() { number(best) } else { String::new() },
            kind,
            entry.failure.as_ref().map_or(String::new(), |failure| failure.reason.clone()),
            format!("{:.6}", entry.seconds),
        ];
        rows.write_record(fixed.iter().chain(cells.iter().map(|(_, value)| value)))?;
    }
    rows.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

/// The shortest text that reads back as the same number.
fn number(value: f64) -> String {
    Value::from(value).to_string()
}

fn flatten(name: &str, value: &Value, cells: &mut Vec<(String, String)>) {
    match value {
        Value::Array(rows) => {
            for (i, row) in rows.iter().enumerate() {
                flatten(&format!("{name}[{i}]"), row, cells);
            }
        }
        Value::String(text) => cells.push((name.into(), text.clone())),
        other => cells.push((name.into(), other.to_string())),
    }
}
