//! What can go wrong in this crate.

use std::{io, path::PathBuf};

/// An error that says where, what was expected and what came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that describes variables is no TOML.
    #[error("{file}, line {line}: {reason}")]
    Toml {
        /// Which file.
        file: String,
        /// Which line, from 1.
        line: usize,
        /// What the parser said.
        reason: String,
    },
    /// A variable is described wrongly.
    #[error("{place}: expected {expected}, found {found}")]
    Variable {
        /// The file, the variable and the key.
        place: String,
        /// What is allowed there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A setting is out of range.
    #[error("{name}: expected {expected}, found {found}")]
    Argument {
        /// The setting.
        name: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A cost program does not work.
    #[error("cost program {command:?}: {reason}")]
    Program {
        /// The command.
        command: String,
        /// What happened, with the end of what the program wrote to stderr.
        reason: String,
    },
    /// A folder has results of an earlier run.
    #[error(
        "{}: expected a folder without results, found {file}; --resume goes on with that run, --overwrite replaces it",
        folder.display()
    )]
    Occupied {
        /// The folder.
        folder: PathBuf,
        /// The file that was found.
        file: String,
    },
    /// Another process writes this journal.
    #[error("{}: expected a journal that nobody writes, found one that a running process holds", path.display())]
    Busy {
        /// The journal.
        path: PathBuf,
    },
    /// A journal is not what it should be, or not of this run.
    #[error("{}, {place}: expected {expected}, found {found}", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// The line or the setting.
        place: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// No evaluation succeeded.
    #[error("none of {evaluations} evaluations succeeded; the last one: {reason}")]
    NothingSucceeded {
        /// How many there were.
        evaluations: usize,
        /// Why the last one failed.
        reason: String,
    },
    /// The search or its space refused.
    #[error(transparent)]
    Search(#[from] dro_core::Error),
    /// A file of results cannot be written or read.
    #[error(transparent)]
    Record(#[from] dro_record::Error),
}

impl Error {
    /// The system's error about a file.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Record(dro_record::Error::Io { path, source })
    }

    /// `name` is `found` where `expected` is asked for.
    pub(crate) fn argument(
        name: impl Into<String>,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Argument { name: name.into(), expected: expected.into(), found: found.to_string() }
    }

    /// A variable's key is `found` where `expected` is asked for.
    pub(crate) fn variable(
        place: impl Into<String>,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Variable { place: place.into(), expected: expected.into(), found: found.to_string() }
    }
}

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;
