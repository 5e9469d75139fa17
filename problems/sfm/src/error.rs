//! What can go wrong in structure-from-motion, with the file or argument named.

use std::path::{Path, PathBuf};

/// An error that names the file or argument, what was expected, and what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder is not what it should be.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Input {
        /// The file or folder.
        path: PathBuf,
        /// What it should hold.
        expected: String,
        /// What it holds.
        found: String,
    },
    /// The operating system refused a file.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An argument is out of range or missing.
    #[error("{name}: expected {expected}, found {found}")]
    Argument {
        /// The argument or setting.
        name: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Weights do not fit the network.
    #[error("{}: {detail}", path.display())]
    Weights {
        /// The weights file.
        path: PathBuf,
        /// Which tensors are missing, extra, misshaped or not finite.
        detail: String,
    },
    /// The user asked to stop (Ctrl-C).
    #[error("interrupted")]
    Interrupted,
    /// The optimizer framework refused.
    #[error(transparent)]
    Core(#[from] dro_core::Error),
    /// Training refused.
    #[error(transparent)]
    Train(#[from] dro_train::Error),
    /// Geometry refused.
    #[error(transparent)]
    Vision(#[from] dro_vision::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// `path` holds `found` where `expected` belongs.
    pub fn input(path: impl AsRef<Path>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Input { path: path.as_ref().into(), expected: expected.into(), found: found.into() }
    }

    /// `name` is `found` where `expected` is asked for.
    pub fn argument(name: impl Into<String>, expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Argument { name: name.into(), expected: expected.into(), found: found.to_string() }
    }

    /// For `map_err` on file operations: keeps the path beside what the system said.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { path, source }
    }
}

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;
