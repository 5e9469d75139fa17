//! What a run has done so far, on disk.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use dro_core::search::Method;
use dro_record::{JsonLines, read_json_lines};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Assignment, Error, Failure, Result, Variable, Variables};

/// What decides which candidates are tried: the journal's first line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The version of this crate that began the journal.
    pub dro: String,
    /// The variables.
    pub space: Vec<Variable>,
    /// The search.
    pub method: Method,
    /// Its seed.
    pub seed: u64,
    /// How many candidates are open at once.
    pub batch: usize,
}

impl Header {
    /// The header of a run by this version.
    pub fn new(variables: &Variables, method: Method, seed: u64, batch: usize) -> Self {
        let space = variables.list().to_vec();
        Self { dro: env!("CARGO_PKG_VERSION").into(), space, method, seed, batch }
    }
}

/// A finished evaluation: every other line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The candidate's number, from 0.
    pub id: u64,
    /// What was tried.
    pub x: Assignment,
    /// The cost, finite; in JSON `"failed"` where there is none.
    #[serde(with = "cost_or_failed")]
    pub cost: Option<f64>,
    /// Why there is none.
    #[serde(flatten)]
    pub failure: Option<Failure>,
    /// How long the evaluation took.
    pub seconds: f64,
    /// When it was finished: seconds since the run began, pauses between resumed parts left out.
    pub elapsed: f64,
    /// Lines that the program wrote and that mean nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub garbage: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

mod cost_or_failed {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Cost {
        Number(f64),
        Text(String),
    }

    pub fn serialize<S: Serializer>(cost: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        match cost {
            Some(cost) => serializer.serialize_f64(*cost),
            None => serializer.serialize_str("failed"),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        match Cost::deserialize(deserializer)? {
            Cost::Number(cost) => Ok(Some(cost)),
            Cost::Text(text) if text == "failed" => Ok(None),
            Cost::Text(text) => {
                Err(D::Error::custom(format!("expected a cost or \"failed\", found {text:?}")))
            }
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Line {
    Header(Header),
    Entry(Entry),
}

/// A journal that grows by a line per evaluation, in the order in which they finish.
///
/// Every line is handed to the system at once: a program that is killed loses the evaluations that were running and
/// no other. While it is open no other process can open it.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    header: Header,
    entries: BTreeMap<u64, Entry>,
    lines: JsonLines<Line>,
    /// Held until the journal is dropped or the process ends, however it ends.
    _lock: File,
}

impl Journal {
    /// Begins a new one; what was there is lost.
    ///
    /// # Errors
    /// If the file cannot be written, or another process holds it.
    pub fn create(path: impl Into<PathBuf>, header: Header) -> Result<Self> {
        let path = path.into();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        let lock = locked(&path)?;
        let mut lines = JsonLines::create(&path)?;
        lines.write(&Line::Header(header.clone()))?;
        Ok(Self { path, header, entries: BTreeMap::new(), lines, _lock: lock })
    }

    /// Opens one to go on with it; `None` if there is none, or not even its first line.
    ///
    /// # Errors
    /// With the line that is not what it should be, or if another process holds the journal.
    pub fn resume(path: impl Into<PathBuf>) -> Result<Option<Self>> {
        let path = path.into();
        if !path.exists() {
            return Ok(None);
        }
        let lock = locked(&path)?;
        let mut values = read_json_lines::<Value>(&path)?.into_iter().enumerate();
        let Some((_, first)) = values.next() else { return Ok(None) };
        let header = parsed(first, &path, 1, "the header of a journal")?;
        let mut entries = BTreeMap::new();
        for (line, value) in values {
            let entry: Entry = parsed(value, &path, line + 1, "an evaluation")?;
            if let Some(twice) = entries.insert(entry.id, entry) {
                let found = format!("{} again", twice.id);
                return Err(wrong(&path, &format!("line {}: id", line + 1), "a new number", found));
            }
        }
        let lines = JsonLines::append(&path)?;
        Ok(Some(Self { path, header, entries, lines, _lock: lock }))
    }

    /// What it begins with.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Every evaluation by its number.
    pub fn entries(&self) -> &BTreeMap<u64, Entry> {
        &self.entries
    }

    /// Appends an evaluation.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn push(&mut self, entry: Entry) -> Result<()> {
        self.lines.write(&Line::Entry(entry.clone()))?;
        self.entries.insert(entry.id, entry);
        Ok(())
    }

    /// Waits until all of it is on the disk.
    pub fn sync(&mut self) -> Result<()> {
        Ok(self.lines.sync()?)
    }

    /// # Errors
    /// [`Error::Journal`] with the first setting in which the journal's run differs from `header`.
    pub fn check(&self, header: &Header) -> Result<()> {
        let own = &self.header;
        for variable in &header.space {
            let place = format!("variable {:?}", variable.name);
            match own.space.iter().find(|other| other.name == variable.name) {
                Some(other) if other == variable => {}
                Some(other) => {
                    return Err(wrong(&self.path, &place, &json(other), json(variable)));
                }
                None => return Err(wrong(&self.path, &place, "no such variable", json(variable))),
            }
        }
        let names = |h: &Header| h.space.iter().map(|v| v.name.as_str()).collect::<Vec<_>>().join(", ");
        for (place, expected, found) in [
            ("variables", names(own), names(header)),
            ("method", own.method.to_string(), header.method.to_string()),
            ("seed", own.seed.to_string(), header.seed.to_string()),
            ("batch", own.batch.to_string(), header.batch.to_string()),
        ] {
            if expected != found {
                return Err(wrong(
                    &self.path,
                    place,
                    &format!("{expected}, as in the run it records"),
                    found,
                ));
            }
        }
        Ok(())
    }

    /// The evaluation `id`, if the journal has it.
    ///
    /// # Errors
    /// [`Error::Journal`] if another candidate was tried than `x`: the search is not the one that wrote the journal.
    pub(crate) fn replay(&self, id: u64, x: &Assignment) -> Result<Option<&Entry>> {
        let Some(entry) = self.entries.get(&id) else { return Ok(None) };
        match x.difference(&entry.x) {
            None => Ok(Some(entry)),
            Some((name, expected, found)) => {
                let place = format!("evaluation {id}, {name:?}");
                let by = if self.header.dro == env!("CARGO_PKG_VERSION") {
                    String::new()
                } else {
                    format!(" (written by version {})", self.header.dro)
                };
                Err(wrong(&self.path, &place, &expected, format!("{found}{by}")))
            }
        }
    }
}

fn locked(path: &Path) -> Result<File> {
    let file = File::options().create(true).append(true).open(path).map_err(Error::io(path))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Error::Busy { path: path.into() }),
        // Some network file systems have no locks; the journal works without.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

fn parsed<T: DeserializeOwned>(value: Value, path: &Path, line: usize, expected: &str) -> Result<T> {
    serde_json::from_value(value)
        .map_err(|error| wrong(path, &format!("line {line}"), expected, error.to_string()))
}

fn wrong(path: &Path, place: &str, expected: &str, found: String) -> Error {
    Error::Journal { path: path.into(), place: place.into(), expected: expected.into(), found }
}

fn json(variable: &Variable) -> String {
    serde_json::to_string(variable).unwrap_or_default()
}
