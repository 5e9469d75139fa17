//! What can go wrong in this crate.

use std::{io, path::PathBuf};

/// An error that names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line of a log is not what it should be.
    #[error("{}, line {line}: {source}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The plotting library refused.
    #[error("chart {title:?}: {reason}")]
    Chart {
        /// The chart's title.
        title: String,
        /// What it said.
        reason: String,
    },
}

impl Error {
    /// The system's error about a file.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;
